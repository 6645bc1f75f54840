"""Private data during one execution: what a contract sees of a collection, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError

from fedpact.wire.rwsets import (
    VALIDATION_PARAMETER,
    CollectionRwset,
    HashedMetadataWrite,
    HashedRead,
    PrivateRwset,
    Row,
    Version,
    Write,
    decode_metadata,
    hash_of,
    hashed,
    hashed_namespace,
)
from fedpact_chaincode.errors import COLLECTION_FORBIDDEN, PRIVATE_DATA_UNAVAILABLE, Rejected
from fedpact_chaincode.stub import Collection


class PrivateState(Protocol):
    """What a committed state offers of private data."""

    def get(self, namespace: str, key: str, /) -> Row | None:
        """Return a public row; hashed rows are among them."""

    def private(self, namespace: str, collection: str, key: str, /) -> Row | None:
        """Return a private row, if this node holds it."""

    def scan_private(
        self, namespace: str, collection: str, start: str, end: str, /
    ) -> Iterator[tuple[str, Row]]:
        """Yield (key, row) of the private rows held here, start <= key < end; an empty end is unbounded."""


class CollectionSimulation:
    """One collection as one execution sees it.

    Parameters
    ----------
    state : the committed state.
    namespace, name : which collection.
    terms : who may use it.
    caller : MSP id of the creator.
    """

    def __init__(
        self, state: PrivateState, namespace: str, name: str, terms: Collection, caller: str
    ) -> None:
        self._state = state
        self._namespace = namespace
        self._name = name
        self._hashes = hashed_namespace(namespace, name)
        member = caller in terms.members
        self._readable = member or not terms.member_only_read
        self._writable = member or not terms.member_only_write
        self._reads: dict[str, Version | None] = {}
        self._writes: dict[str, bytes | None] = {}
        self._purges: set[str] = set()
        self._parameters: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        """Return the committed value; refused (PRIVATE_DATA_UNAVAILABLE) unless it is the ledger's."""
        self._check(self._readable)
        row = self._state.private(self._namespace, self._name, key)
        vouched = self._hashed(key)
        if (None if row is None else row.version) != (None if vouched is None else vouched.version):
            raise Rejected(PRIVATE_DATA_UNAVAILABLE, collection=self._name)
        return None if row is None else row.value

    def hash(self, key: str) -> bytes | None:
        """Return the hash of the committed value, as everybody may."""
        row = self._hashed(key)
        return None if row is None else row.value

    def range(self, start: str, end: str) -> Iterator[tuple[str, Row]]:
        """Yield the committed rows that this node holds; nothing is recorded, as in Fabric."""
        self._check(self._readable)
        return self._state.scan_private(self._namespace, self._name, start, end)

    def parameter(self, key: str) -> bytes | None:
        """Return the key's validation parameter."""
        self._check(self._readable)
        row = self._hashed(key)
        return None if row is None else validation_parameter(row)

    def write(self, key: str, value: bytes | None, *, purge: bool = False) -> None:
        """Propose a value, or a removal."""
        self._check(self._writable)
        self._writes[key] = value
        if purge:
            self._purges.add(key)
        else:
            self._purges.discard(key)

    def set_parameter(self, key: str, policy: bytes) -> None:
        """Propose a validation parameter."""
        self._check(self._writable)
        self._parameters[key] = policy

    @property
    def written(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._writes or self._parameters)

    def private_rwset(self) -> PrivateRwset | None:
        """Return what is to be written, in plain; None if nothing is."""
        if not self.written:
            return None
        return PrivateRwset(
            self._namespace,
            self._name,
            tuple([Write(key, value) for key, value in self._writes.items() if key not in self._purges]),
            tuple(sorted(self._purges)),
            tuple(self._parameters),
        )

    def rwset(self) -> CollectionRwset:
        """Return what was read and is to be written, hashed, in the order of the plain keys."""
        private = self.private_rwset()
        written = CollectionRwset(self._name) if private is None else hashed(private)
        return CollectionRwset(
            self._name,
            tuple([HashedRead(hash_of(key), version) for key, version in sorted(self._reads.items())]),
            written.writes,
            tuple(
                [
                    HashedMetadataWrite(hash_of(key), ((VALIDATION_PARAMETER, policy),))
                    for key, policy in sorted(self._parameters.items())
                ]
            ),
            written.private_hash,
        )

    def _hashed(self, key: str) -> Row | None:
        row = self._state.get(self._hashes, hash_of(key).hex())
        self._reads[key] = None if row is None else row.version
        return row

    def _check(self, allowed: bool) -> None:
        if not allowed:
            raise Rejected(COLLECTION_FORBIDDEN, collection=self._name)


def validation_parameter(row: Row) -> bytes | None:
    """Return a row's validation parameter; None where the chaincode's policy counts."""
    return (decode_metadata(row.metadata).get(VALIDATION_PARAMETER) or None) if row.metadata else None


def mspid_of(creator: bytes) -> str:
    """Return the MSP id in a serialised identity; empty if it is none."""
    try:
        identity = identities_pb2.SerializedIdentity.FromString(creator)
    except DecodeError:
        return ""
    mspid: str = identity.mspid
    return mspid
