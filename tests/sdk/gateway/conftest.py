"""A scripted gateway in memory: records every call and answers with real messages or with a failure."""

import random
from collections import deque
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_response_pb2

from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Deadlines, Retries
from fedpact.gateway.transport import TransportError
from fedpact.identity.authority import CertificateAuthority
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
