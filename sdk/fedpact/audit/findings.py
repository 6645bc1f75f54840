"""What an audit reports: how much it checked, and the exact place of everything that is wrong."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Check(StrEnum):
    """What was checked; stable names."""

    READABLE = "READABLE"
    GENESIS = "GENESIS"
    BLOCK_NUMBER = "BLOCK_NUMBER"
    PREVIOUS_HASH = "PREVIOUS_HASH"
    DATA_HASH = "DATA_HASH"
    BLOCK_SIGNATURE = "BLOCK_SIGNATURE"
    VALIDATION_CODE = "VALIDATION_CODE"
    COMMIT_HASH = "COMMIT_HASH"
    EXECUTION = "EXECUTION"
    STATE_HASH = "STATE_HASH"
    STATE_ROW = "STATE_ROW"
    HISTORY = "HISTORY"
    TRANSACTION_INDEX = "TRANSACTION_INDEX"
    VERDICT = "VERDICT"
    ELECTION = "ELECTION"
    PAYMENT = "PAYMENT"
    CONSERVATION = "CONSERVATION"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    Attributes
    ----------
    check : what failed.
    block : number of the block; -1 where the finding is about no block.
    transaction : transaction id, state key or record; empty where it is about the whole block.
    detail : one sentence with the expected and the found value.
    """

    check: Check
    block: int
    transaction: str
    detail: str

    def __str__(self) -> str:
        place = f"block {self.block}" if self.block >= 0 else "state"
        return f"{self.check} at {place}{' ' + self.transaction if self.transaction else ''}: {self.detail}"


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an audit.

    Attributes
    ----------
    ok : nothing is wrong.
    findings : what is, in order of place; at most `MAX_FINDINGS`.
    checked : how often each check was made.
    height : blocks replayed.
    transactions : transactions replayed, valid or not.
    state_hash : hash of the replayed state, hex.
    genesis_hash, tip_hash : header hashes, hex: compare them with those of another member.
    """

    ok: bool
    findings: list[Finding]
    checked: dict[Check, int]
    height: int
    transactions: int
    state_hash: str
    genesis_hash: str
    tip_hash: str


MAX_FINDINGS = 1000


class Findings:
    """Collects checks and findings while an audit runs."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.checked: dict[Check, int] = dict.fromkeys(Check, 0)

    def in_order(self) -> list[Finding]:
        """Return what was found by block, what is about none last."""
        return sorted(self.found, key=lambda finding: (finding.block < 0, finding.block))

    def check(self, check: Check, ok: bool, detail: str, *, block: int = -1, transaction: str = "") -> bool:
        """Count a check and keep it if it failed; return whether it passed."""
        self.checked[check] += 1
        if not ok and len(self.found) < MAX_FINDINGS:
            self.found.append(Finding(check=check, block=block, transaction=transaction, detail=detail))
        return ok
