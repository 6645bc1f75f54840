"""Verification of the ledger that a session is on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedpact.audit.findings import AuditReport
    from fedpact.consortium.session import Session


class Verification:
    """The audit, from a member's session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, *, progress: Callable[[int, int], None] | None = None) -> AuditReport:
        """Replay the whole ledger and compare everything that is stored with it; see `fedpact.audit`.

        Raises
        ------
        ValueError
            The session reaches the ledger through a socket only.
        """
        from fedpact.audit.auditor import audit

        if self._session.ledger is None:
            raise ValueError("an audit needs the ledger itself; connect by its URL")
        return audit(self._session.ledger, progress=progress)
