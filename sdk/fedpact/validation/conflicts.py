"""The version checks: would a transaction read now what it read when it was executed?

As in Fabric, a key that the block has touched conflicts with every later read of it in that block, and a
range conflicts when its keys or their versions differ (a phantom).
"""

from __future__ import annotations

from collections.abc import Sequence

from fedpact.validation.channel_rules import Committed
from fedpact.validation.state_update import StateUpdate
from fedpact.wire.commits import StateKey, ValidationCode
from fedpact.wire.range_digests import range_digest
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Read, Version, hashed_namespace


def conflict(rwsets: Sequence[NamespaceRwset], committed: Committed, state: StateUpdate) -> ValidationCode:
    """Return VALID, MVCC_READ_CONFLICT or PHANTOM_READ_CONFLICT. O(keys read).

    Parameters
    ----------
    rwsets : of the transaction.
    committed : the rows as the block before left them.
    state : what the block has changed so far.
    """

    def stale(place: StateKey, version: Version | None) -> bool:
        if place in state.updates:
            return True
        row = committed.get(*place)
        return (None if row is None else row.version) != version

    for rwset in rwsets:
        namespace = rwset.namespace
        for key, version in rwset.reads:
            if stale((namespace, key), version):
                return ValidationCode.MVCC_READ_CONFLICT
        for query in rwset.range_queries:
            if not _repeats(namespace, query, committed, state):
                return ValidationCode.PHANTOM_READ_CONFLICT
        for collection in rwset.collections:
            space = hashed_namespace(namespace, collection.collection)
            if any(stale((space, read.key_hash.hex()), read.version) for read in collection.reads):
                return ValidationCode.MVCC_READ_CONFLICT
    return ValidationCode.VALID


def _repeats(namespace: str, query: RangeQuery, committed: Committed, state: StateUpdate) -> bool:
    """Whether the range would return the same keys in the same versions now."""
    end = query.end
    if not query.exhausted and end:
        end += "\x00"  # the first key after the last one read: that one belongs to the protected range
    for (space, key), update in state.updates.items():
        within = space == namespace and query.start <= key and (not end or key < end)
        if within and update.value is not None:
            return False
    found = (
        Read(key, row.version)
        for key, row in committed.scan(namespace, query.start, end)
        if (namespace, key) not in state.updates
    )
    if query.digest is not None:
        return range_digest(found, query.digest.max_degree) == query.digest
    return all(next(found, None) == read for read in query.reads) and next(found, None) is None
