"""Committed private data for those who may have them: the members of their collections."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from fabric_protos.ledger.rwset import rwset_pb2

from fedpact.wire.definitions import DefinitionError, find_collection, find_definition

if TYPE_CHECKING:
    from fedpact.validation import ChannelRules
    from fedpact.wire.definitions import Collection
    from fedpact.wire.membership import Member
    from fedpact_network.embedded.node import EmbeddedNode
    from fedpact_network.embedded.snapshots import Snapshot


def collection_of(rules: ChannelRules, rows: Snapshot, namespace: str, name: str) -> Collection | None:
    """Return the terms of a collection as they are agreed on now; None if there is none."""
    try:
        definition = find_definition(rows, rules.bundle, namespace) or rules.undefined(namespace)
    except DefinitionError:
        return None
    return find_collection(definition, rules.bundle, name)


class CommittedPrivateData:
    """A `deliver.PrivateData`: what a node holds of a block, without what the requester is no member of.

    Parameters
    ----------
    node : whose.
    """

    def __init__(self, node: EmbeddedNode) -> None:
        self._node = node

    def __call__(self, block: int, member: Member) -> Mapping[int, bytes]:
        """Return serialised `rwset.TxPvtReadWriteSet`s by the positions of their transactions."""
        with self._node.snapshots.view() as snapshot:
            rows = snapshot.reader.private_writes(block)
            names = {(namespace, name) for _, namespace, name, _ in rows}
            terms = {place: collection_of(self._node.channel.rules, snapshot, *place) for place in names}
        allowed = {
            place
            for place, found in terms.items()
            if found is not None and found.member_policy.satisfied_by([member])
        }
        seen = [row for row in rows if (row[1], row[2]) in allowed]
        return {
            position: _message([row[1:] for row in group])
            for position, group in groupby(seen, lambda row: row[0])
        }


def _message(rows: list[tuple[str, str, bytes]]) -> bytes:
    message = rwset_pb2.TxPvtReadWriteSet(
        data_model=rwset_pb2.TxReadWriteSet.KV,
        ns_pvt_rwset=[
            rwset_pb2.NsPvtReadWriteSet(
                namespace=namespace,
                collection_pvt_rwset=[
                    rwset_pb2.CollectionPvtReadWriteSet(collection_name=name, rwset=content)
                    for _, name, content in group
                ],
            )
            for namespace, group in groupby(rows, lambda row: row[0])
        ],
    )
    data: bytes = message.SerializeToString()
    return data
