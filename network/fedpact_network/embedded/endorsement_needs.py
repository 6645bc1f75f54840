"""Whose endorsements a result will need when its block is validated; see `fedpact.validation.endorsement`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from fabric_protos.common import policies_pb2
from google.protobuf.message import DecodeError

from fedpact.wire.bundle import Bundle
from fedpact.wire.definitions import Definition, find_collection
from fedpact.wire.errors import WireError
from fedpact.wire.policies import Policy, PolicyError
from fedpact.wire.rwsets import (
    VALIDATION_PARAMETER,
    NamespaceRwset,
    Row,
    decode_metadata,
    hashed_namespace,
)


class Rows(Protocol):
    """A committed state."""

    def get(self, namespace: str, key: str, /) -> Row | None:
        """Return the row of a key."""


def needed_policies(
    rwset: NamespaceRwset, definition: Definition, bundle: Bundle, rows: Rows
) -> tuple[Policy, ...]:
    """Return all policies that the endorsements of a result must satisfy together.

    Parameters
    ----------
    rwset : what was read and is to be written.
    definition : of its chaincode.
    bundle : the configuration in force.
    rows : the committed state.
    """
    found: dict[Policy, None] = {}
    for place, collection in _written(rwset):
        row = rows.get(*place)
        own = key_policy(row.metadata) if row is not None and row.metadata else None
        if own is None and collection:
            terms = find_collection(definition, bundle, collection)
            own = None if terms is None else terms.endorsement
        found[definition.endorsement if own is None else own] = None
    return tuple(found) or (definition.endorsement,)


def key_policy(metadata: bytes) -> Policy | None:
    """Return the policy in a row's metadata: None for none, one that refuses for what cannot be read."""
    try:
        parameter = decode_metadata(metadata).get(VALIDATION_PARAMETER, b"")
        if not parameter:
            return None
        return Policy.from_envelope(policies_pb2.SignaturePolicyEnvelope.FromString(parameter))
    except (WireError, DecodeError, PolicyError):
        return Policy.refusing()


def _written(rwset: NamespaceRwset) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the place of every row that changes, and its collection; "" for public ones."""
    for key, _ in rwset.writes:
        yield (rwset.namespace, key), ""
    for key, _ in rwset.metadata:
        yield (rwset.namespace, key), ""
    for collection in rwset.collections:
        hashes = hashed_namespace(rwset.namespace, collection.collection)
        keys = [item.key_hash for item in collection.writes]
        keys += [item.key_hash for item in collection.metadata]
        for key_hash in keys:
            yield (hashes, key_hash.hex()), collection.collection
