"""Requests for events without I/O: the messages to be signed, and the cursor that resumes a broken stream."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Generic, TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2

from fedpact.gateway.connection import Terms
from fedpact.gateway.errors import TRANSIENT, EventsError
from fedpact.gateway.event_kinds import FILTERED_BLOCKS, EventKind, Place
from fedpact.gateway.transport import DeliverKind, Status, TransportError
from fedpact.wire.errors import WireCode, read

E = TypeVar("E")

_LAST_BLOCK = 2**64 - 1
_S = 1_000_000_000


class EventsStage(Generic[E]):
    """A request for events.

    Parameters
    ----------
    terms : who asks, how patiently.
    kind : of the events.
    message : what is signed.
    signature : made elsewhere; without one, the terms' identity signs when it is first needed.
    """

    def __init__(
        self, terms: Terms, kind: EventKind[E], message: bytes, *, signature: bytes | None = None
    ) -> None:
        self.kind = kind
        self.message = message
        self._terms = terms
        self._signature = signature

    @property
    def digest(self) -> bytes:
        """SHA-256 of what the client signs, for off-line signing."""
        return hashlib.sha256(self.message).digest()

    def to_bytes(self) -> bytes:
        """Return Fabric's `SignedChaincodeEventsRequest`, or for blocks `common.Envelope`."""
        return write_request(self.kind.deliver, self.message, self._signature or b"")

    def cursor(self) -> EventCursor[E]:
        """Return a cursor for exactly this request: it has one signature, so a broken stream stays broken."""
        if self._signature is None:
            self._signature = self._terms.identity.sign(self.message)
        return EventCursor(self._terms, self.kind, signed=self.to_bytes())


class EventCursor(Generic[E]):
    """Where a reader of events stands: what to ask for, what a reply holds, what to do when a stream breaks.

    Parameters
    ----------
    terms : who asks, how patiently.
    kind : of the events.
    message : makes the message to be signed from the place to go on.
    place : where to begin. If that is the next block to be committed, the cursor first asks for the newest
        one's number: only so a stream that breaks before its first event loses none.
    newest : makes the message that asks for the newest block.
    signed : a signed request to be used as it is; nothing is asked before it, and it is not resumed.
    """

    def __init__(
        self,
        terms: Terms,
        kind: EventKind[E],
        *,
        message: Callable[[Place], bytes] = lambda _place: b"",
        place: Place = Place(),  # noqa: B008 (immutable)
        newest: Callable[[], bytes] | None = None,
        signed: bytes = b"",
    ) -> None:
        self._terms = terms
        self._kind = kind
        self._message = message
        self._place = place
        self._newest = newest if place.block is None else None
        self._signed = signed
        self._failures = 0
        self._moved = False
        self.ended = False

    @property
    def locating(self) -> bool:
        """Whether the next stream only tells where to begin."""
        return self._newest is not None

    def opening(self) -> tuple[DeliverKind | None, bytes]:
        """Return how to open the next stream: the kind of delivery (None: chaincode events), the request."""
        deliver = self._kind.deliver
        if self._signed:
            return deliver, self._signed
        if self._newest is not None:
            deliver, message = DeliverKind.FILTERED, self._newest()
        else:
            message = self._message(self._place)
        return deliver, write_request(deliver, message, self._terms.identity.sign(message))

    def take(self, reply: bytes) -> tuple[E, ...]:
        """Read a reply and move on.

        Raises
        ------
        TransportError
            It is malformed, or a status in place of a block.
        """
        if self._newest is not None:
            for block in FILTERED_BLOCKS.read(reply) or ():
                self._place = Place(block.number + 1)
                self._newest, self._moved = None, True
            return ()
        events = self._kind.read(reply)
        self._failures = 0
        if events is None:
            self.ended = True
        elif events:
            self._place = self._kind.place_after(events[-1])
            self._moved = True
        return events or ()

    def lost(self, error: TransportError) -> float:
        """Return how many seconds to wait before opening another stream after an error.

        Raises
        ------
        EventsError
            It was refused, or all attempts are used up.
        """
        behind = self._moved and error.status is Status.NOT_FOUND  # a node that has not so many blocks yet
        transient = behind or error.status in TRANSIENT
        if self._newest is not None and not transient:
            self._newest = None  # who may not see blocks begins with whatever comes next
            return 0.0
        self._failures += 1
        retries = self._terms.retries
        most = retries.resends if self.locating else retries.reconnects
        if self._signed or not transient or self._failures > most:
            raise EventsError(f"no {self._kind.name}", error) from error
        return retries.wait_s(self._failures)


