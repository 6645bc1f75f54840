"""A scripted gateway in memory: records every call and answers with real messages or with a failure."""

import asyncio
import random
import threading
from collections import deque
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2, proposal_response_pb2

from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Deadlines, Retries
from fedpact.gateway.transport import DeliverKind, Status, TransportError
from fedpact.identity.authority import CertificateAuthority
from fedpact.wire.blocks import build_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import Endorsement, Response, assemble, response_payload
from fedpact.wire.proposals import parse_proposal
from fedpact.wire.rwsets import NamespaceRwset, Write, encode

DEADLINES = Deadlines(evaluate_s=1.0, endorse_s=2.0, submit_s=3.0, commit_s=4.0, lookup_s=5.0)
TIME_NS = 1_700_000_000_000_000_000


@dataclass
class Recorded:
    method: str
    request: object
    raw: bytes
    timeout_s: float


class ScriptedTransport:
    """Answers well unless a method's script says otherwise: an exception is raised, a function is
    given the reply and returns another.

    Every signature is verified, as a node would.
    """

    def __init__(self, identity):
        self.identity = identity
        self.calls = []
        self.script = {name: deque() for name in ("evaluate", "endorse", "submit", "commit_status")}

    def fail(self, method, *failures):
        self.script[method].extend(failures)

    def methods(self):
        return [call.method for call in self.calls]

    def requests(self, method):
        return [call.request for call in self.calls if call.method == method]

    def evaluate(self, request, /, *, timeout_s):
        asked = self._take("evaluate", gateway_pb2.EvaluateRequest, request, timeout_s)
        self._verify(asked.proposed_transaction.signature, asked.proposed_transaction.proposal_bytes)
        result = proposal_response_pb2.Response(status=200, payload=b"evaluated")
        return self._answer("evaluate", gateway_pb2.EvaluateResponse(result=result))

    def endorse(self, request, /, *, timeout_s):
        asked = self._take("endorse", gateway_pb2.EndorseRequest, request, timeout_s)
        self._verify(asked.proposed_transaction.signature, asked.proposed_transaction.proposal_bytes)
        prepared = endorsed(asked.proposed_transaction.proposal_bytes)
        return self._answer("endorse", gateway_pb2.EndorseResponse(prepared_transaction=prepared))

    def submit(self, request, /, *, timeout_s):
        asked = self._take("submit", gateway_pb2.SubmitRequest, request, timeout_s)
        self._verify(asked.prepared_transaction.signature, asked.prepared_transaction.payload)
        return self._answer("submit", gateway_pb2.SubmitResponse())

    def commit_status(self, request, /, *, timeout_s):
        signed = self._take("commit_status", gateway_pb2.SignedCommitStatusRequest, request, timeout_s)
        self._verify(signed.signature, signed.request)
        return self._answer("commit_status", verdict(ValidationCode.VALID))

    def offer(self, *methods):
        """Offer what only nodes of ours do; the scripts of `submit` and `commit_status` hold there too."""
        for method in methods:
            setattr(self, method, getattr(self, f"_{method}"))
        return self

    def _submit_and_wait(self, request, /, *, timeout_s):
        asked = self._take("submit_and_wait", gateway_pb2.SubmitRequest, request, timeout_s)
        self._verify(asked.prepared_transaction.signature, asked.prepared_transaction.payload)
        self._answer("submit", gateway_pb2.SubmitResponse())
        return self._answer("commit_status", verdict(ValidationCode.VALID))

    def _verdict(self, request, /, *, timeout_s):
        self._take("verdict", gateway_pb2.CommitStatusRequest, request, timeout_s)
        return self._answer("commit_status", verdict(ValidationCode.VALID))

    def close(self):
        pass

    def _take(self, method, message_type, raw, timeout_s):
        request = message_type.FromString(raw)
        self.calls.append(Recorded(method, request, raw, timeout_s))
        return request

    def _verify(self, signature, message):
        self.identity.public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))

    def _answer(self, method, reply):
        step = self.script[method].popleft() if self.script[method] else None
        if isinstance(step, Exception):
            raise step
        if step is not None:
            reply = step(reply)
        return reply if isinstance(reply, bytes) else reply.SerializeToString()


