"""Records of `_lifecycle`: only fields that change are written, so that read/write sets are Fabric's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from fabric_protos.peer.lifecycle import db_pb2

from fedpact_chaincode.lifecycle.layout import (
    Structure,
    decode_field,
    encode_field,
    field_key,
    implicit_collection_name,
    metadata_key,
)
from fedpact_chaincode.stub import Stub

FieldContent = int | str | bytes
_AFTER_NAMES = "\x7f"


class Store(Protocol):
    """A space of keys: the public state, or an organisation's collection."""

    def get(self, key: str) -> bytes | None:
        """Return the committed value; None if absent."""

    def put(self, key: str, value: bytes) -> None:
        """Propose a write."""

    def delete(self, key: str) -> None:
        """Propose a removal."""

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield committed (key, value) with start <= key < end."""


@dataclass(frozen=True, slots=True)
class PublicStore:
    """The public state of `_lifecycle`."""

    stub: Stub

    def get(self, key: str) -> bytes | None:
        """Return the committed value; None if absent."""
        return self.stub.get_state(key)

    def put(self, key: str, value: bytes) -> None:
        """Propose a write."""
        self.stub.put_state(key, value)

    def delete(self, key: str) -> None:
        """Propose a removal."""
        self.stub.delete_state(key)

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield committed (key, value) with start <= key < end."""
        return self.stub.get_state_by_range(start, end)


@dataclass(frozen=True, slots=True)
class OrganisationStore:
    """An organisation's implicit collection; all but the hashes is for its own peers only."""

    stub: Stub
    mspid: str

    @property
    def collection(self) -> str:
        """The collection's name."""
        return implicit_collection_name(self.mspid)

    def get(self, key: str) -> bytes | None:
        """Return the committed value; None if absent."""
        return self.stub.get_private_data(self.collection, key)

    def put(self, key: str, value: bytes) -> None:
        """Propose a write."""
        self.stub.put_private_data(self.collection, key, value)

    def delete(self, key: str) -> None:
        """Propose a removal."""
        self.stub.delete_private_data(self.collection, key)

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield committed (key, value) with start <= key < end."""
        return self.stub.get_private_data_by_range(self.collection, start, end)

    def hash_of(self, key: str) -> bytes | None:
        """Return the SHA-256 of the committed value, which every peer has; None if absent."""
        return self.stub.get_private_data_hash(self.collection, key)


def read_metadata(store: Store, section: str, name: str) -> db_pb2.StateMetadata | None:
    """Return what kind of record a name holds; None if there is none."""
    value = store.get(metadata_key(section, name))
    return None if value is None else db_pb2.StateMetadata.FromString(value)


def read_field(store: Store, section: str, name: str, field: str) -> FieldContent | None:
    """Return one field of a record; None if it is not there."""
    return decode_field(store.get(field_key(section, name, field)))


def write_record(
    store: Store, section: str, name: str, structure: Structure, content: Mapping[str, FieldContent]
) -> None:
    """Write a record; fields that stay as they are are not written, others of its predecessor removed."""
    metadata = read_metadata(store, section, name) or db_pb2.StateMetadata()
    existing = {}
    for field in metadata.fields:
        key = field_key(section, name, field)
        existing[key] = store.get(key)
    for field in structure.fields:
        key, value = field_key(section, name, field), encode_field(content[field])
        if existing.pop(key, None) != value:
            store.put(key, value)
    if existing or metadata.datatype != structure.datatype or len(metadata.fields) != len(structure.fields):
        store.put(metadata_key(section, name), structure.metadata())
    for key in existing:
        store.delete(key)


def mismatches(
    store: OrganisationStore,
    section: str,
    name: str,
    structure: Structure,
    content: Mapping[str, FieldContent],
) -> list[str]:
    """Compare a record that may be hidden with a proposed one, by hashes.

    Returns
    -------
    The fields that differ, or the type's name where there is no such record; empty if it is the same.
    """
    if store.hash_of(metadata_key(section, name)) != sha256(structure.metadata()).digest():
        return [structure.datatype]
    return [
        field
        for field in structure.fields
        if store.hash_of(field_key(section, name, field)) != sha256(encode_field(content[field])).digest()
    ]


def recorded_names(store: Store, section: str) -> Iterator[tuple[str, str]]:
    """Yield (name, type) of every record of a section, by name."""
    prefix = metadata_key(section, "")
    for key, value in store.scan(prefix, prefix + _AFTER_NAMES):
        yield key.removeprefix(prefix), db_pb2.StateMetadata.FromString(value).datatype