def chaincode_events_message(terms: Terms, chaincode: str, place: Place) -> bytes:
    """Encode the `ChaincodeEventsRequest` that the client signs."""
    message: bytes = gateway_pb2.ChaincodeEventsRequest(
        channel_id=terms.channel_id,
        chaincode_id=chaincode,
        identity=terms.identity.creator,
        start_position=_position(place.block),
        after_transaction_id=place.after,
    ).SerializeToString()
    return message


def seek_message(terms: Terms, place: Place, timestamp_ns: int) -> bytes:
    """Encode the `common.Payload` that asks for all blocks from a place on."""
    seek = ab_pb2.SeekInfo(start=_position(place.block), stop=_position(_LAST_BLOCK))
    return _payload(terms, seek, timestamp_ns)


def newest_message(terms: Terms, timestamp_ns: int) -> bytes:
    """Encode the `common.Payload` that asks for the newest block only."""
    newest = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
    return _payload(terms, ab_pb2.SeekInfo(start=newest, stop=newest), timestamp_ns)


def one_block_message(terms: Terms, number: int, timestamp_ns: int) -> bytes:
    """Encode the `common.Payload` that asks for one block."""
    place = _position(number)
    return _payload(terms, ab_pb2.SeekInfo(start=place, stop=place), timestamp_ns)


def write_request(deliver: DeliverKind | None, message: bytes, signature: bytes) -> bytes:
    """Encode a signed request: `SignedChaincodeEventsRequest`, or for blocks `common.Envelope`."""
    signed = (
        gateway_pb2.SignedChaincodeEventsRequest(request=message, signature=signature)
        if deliver is None
        else common_pb2.Envelope(payload=message, signature=signature)
    )
    data: bytes = signed.SerializeToString()
    return data


def read_request(deliver: DeliverKind | None, data: bytes) -> bytes:
    """Return the message to be signed of a request.

    Raises
    ------
    WireError
        If it is malformed.
    """
    message: bytes
    if deliver is None:
        message = read(gateway_pb2.SignedChaincodeEventsRequest, data, WireCode.BAD_EVENT).request
        read(gateway_pb2.ChaincodeEventsRequest, message, WireCode.BAD_EVENT)
    else:
        message = read(common_pb2.Envelope, data, WireCode.BAD_EVENT).payload
        payload = read(common_pb2.Payload, message, WireCode.BAD_EVENT)
        read(ab_pb2.SeekInfo, payload.data, WireCode.BAD_EVENT)
    return message


def _position(block: int | None) -> ab_pb2.SeekPosition:
    if block is None:
        return ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit())
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=block))


def _payload(terms: Terms, seek: ab_pb2.SeekInfo, timestamp_ns: int) -> bytes:
    channel = common_pb2.ChannelHeader(
        type=common_pb2.DELIVER_SEEK_INFO,
        channel_id=terms.channel_id,
        tls_cert_hash=terms.tls_certificate_hash,
    )
    channel.timestamp.seconds, channel.timestamp.nanos = divmod(timestamp_ns, _S)
    signer = common_pb2.SignatureHeader(creator=terms.identity.creator)
    header = common_pb2.Header(
        channel_header=channel.SerializeToString(), signature_header=signer.SerializeToString()
    )
    payload: bytes = common_pb2.Payload(header=header, data=seek.SerializeToString()).SerializeToString()
    return payload
