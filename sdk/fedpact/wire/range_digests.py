"""Fabric's digest of a long range: a Merkle tree over what was read, of which only the top is recorded.

A Fabric peer hashes ranges of more than `FABRIC_MAX_DEGREE` reads. The tree grows from the left: every time
more than `max_degree` nodes of one level have come together, they become one node of the next level; at the
end what is left on the lower levels is closed upwards (`query_results_helper.go` of Fabric's `rwsetutil`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from fedpact.wire.kv_messages import encode_version
from fedpact.wire.rwset_records import RangeDigest, Read

FABRIC_MAX_DEGREE = 50
"""The degree that Fabric's peers use."""


def range_digest(reads: Iterable[Read], max_degree: int = FABRIC_MAX_DEGREE) -> RangeDigest | None:
    """Return the digest of a range. O(reads), a constant number of which are held.

    A validator compares it, computed from what the range holds now with the recorded degree, with the
    recorded digest; None is unlike any.

    Parameters
    ----------
    reads : in order of keys.
    max_degree : at least 2.

    Returns
    -------
    None for a range of up to `max_degree` reads, which is recorded read by read.

    Raises
    ------
    ValueError
        If the degree is below 2.
    """
    if max_degree < 2:
        raise ValueError("a Merkle tree needs a degree of at least 2")
    levels: list[list[bytes]] = []  # levels[0] is Fabric's level 1
    pending: list[Read] = []
    for read in reads:
        pending.append(read)
        if len(pending) > max_degree:
            _grow(levels, _leaf(pending), max_degree)
            pending = []
    if not levels:
        return None
    if pending:
        _grow(levels, _leaf(pending), max_degree)
    return _closed(levels, max_degree)


def _grow(levels: list[list[bytes]], node: bytes, max_degree: int) -> None:
    """Add a node to the lowest level, and to the higher ones what becomes complete."""
    level = 0
    while True:
        if level == len(levels):
            levels.append([])
        levels[level].append(node)
        if len(levels[level]) <= max_degree:
            return
        node = _combined(levels[level])
        levels[level] = []
        level += 1


def _closed(levels: list[list[bytes]], max_degree: int) -> RangeDigest:
    """Take what is left on lower levels up to the highest one; a single node goes up as it is."""
    for lower, upper in pairwise(levels):
        if lower:
            upper.append(lower[0] if len(lower) == 1 else _combined(lower))
    top, height = levels[-1], len(levels)
    if len(top) > max_degree:
        top, height = [_combined(top)], height + 1
    return RangeDigest(max_degree, height, tuple(top))


def _leaf(reads: Sequence[Read]) -> bytes:
    message = kv_rwset_pb2.QueryReads(
        kv_reads=[kv_rwset_pb2.KVRead(key=read.key, version=encode_version(read.version)) for read in reads]
    )
    return hashlib.sha256(message.SerializeToString()).digest()


def _combined(nodes: Sequence[bytes]) -> bytes:
    return hashlib.sha256(b"".join(nodes)).digest()
