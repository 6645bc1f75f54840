"""Looking up what became of a transaction, and whether it is the very one that was committed."""

from __future__ import annotations

from fabric_protos.common import common_pb2

from fedpact.wire.commits import ValidationCode
from fedpact_network.embedded.notifier import Outcome
from fedpact_network.embedded.snapshots import Snapshots
from fedpact_network.embedded.update_envelopes import find_configuration


def find_outcome(snapshots: Snapshots, configuration: int, tx_id: str) -> Outcome | None:
    """Return the outcome of a committed transaction or update; None if it is not committed.

    Parameters
    ----------
    snapshots : where to look.
    configuration : number of the configuration block in force.
    tx_id : of a transaction, or `update_id` of an update.
    """
    with snapshots.view() as snapshot:
        place = snapshot.place(tx_id)
        if place is not None:
            return Outcome(ValidationCode(place.code), place.block)
        number = find_configuration(snapshot.reader.block, configuration, tx_id)
    return None if number is None else Outcome(ValidationCode.VALID, number)


def holds(snapshots: Snapshots, envelope: bytes, number: int) -> bool:
    """Whether a block holds exactly this envelope."""
    with snapshots.view() as snapshot:
        block = common_pb2.Block.FromString(snapshot.reader.block(number) or b"")
    return envelope in block.data.data
