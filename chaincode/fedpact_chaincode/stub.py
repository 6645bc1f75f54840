"""The one interface through which a contract sees the world.

The embedded node, the chaincode shim and `testing.MemoryLedger` implement it. Names and meaning are
those of Fabric's shim: reads see the committed state only (never the transaction's own writes; the
framework's `State` adds that), keys are text that may hold U+0000, ordered by their UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeyModification:
    """One committed change of a key, newest first in a history.

    Attributes
    ----------
    transaction_id : who changed it.
    value : the new value; None where the key was deleted.
    timestamp_ns : the transaction's time.
    """

    transaction_id: str
    value: bytes | None
    timestamp_ns: int


class Stub(Protocol):
    """What a ledger offers to one execution of one transaction."""

    @property
    def channel_id(self) -> str:
        """The channel the transaction runs on."""

    @property
    def tx_id(self) -> str:
        """The transaction's id (hex)."""

    @property
    def args(self) -> Sequence[bytes]:
        """The call: `contract:transaction`, then the message as JSON (absent: all defaults)."""

    @property
    def creator(self) -> bytes:
        """Who signed the proposal: a serialised `msp.SerializedIdentity`."""

    @property
    def timestamp_ns(self) -> int:
        """The proposal's timestamp, nanoseconds since 1970."""

    @property
    def transient(self) -> Mapping[str, bytes]:
        """Data for the endorsers only, never on the ledger."""

    def get_state(self, key: str) -> bytes | None:
        """Return the committed value of a key; None if absent."""

    def put_state(self, key: str, value: bytes) -> None:
        """Propose a write; the last one of a key counts."""

    def delete_state(self, key: str) -> None:
        """Propose the removal of a key."""

    def get_state_by_range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield committed (key, value) with start <= key < end, in order; the range is phantom-protected."""

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        """Yield the committed changes of a key, newest first."""

    def set_event(self, name: str, payload: bytes) -> None:
        """Attach the transaction's one event."""
