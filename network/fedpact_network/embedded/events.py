"""Chaincode events, read from the committed blocks: nothing is buffered, so a slow reader costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2

from fedpact.wire.blocks import TRANSACTIONS_FILTER
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import parse_envelope

if TYPE_CHECKING:
    from fedpact_network.embedded.node import EmbeddedNode

_POLL_S = 1.0


def chaincode_events(node: EmbeddedNode, request: gateway_pb2.ChaincodeEventsRequest) -> Iterator[bytes]:
    """Return a stream with one serialised `ChaincodeEventsResponse` a block that has events of the chaincode.

    Parameters
    ----------
    node : whose blocks.
    request : the chaincode, where to start (by default at the next block), and after which transaction of the
        first block.

    Raises
    ------
    Refusal
        STOPPED, when the node stops.
    """
    with node.snapshots.view() as snapshot:
        number = _start(request.start_position, snapshot.height)
    return _follow(node, request, number)


def _follow(node: EmbeddedNode, request: gateway_pb2.ChaincodeEventsRequest, number: int) -> Iterator[bytes]:
    after = request.after_transaction_id
    while True:
        height = node.notifier.wait_for_height(number + 1, _POLL_S)
        while number < height:
            with node.snapshots.view() as snapshot:
                data = snapshot.reader.block(number) or b""
            events = _events(common_pb2.Block.FromString(data), request.chaincode_id, after)
            if events:
                response = gateway_pb2.ChaincodeEventsResponse(events=events, block_number=number)
                yield response.SerializeToString()
            number, after = number + 1, ""


def _start(position: ab_pb2.SeekPosition, height: int) -> int:
    kind = position.WhichOneof("Type")
    if kind == "oldest":
        return 0
    if kind == "specified":
        return int(position.specified.number)
    return height - 1 if kind == "newest" else height


def _events(block: common_pb2.Block, chaincode: str, after: str) -> list[chaincode_event_pb2.ChaincodeEvent]:
    """Return the events of valid transactions; those up to transaction `after` are skipped if it is there."""
    found: list[chaincode_event_pb2.ChaincodeEvent] = []
    for envelope, code in zip(block.data.data, block.metadata.metadata[TRANSACTIONS_FILTER], strict=False):
        if code != ValidationCode.VALID or block.header.number == 0:
            continue
        transaction = parse_envelope(envelope)
        event = transaction.event
        if transaction.transaction_id == after:
            found.clear()
        elif event is not None and transaction.headers.chaincode == chaincode:
            found.append(
                chaincode_event_pb2.ChaincodeEvent(
                    chaincode_id=chaincode,
                    tx_id=transaction.transaction_id,
                    event_name=event.name,
                    payload=event.payload,
                )
            )
    return found