def endorsed(proposal_bytes, response=Response(200, "", b"result"), *, executed=None):  # noqa: B008
    """An endorsed transaction; `executed` is the proposal that was executed in truth."""
    rwset = encode([NamespaceRwset("fedpact", writes=(Write("k", b"v"),))])
    prp = response_payload(parse_proposal(executed or proposal_bytes), rwset, response)
    return assemble(parse_proposal(proposal_bytes), prp, [Endorsement(b"peer", b"sig")])


def verdict(code, block_number=7):
    return gateway_pb2.CommitStatusResponse(result=int(code), block_number=block_number)


def invalid(code):
    """A step of a script: the transaction is found invalid."""
    return lambda _reply: verdict(code)


def failure(status, message="scripted", details=()):
    return TransportError(status, message, tuple(details))


@pytest.fixture(scope="session")
def script():
    """What tests say to the scripted transport."""
    return SimpleNamespace(endorsed=endorsed, verdict=verdict, invalid=invalid, failure=failure)


class Pauses:
    """An injected sleep that only remembers."""

    def __init__(self):
        self.waits = []

    def __call__(self, seconds):
        self.waits.append(seconds)


@pytest.fixture(scope="session")
def identity():
    return CertificateAuthority.create("Hospital", "HospitalMSP").issue("alice", role="member")


@pytest.fixture
def scripted(identity):
    return ScriptedTransport(identity)


@pytest.fixture
def transport(scripted):
    return scripted


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
def gateway(transport, identity, pauses):
    retries = Retries(conflicts=3, resends=2, first_s=0.1, cap_s=0.3, rng=random.Random(7), sleep=pauses)
    return Gateway(transport, identity, clock=lambda: TIME_NS, deadlines=DEADLINES, retries=retries)


class ScriptedStream:
    """The replies of an `EventLedger` to one request; breaks where the ledger's script says so."""

    def __init__(self, ledger, replies):
        self._ledger = ledger
        self._replies = replies
        self._closed = False
        self._left, self._error = ledger.breaks.popleft() if ledger.breaks else (None, None)

    def __iter__(self):
        return self

    def __next__(self):
        if self._left == 0:
            raise self._error
        self._left = None if self._left is None else self._left - 1
        while True:
            with self._ledger.changed:
                found = self._replies()
                if found is not None:
                    return found
                if self._closed or self._ledger.down:
                    status = Status.CANCELLED if self._closed else Status.UNAVAILABLE
                    raise TransportError(status, "the stream is over")
                self._ledger.changed.wait(10)

    def close(self):
        with self._ledger.changed:
            self._closed = True
            self._ledger.changed.notify_all()


