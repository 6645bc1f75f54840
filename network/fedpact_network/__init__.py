"""Ledger nodes: the embedded node, and the networks that fedpact starts and stops."""
