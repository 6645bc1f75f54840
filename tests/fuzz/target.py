"""A node to be fuzzed in this process, and what must hold whatever it is sent."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import resource
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.gateway import gateway_pb2
from google.protobuf.message import DecodeError
from tests.fuzz.choices import Choices
from tests.fuzz.defects import Defect, place_of
from tests.fuzz.elsewhere import Elsewhere
from tests.fuzz.entrances import enter
from tests.fuzz.forged_messages import Call, Damage, envelope, read_write_set, signed_proposal, status_request
from tests.fuzz.forged_writes import definition_envelope

from fedpact.audit import Check, audit
from fedpact.gateway.transport import Status, Stream, TransportError
from fedpact.identity import CertificateAuthority, Identity
from fedpact.ledger import inspect_ledger
from fedpact.testing import probe
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import BatchRules, ChannelConfig, Organisation
from fedpact_chaincode import consortium
from fedpact_network.embedded.backend import EmbeddedBackend

CHANNEL = "consortium"
LATE_S = 5.0
JSON = (
    "0",
    "1",
    "-1",
    "1e400",
    "9223372036854775808",
    '""',
    '"a"',
    '"Org1MSP"',
    "[]",
    '["a"]',
    "{}",
    "null",
    "true",
)
EXPIRING = b"brief"
"""The collection whose values live for two blocks."""
MAX_GROWTH_MIB = 400
REFUSALS = frozenset(
    {
        Status.CANCELLED,
        Status.UNKNOWN,
        Status.INVALID_ARGUMENT,
        Status.DEADLINE_EXCEEDED,
        Status.NOT_FOUND,
        Status.ALREADY_EXISTS,
        Status.PERMISSION_DENIED,
        Status.RESOURCE_EXHAUSTED,
        Status.FAILED_PRECONDITION,
        Status.ABORTED,
        Status.OUT_OF_RANGE,
        Status.UNIMPLEMENTED,
        Status.UNAUTHENTICATED,
    }
)
"""What a damaged call may be told; INTERNAL, UNAVAILABLE and DATA_LOSS are defects."""
NO_PEERS = ("failed to get config for channel", "failed to find any endorsing peers")
"""What Fabric's gateway calls UNAVAILABLE although it is the caller's mistake."""


@dataclass
class Outcome:
    """How a call ended."""

    status: str
    reply: bytes = b""


@dataclass
class Target:
    """A consortium of three, its node, and what is known about its ledger."""

    way: str = "process"
    statuses: Counter[str] = field(default_factory=Counter)
    accepted: set[bytes] = field(default_factory=set)
    judged: int = 1
    executions: int = 0

    def __post_init__(self) -> None:
        names = ("Org1MSP", "Org2MSP", "Org3MSP")
        self.authorities = {name: CertificateAuthority.create(name.lower(), name) for name in names}
        self.members = [ca.issue("alice", role="member") for ca in self.authorities.values()]
        self.peers = [ca.issue("peer0", role=None, ou="peer") for ca in self.authorities.values()]
        self.orderer = self.authorities["Org1MSP"].issue("orderer0", role=None, ou="orderer")
        self.admins = [ca.issue("boss", role=None, ou="admin") for ca in self.authorities.values()]
        self.strangers = [
            CertificateAuthority.create("org1msp", "Org1MSP").issue("alice", role="member"),
            CertificateAuthority.create("other", "OtherMSP").issue("mallory", role="admin"),
            self.orderer,
        ]
        self.config = ChannelConfig(
            CHANNEL,
            tuple(Organisation(ca.mspid, (ca.certificate_pem,)) for ca in self.authorities.values()),
            batch=BatchRules(max_messages=20, timeout_ms=5, absolute_max_bytes=1 << 20, max_bytes=1 << 18),
        )
        self.chaincodes = {probe.NAME: probe.chaincode(), consortium.NAME: consortium.chaincode()}
        self.opened = 0
        self._open()
        self.first_mib = memory_mib()

    def _open(self) -> None:
        self.folder = tempfile.TemporaryDirectory("-fuzz")
        self.url = f"embedded://{Path(self.folder.name)}/ledger.db"
        self.ledger = EmbeddedBackend.create(
            self.url, self.config, peers=self.peers, orderer=self.orderer, chaincodes=self.chaincodes
        )
        self.entrance = enter(self.ledger, self.way)
        self.seen: list[tuple[str, bytes]] = []
        self.judged = 1
        self.opened += 1
        self.elsewhere = Elsewhere(self, "follower")
        self.stray = Elsewhere(self, "stray")
        self.define_collections()
        self.serves()

    def found_anew(self) -> None:
        """Go over to a new ledger: what administrators agreed on may have made this one useless."""
        self.holds_together()
        self.close()
        self._open()

    def define_collections(self) -> None:
        """Have all organisations agree on the chaincode, with collections."""
        tx_id, signed = definition_envelope(self, Damage(Choices(b"")), probe.NAME)
        self.submit(signed, tx_id)
        if self.wait_for_block(1, at_most_s=LATE_S) != 2:
            raise Defect("serving", "a definition is not committed")

    def close(self) -> None:
        self.elsewhere.close()
        self.stray.close()
        self.entrance.close()
        self.ledger.close()
        self.folder.cleanup()

    def someone(self, choices: Choices) -> Identity:
        """Return who signs: a member, seldom somebody who must not."""
        return choices.one_of(self.strangers) if choices.maybe(8) else choices.one_of(self.members)

    def call(self, choices: Choices) -> Call:
        """Return a call that would be accepted, or one of the consortium's with a message of any kind."""
        if choices.maybe(15):
            return self._consortium_call(choices)
        name = b"%d" % choices.below(40)
        options = (
            (b"cells:write", b'{"shelf":"s","place":"' + name + b'","text":"x"}'),
            (b"tallies:add", b'{"name":"' + name + b'","amount":1}'),
            (b"cells:listing", b'{"shelf":"s"}'),
            (b"cells:past", b'{"shelf":"s","place":"' + name + b'"}'),
            (b"cells:put", b'{"key":"' + name + b'","value":"v"}'),
            (b"cells:span", b'{"start":"","end":""}'),
            (b"tallies:count", b'{"shelf":"s","into":"n","first_only":true}'),
        )
        return Call(CHANNEL, probe.NAME, choices.one_of(options), time.time_ns())

    def _consortium_call(self, choices: Choices) -> Call:
        contract = choices.one_of(list(self.chaincodes[consortium.NAME].contracts.values()))
        transaction = choices.one_of(list(contract.transactions.values()))
        names = [item.encode_name for item in msgspec.structs.fields(transaction.message)]
        message = ",".join(f'"{name}":{choices.one_of(JSON)}' for name in names)
        function = f"{contract.name}:{transaction.name}".encode()
        return Call(CHANNEL, consortium.NAME, (function, f"{{{message}}}".encode()), time.time_ns())

    def ask(self, method: str, request: bytes, *, timeout_s: float = 0.02) -> Outcome:
        """Make one call; raise `Defect` unless it ends in time with a reply or an expected refusal."""
        self.executions += 1
        begin = time.monotonic()
        try:
            outcome = Outcome("OK", self.entrance.call(method, request, timeout_s=timeout_s))
        except TransportError as error:
            self.expected(method, error)
            outcome = Outcome(str(error.status))
        except Exception as error:
            raise Defect(place_of(error), f"{method} raised {error!r}") from error
        else:
            self.statuses[f"{method} OK"] += 1
        took_s = time.monotonic() - begin
        if took_s > timeout_s + LATE_S:
            raise Defect(f"{method} is late", f"after {took_s:.1f} s, its deadline was {timeout_s} s")
        return outcome

    def follow(self, method: str, request: bytes, *, replies: int = 40) -> None:
        """Open a stream, take what comes at once, close it; it must end then."""
        self.executions += 1
        try:
            stream = self.entrance.stream(method, request)
        except TransportError as error:
            self.expected(method, error)
            return
        failed: list[Exception] = []
        reader = threading.Thread(target=_read_some, args=(stream, replies, failed), daemon=True)
        reader.start()
        reader.join(0.02)
        stream.close()
        reader.join(LATE_S)
        if reader.is_alive():
            raise Defect(f"{method} does not end", "its stream was closed")
        for error in failed:
            if not isinstance(error, TransportError):
                raise Defect(place_of(error), f"{method} raised {error!r}") from error
            self.expected(method, error)

    def send_raw(self, data: bytes) -> None:
        """Send bytes where frames belong."""
        self.executions += 1
        height = self.ledger.height()
        try:
            self.entrance.raw(data)
        except TransportError as error:
            self.expected("raw", error)
        except TimeoutError as error:
            raise Defect("raw", "the server neither answers nor ends the connection") from error
        self.explained("raw", height)

    def expected(self, method: str, error: TransportError) -> None:
        """Raise `Defect` unless this is a refusal."""
        as_fabric_says = error.status is Status.UNAVAILABLE and any(
            text in error.message for text in NO_PEERS
        )
        if error.status not in REFUSALS and not as_fabric_says:
            cause = error.__cause__ or error
            raise Defect(place_of(cause), f"{method}: {error}; {cause!r}") from error
        self.statuses[f"{method} {error.status}"] += 1

    def ask_unchanged(self, method: str, request: bytes, *, timeout_s: float = 0.02) -> Outcome:
        """Make a call that may change nothing."""
        height = self.ledger.height()
        outcome = self.ask(method, request, timeout_s=timeout_s)
        self.explained(method, height)
        return outcome

    def explained(self, what: str, height: int) -> None:
        """Raise `Defect` unless all blocks from a height on hold what was submitted; count verdicts.

        Blocks may be late, so this looks at what is in them, not at when they came.
        """
        for number in range(height, self.ledger.height()):
            block = common_pb2.Block.FromString(next(iter(self.ledger.blocks(number))))
            if not self.accepted.issuperset(digest(submitted(envelope)) for envelope in block.data.data):
                raise Defect(f"{what} changed the ledger", f"block {number} holds what nobody submitted")
            codes = {ValidationCode(code).name for code in block.metadata.metadata[2]}
            if number >= self.judged:
                self.statuses.update(f"verdict {code}" for code in codes)
                self.judged = number + 1
            states = self.ledger.state_hash_at(number - 1), self.ledger.state_hash_at(number)
            if "VALID" not in codes and states[0] != states[1] and not self._may_expire(number):
                raise Defect("state", f"verdicts {codes} changed the state")

    def _may_expire(self, number: int) -> bool:
        """Whether private data may live no longer than until this block."""
        return any(EXPIRING in data for data in itertools.islice(self.ledger.blocks(max(number - 3, 0)), 4))

    def submit(
        self, signed_envelope: bytes, tx_id: str, request: bytes | None = None, method: str = "submit"
    ) -> Outcome:
        """Submit; wait for the block of what is taken, and look at it."""
        if method == "broadcast":
            request = signed_envelope
            self.accepted.add(digest(signed_envelope))
            with contextlib.suppress(DecodeError):
                self.accepted.add(digest(common_pb2.Envelope.FromString(signed_envelope).SerializeToString()))
        elif request is None:
            message = common_pb2.Envelope.FromString(signed_envelope)
            request = gateway_pb2.SubmitRequest(
                transaction_id=tx_id, channel_id=CHANNEL, prepared_transaction=message
            ).SerializeToString()
        height = self.ledger.height()
        with contextlib.suppress(DecodeError, UnicodeDecodeError):
            taken = gateway_pb2.SubmitRequest.FromString(request).prepared_transaction
            self.accepted.add(digest(taken.SerializeToString()))
        outcome = self.ask(method, request)
        if outcome.status == "OK":
            self.wait_for_block(height)
        self.explained("submit", height)
        return outcome

    def wait_for_block(self, height: int, *, at_most_s: float = 0.04) -> int:
        """Wait until there is another block; the same envelope twice may lead to none."""
        deadline = time.monotonic() + at_most_s
        pause = threading.Event()
        while self.ledger.height() == height and time.monotonic() < deadline:
            pause.wait(0.0005)
        return self.ledger.height()

    def serves(self) -> None:
        """Raise `Defect` unless a good transaction still gets in."""
        call = Call(
            CHANNEL, probe.NAME, (b"cells:write", b'{"shelf":"s","place":"p","text":"x"}'), time.time_ns()
        )
        alice = self.members[0]
        tx_id, signed = signed_proposal(call, alice, Damage(Choices(b"")))
        message = gateway_pb2.EndorseRequest(transaction_id=tx_id, channel_id=CHANNEL)
        message.proposed_transaction.ParseFromString(signed)
        endorsed = self.ask("endorse", message.SerializeToString(), timeout_s=10)
        if endorsed.status != "OK":
            raise Defect("serving", f"a good proposal was refused: {endorsed.status}")
        prepared = gateway_pb2.EndorseResponse.FromString(endorsed.reply).prepared_transaction
        prepared.signature = alice.sign(prepared.payload)
        self.submit(prepared.SerializeToString(), tx_id)
        request = status_request(CHANNEL, tx_id, alice, Damage(Choices(b"")))
        told = self.ask("commit_status", request, timeout_s=10)
        result = gateway_pb2.CommitStatusResponse.FromString(told.reply).result if told.status == "OK" else -1
        if result != ValidationCode.VALID:
            raise Defect("serving", f"a good transaction ended as {told.status} {result}")
        self.seen = [*self.seen[-20:], (tx_id, prepared.SerializeToString())]

    def stays_small(self) -> None:
        """Raise `Defect` if memory has grown out of bounds."""
        if memory_mib() - self.first_mib > MAX_GROWTH_MIB:
            raise Defect("memory", f"grew from {self.first_mib} to {memory_mib()} MiB")

    def holds_together(self) -> None:
        """Raise `Defect` unless an audit finds nothing; results that the fuzzer signed are its own lie."""
        with closing(inspect_ledger(self.url)) as ledger:
            report = audit(ledger, chaincodes=self.chaincodes)
        found = [f for f in report.findings if f.check is not Check.EXECUTION]
        if found:
            raise Defect("audit", f"{len(found)} findings, the first: {found[0]}")


