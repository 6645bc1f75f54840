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


class Collection(Protocol):
    """What the access to a collection of private data depends on."""

    @property
    def members(self) -> frozenset[str]:
        """MSP ids of the organisations that hold the data."""

    @property
    def member_only_read(self) -> bool:
        """Whether callers of other organisations are refused when the contract reads."""

    @property
    def member_only_write(self) -> bool:
        """Whether callers of other organisations are refused when the contract writes."""


class Stub(Protocol):
    """What a ledger offers to one execution of one transaction.

    Private data lie in the collections of the chaincode's definition. Every call on them may be refused:
    COLLECTION_UNDEFINED; and, except for a hash, COLLECTION_FORBIDDEN.
    """

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

    def get_state_by_range_with_pagination(
        self, start: str, end: str, page_size: int, bookmark: str = ""
    ) -> tuple[list[tuple[str, bytes]], str]:
        """Return the next rows of a range, and the bookmark of the page after them.

        Parameters
        ----------
        start, end : start <= key < end; an empty end is unbounded.
        page_size : at least 1.
        bookmark : empty, or what the page before returned; empty in the answer: there are no more rows.

        Raises
        ------
        Rejected
            READS_WITHOUT_PROTECTION, if the transaction has written; a write that follows is refused so too.
        ValueError
            If the size is out of bounds or the bookmark outside the range.
        """

    def get_state_validation_parameter(self, key: str) -> bytes | None:
        """Return the key's own endorsement policy; None where the chaincode's policy counts."""

    def set_state_validation_parameter(self, key: str, policy: bytes) -> None:
        """Propose an endorsement policy for one key: a `common.SignaturePolicyEnvelope`, as Fabric keeps it.

        Empty: the chaincode's policy counts again. Without effect on a key that does not exist.
        `fedpact_chaincode.key_policies` makes such policies.
        """

    def get_private_data(self, collection: str, key: str) -> bytes | None:
        """Return the committed value of a private key; None if absent.

        Raises
        ------
        Rejected
            PRIVATE_DATA_UNAVAILABLE: the ledger has the hash of a value that this node lacks.
        """

    def get_private_data_hash(self, collection: str, key: str) -> bytes | None:
        """Return the SHA-256 of a private value, which every node knows; None if absent."""

    def put_private_data(self, collection: str, key: str, value: bytes) -> None:
        """Propose a private write; the last one of a key counts."""

    def delete_private_data(self, collection: str, key: str) -> None:
        """Propose the removal of a private key; its past values stay with the members."""

    def purge_private_data(self, collection: str, key: str) -> None:
        """Propose the removal of a private key together with all its past values."""

    def get_private_data_by_range(self, collection: str, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield committed private (key, value) with start <= key < end, in order; not phantom-protected.

        Raises
        ------
        Rejected
            READS_WITHOUT_PROTECTION, if the transaction has written; a write that follows is refused so too.
        """

    def get_private_data_validation_parameter(self, collection: str, key: str) -> bytes | None:
        """Return a private key's own endorsement policy."""

    def set_private_data_validation_parameter(self, collection: str, key: str, policy: bytes) -> None:
        """Propose an endorsement policy for one private key, as `set_state_validation_parameter`."""

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        """Yield the committed changes of a key, newest first."""

    def set_event(self, name: str, payload: bytes) -> None:
        """Attach the transaction's one event."""
