"""Chaincode events, read from the committed blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2

from fedpact.identity import IdentityError
from fedpact.wire.blocks import TRANSACTIONS_FILTER
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import parse_envelope
from fedpact.wire.errors import WireError
from fedpact_network.embedded.access import CHAINCODE_EVENTS
from fedpact_network.embedded.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    from fedpact_network.embedded.node import EmbeddedNode

_BLOCKS_AT_A_TIME = 64
_GO = {"oldest": "Oldest", "newest": "Newest"}


class ChaincodeEvents:
    """A feed of one serialised `ChaincodeEventsResponse` a block that has events of a chaincode.

    The place to start is fixed here: at the block of transaction `after_transaction_id` if it is committed,
    else at the start position, by default the next block. Events up to that transaction are left out.

    Parameters
    ----------
    node : whose blocks.
    request : which events.

    Raises
    ------
    Refusal
        MALFORMED for a start position other than a block's number or the next commit; STOPPED.
    """

    finished = False

    def __init__(self, node: EmbeddedNode, request: gateway_pb2.ChaincodeEventsRequest) -> None:
        self._node = node
        self._reader: bytes = request.identity
        self._chaincode: str = request.chaincode_id
        self._after: str = request.after_transaction_id
        with node.snapshots.view() as snapshot:
            place = snapshot.place(self._after) if self._after else None
            self.number = (
                place.block if place is not None else _start(request.start_position, snapshot.height)
            )

    def waits(self, height: int) -> bool:
        """Whether the next block is still to come."""
        return self.number >= height

    def read(self, height: int) -> bytes | None:
        """Return the events of the next block that has some.

        Raises
        ------
        Refusal
            ACCESS_DENIED where the reader's identity has expired, or was revoked; POLICY_UNSATISFIED where
            it was shut out since.
        """
        try:
            reader = self._node.membership.identify(self._reader, self._node.now_s)
        except IdentityError as error:
            raise Refusal(RefusalCode.ACCESS_DENIED, str(error)) from error
        self._node.access.check(CHAINCODE_EVENTS, reader)
        with self._node.snapshots.view() as snapshot:
            for _ in range(min(height - self.number, _BLOCKS_AT_A_TIME)):
                number, data = self.number, snapshot.reader.block(self.number)
                self.number += 1
                events = self._events(common_pb2.Block.FromString(data or b""))
                if events:
                    response = gateway_pb2.ChaincodeEventsResponse(events=events, block_number=number)
                    reply: bytes = response.SerializeToString()
                    return reply
        return None

    def _events(self, block: common_pb2.Block) -> list[chaincode_event_pb2.ChaincodeEvent]:
        found = []
        for envelope, code in zip(
            block.data.data, block.metadata.metadata[TRANSACTIONS_FILTER], strict=False
        ):
            if code != ValidationCode.VALID and not self._after:
                continue
            try:
                transaction = parse_envelope(envelope)
            except WireError:  # a configuration has no events
                continue
            event = transaction.event
            if self._after:
                if transaction.transaction_id == self._after:
                    self._after = ""
            elif event is not None and transaction.headers.chaincode == self._chaincode:
                found.append(
                    chaincode_event_pb2.ChaincodeEvent(
                        chaincode_id=self._chaincode,
                        tx_id=transaction.transaction_id,
                        event_name=event.name,
                        payload=event.payload,
                    )
                )
        return found


def _start(position: ab_pb2.SeekPosition, height: int) -> int:
    kind = position.WhichOneof("Type")
    if kind == "specified":
        return int(position.specified.number)
    if kind in (None, "next_commit"):
        return height
    raise Refusal(
        RefusalCode.MALFORMED, f"invalid start position type: *orderer.SeekPosition_{_GO[str(kind)]}"
    )
