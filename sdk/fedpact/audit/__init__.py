"""Verification of a whole ledger: replay every block, check everything, trust nothing that is stored."""
