"""The past of a key: the database names the transactions, the blocks hold what they wrote."""

from __future__ import annotations

from collections.abc import Iterator

from fabric_protos.common import common_pb2

from fedpact.ledger import HistoryRow
from fedpact.wire.envelopes import parse_envelope
from fedpact_network.embedded.reader import Reader


def history(reader: Reader, namespace: str, key: str) -> Iterator[HistoryRow]:
    """Yield the changes of a key, newest first, as the blocks hold them. O(block) each.

    Raises
    ------
    LookupError
        A block is missing, or does not hold the change.
    """
    number, block = -1, common_pb2.Block()
    for version in reader.changes(namespace, key):
        if version.block != number:
            data = reader.block(version.block)
            if data is None:
                raise LookupError(f"block {version.block} is missing")
            number, block = version.block, common_pb2.Block.FromString(data)
        transaction = parse_envelope(block.data.data[version.tx])
        writes = [w for rwset in transaction.rwset if rwset.namespace == namespace for w in rwset.writes]
        yield HistoryRow(transaction.transaction_id, version, transaction.timestamp_ns, dict(writes)[key])