def _read_some(stream: Stream, replies: int, failed: list[Exception]) -> None:
    try:
        for _ in itertools.islice(stream, replies):
            pass
    except Exception as error:
        failed.append(error)


def submitted(envelope: bytes) -> bytes:
    """Return what was submitted to get an envelope into a block: of a configuration, its update."""
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    if header.type != common_pb2.CONFIG:
        return envelope
    update: bytes = configtx_pb2.ConfigEnvelope.FromString(payload.data).last_update.SerializeToString()
    return update


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def memory_mib() -> int:
    """Return the greatest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def forged_envelope(target: Target, choices: Choices, damage: Damage) -> tuple[str, bytes]:
    """Return an envelope that real peers endorsed and a real member signed, damaged in one layer."""
    call = target.call(choices)
    key = f"k{choices.below(30)}"
    reads = {key: None, f"other{choices.below(9)}": None} if choices.maybe(30) else {}
    rwset = read_write_set(reads, {key: choices.some_bytes(40) or b"x", f"w{choices.below(99)}": b"1"})
    peers = target.peers if choices.maybe(80) else target.peers[: choices.below(3)]
    version = target.chaincodes[call.chaincode].version
    call = replace(call, version=version)
    return envelope(call, target.someone(choices), list(peers), rwset, damage)
