"""What can be followed of a ledger, as values: chaincode events, blocks, filtered blocks, private data.

EventKind[E]             one kind: how it is asked for, and how its replies are read
  CHAINCODE_EVENTS       ChaincodeEvent
  BLOCKS                 Block
  FILTERED_BLOCKS        FilteredBlock
  BLOCKS_AND_PRIVATE_DATA   BlockAndPrivateData
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import events_pb2

from fedpact.gateway.messages import read_reply
from fedpact.gateway.transport import DeliverKind, Status, TransportError
from fedpact.wire.blocks import ParsedBlock, parse_block
from fedpact.wire.commits import ValidationCode

E = TypeVar("E")


class Place(NamedTuple):
    """Where events begin.

    Attributes
    ----------
    block : number of the first block; None: the next one to be committed.
    after : a transaction of that block: its events and those before are left out.
    """

    block: int | None = None
    after: str = ""


class ChaincodeEvent(NamedTuple):
    """What a contract announced in a valid transaction.

    Attributes
    ----------
    block_number : the block it is in.
    transaction_id : which set it.
    chaincode : name of the chaincode.
    name : the event's.
    payload : its content; empty in filtered blocks.
    """

    block_number: int
    transaction_id: str
    chaincode: str
    name: str
    payload: bytes


@dataclass(frozen=True)
class Block:
    """A committed block.

    Attributes
    ----------
    number : height, 0 is the genesis block.
    data : serialised `common.Block`.
    """

    number: int
    data: bytes

    @cached_property
    def parsed(self) -> ParsedBlock:
        """The block's parts; WireError BAD_BLOCK if it is malformed."""
        return parse_block(self.data)


class FilteredTransaction(NamedTuple):
    """What everybody may know of a transaction.

    Attributes
    ----------
    transaction_id : its id; empty for configurations.
    kind : `common.HeaderType`, 3 for a contract's transaction, 1 for a configuration.
    code : the verdict.
    events : what the contract announced, without payload.
    """

    transaction_id: str
    kind: int
    code: ValidationCode
    events: tuple[ChaincodeEvent, ...]


class FilteredBlock(NamedTuple):
    """A block without content."""

    channel_id: str
    number: int
    transactions: tuple[FilteredTransaction, ...]


class BlockAndPrivateData(NamedTuple):
    """A block and the private data that its reader may see.

    Attributes
    ----------
    block : the block.
    private_data : by position in the block, serialised `rwset.TxPvtReadWriteSet`
        (`fedpact.wire.rwsets.decode_private`).
    """

    block: Block
    private_data: Mapping[int, bytes]

    @property
    def number(self) -> int:
        """The block's."""
        return self.block.number


@dataclass(frozen=True, slots=True)
class EventKind(Generic[E]):
    """One kind of events.

    Attributes
    ----------
    name : Fabric's name of the call.
    deliver : how blocks are delivered; None for a chaincode's events.
    read : turns a reply into events; None where the ledger says that there are no more.
    place_after : where to go on after an event.
    """

    name: str
    deliver: DeliverKind | None
    read: Callable[[bytes], tuple[E, ...] | None]
    place_after: Callable[[E], Place]


_STATUSES: Mapping[int, Status] = {
    common_pb2.BAD_REQUEST: Status.INVALID_ARGUMENT,
    common_pb2.FORBIDDEN: Status.PERMISSION_DENIED,
    common_pb2.NOT_FOUND: Status.NOT_FOUND,
    common_pb2.REQUEST_ENTITY_TOO_LARGE: Status.INVALID_ARGUMENT,
    common_pb2.NOT_IMPLEMENTED: Status.UNIMPLEMENTED,
    common_pb2.SERVICE_UNAVAILABLE: Status.UNAVAILABLE,
}


def _chaincode_events(reply: bytes) -> tuple[ChaincodeEvent, ...]:
    response = read_reply(gateway_pb2.ChaincodeEventsResponse, reply)
    number = response.block_number
    return tuple(
        ChaincodeEvent(number, event.tx_id, event.chaincode_id, event.event_name, event.payload)
        for event in response.events
    )


def _delivered(reply: bytes, field: str) -> events_pb2.DeliverResponse | None:
    """Return a reply that holds what was asked for; None where the ledger says that this was all."""
    response = read_reply(events_pb2.DeliverResponse, reply)
    kind = response.WhichOneof("Type")
    if kind == field:
        return response
    if kind != "status":
        raise TransportError(Status.INTERNAL, f"a delivery of {kind} in place of {field}")
    if response.status == common_pb2.SUCCESS:
        return None
    status = _STATUSES.get(response.status, Status.INTERNAL)
    raise TransportError(status, f"not delivered, status {response.status}")


def _block(message: common_pb2.Block) -> Block:
    return Block(message.header.number, message.SerializeToString())


def _blocks(reply: bytes) -> tuple[Block, ...] | None:
    response = _delivered(reply, "block")
    return None if response is None else (_block(response.block),)


def _filtered(reply: bytes) -> tuple[FilteredBlock, ...] | None:
    response = _delivered(reply, "filtered_block")
    if response is None:
        return None
    block = response.filtered_block
    return (
        FilteredBlock(
            block.channel_id,
            block.number,
            tuple(_filtered_transaction(block.number, one) for one in block.filtered_transactions),
        ),
    )


def _filtered_transaction(number: int, transaction: events_pb2.FilteredTransaction) -> FilteredTransaction:
    try:
        code = ValidationCode(transaction.tx_validation_code)
    except ValueError as error:
        raise TransportError(Status.INTERNAL, "an unknown validation code") from error
    events = tuple(
        ChaincodeEvent(number, event.tx_id, event.chaincode_id, event.event_name, b"")
        for event in (one.chaincode_event for one in transaction.transaction_actions.chaincode_actions)
        if event.event_name
    )
    return FilteredTransaction(transaction.txid, transaction.type, code, events)


def _with_private_data(reply: bytes) -> tuple[BlockAndPrivateData, ...] | None:
    response = _delivered(reply, "block_and_private_data")
    if response is None:
        return None
    both = response.block_and_private_data
    private = {position: rwset.SerializeToString() for position, rwset in both.private_data_map.items()}
    return (BlockAndPrivateData(_block(both.block), private),)


CHAINCODE_EVENTS: EventKind[ChaincodeEvent] = EventKind(
    "ChaincodeEvents",
    None,
    _chaincode_events,
    lambda event: Place(event.block_number, event.transaction_id),
)
BLOCKS: EventKind[Block] = EventKind(
    "Deliver", DeliverKind.BLOCKS, _blocks, lambda block: Place(block.number + 1)
)
FILTERED_BLOCKS: EventKind[FilteredBlock] = EventKind(
    "DeliverFiltered", DeliverKind.FILTERED, _filtered, lambda block: Place(block.number + 1)
)
BLOCKS_AND_PRIVATE_DATA: EventKind[BlockAndPrivateData] = EventKind(
    "DeliverWithPrivateData",
    DeliverKind.WITH_PRIVATE_DATA,
    _with_private_data,
    lambda both: Place(both.number + 1),
)