class EventLedger:
    """Blocks with events, in memory: answers requests for events as a peer does, and notes them.

    `breaks` says of the next streams after how many replies they end, and how.
    """

    def __init__(self, identity, height=1):
        self.identity = identity
        self.blocks = [[] for _ in range(height)]
        self.changed = threading.Condition()
        self.down = False
        self.breaks = deque()
        self.asked = []
        self.refused = {}
        self.open = []

    def commit(self, *events):
        """Append a block; an event is (transaction, name, payload)."""
        with self.changed:
            self.blocks.append(list(events))
            self.changed.notify_all()
            return len(self.blocks) - 1

    def chaincode_events(self, request, /):
        signed = gateway_pb2.SignedChaincodeEventsRequest.FromString(request)
        asked = gateway_pb2.ChaincodeEventsRequest.FromString(signed.request)
        self._verify(signed.signature, signed.request)
        number = self._start("events", asked.start_position, asked.after_transaction_id)
        place = {"number": number, "after": asked.after_transaction_id}

        def reply():
            while place["number"] < len(self.blocks):
                number, after = place["number"], place["after"]
                place.update(number=number + 1, after="")
                events = self.blocks[number]
                names = [event[0] for event in events]
                events = events[names.index(after) + 1 :] if after in names else events
                if events:
                    return self._events(number, events).SerializeToString()
            return None

        return self._stream(reply)

    def deliver(self, kind, envelope, /):
        signed = common_pb2.Envelope.FromString(envelope)
        self._verify(signed.signature, signed.payload)
        payload = common_pb2.Payload.FromString(signed.payload)
        seek = ab_pb2.SeekInfo.FromString(payload.data)
        place = {"number": self._start(kind, seek.start, "")}
        last = (
            len(self.blocks) - 1 if seek.stop.WhichOneof("Type") == "newest" else seek.stop.specified.number
        )
        fault = self.refused.get(kind)

        def reply():
            number = place["number"]
            if isinstance(fault, TransportError):
                raise fault
            if fault is not None or number > last:
                return events_pb2.DeliverResponse(status=fault or common_pb2.SUCCESS).SerializeToString()
            if number >= len(self.blocks):
                return None
            place["number"] += 1
            return self._block(kind, number).SerializeToString()

        return self._stream(reply)

    def places(self):
        """What was asked for, without the questions for the newest block."""
        return [place for place in self.asked if place[1] != "newest"]

    def _stream(self, reply):
        if self.down:
            raise TransportError(Status.UNAVAILABLE, "down")
        stream = ScriptedStream(self, reply)
        self.open.append(stream)
        return stream

    def _start(self, what, position, after):
        kind = position.WhichOneof("Type")
        number = position.specified.number if kind == "specified" else len(self.blocks) - (kind == "newest")
        self.asked.append((str(what), "newest" if kind == "newest" else kind, number, after))
        return number

    def _verify(self, signature, message):
        self.identity.public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))

    def _events(self, number, events):
        response = gateway_pb2.ChaincodeEventsResponse(block_number=number)
        for transaction, name, content in events:
            response.events.add(chaincode_id="fedpact", tx_id=transaction, event_name=name, payload=content)
        return response

    def _block(self, kind, number):
        response = events_pb2.DeliverResponse()
        if kind == DeliverKind.FILTERED:
            block = response.filtered_block
            block.channel_id, block.number = "consortium", number
            for transaction, name, _ in self.blocks[number]:
                one = block.filtered_transactions.add(txid=transaction, type=3, tx_validation_code=0)
                action = one.transaction_actions.chaincode_actions.add().chaincode_event
                action.tx_id, action.event_name, action.chaincode_id = transaction, name, "fedpact"
            return response
        block = build_block(number, b"", [event[2] for event in self.blocks[number]])
        if kind == DeliverKind.BLOCKS:
            response.block.CopyFrom(block)
        else:
            response.block_and_private_data.block.CopyFrom(block)
            for position, _ in enumerate(self.blocks[number]):
                response.block_and_private_data.private_data_map[position].data_model = 0
        return response


@pytest.fixture
def event_ledger(identity):
    return EventLedger(identity)


class AsyncFace:
    """A blocking transport as an asyncio one: its calls run on threads."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        async def call(*args, **kwargs):
            return await asyncio.to_thread(getattr(self.inner, name), *args, **kwargs)

        return call

    def chaincode_events(self, request, /):
        return AsyncFaceStream(self.inner.chaincode_events(request))

    def deliver(self, kind, envelope, /):
        return AsyncFaceStream(self.inner.deliver(kind, envelope))


class AsyncFaceStream:
    def __init__(self, inner):
        self.inner = inner

    def __aiter__(self):
        return self

    async def __anext__(self):
        reply = await asyncio.to_thread(next, self.inner, None)
        if reply is None:
            raise StopAsyncIteration
        return reply

    async def close(self):
        self.inner.close()


@pytest.fixture(scope="session")
def asynchronous():
    """Makes an asyncio transport of a blocking one."""
    return AsyncFace
