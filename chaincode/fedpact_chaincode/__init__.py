"""Contracts of the consortium and the framework that runs them on any ledger."""
