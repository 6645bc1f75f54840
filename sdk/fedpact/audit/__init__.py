"""Verification of a whole ledger: replay every block, check everything, trust nothing that is stored."""

from fedpact.audit.auditor import audit
from fedpact.audit.findings import AuditReport, Check, Finding

__all__ = ["AuditReport", "Check", "Finding", "audit"]
