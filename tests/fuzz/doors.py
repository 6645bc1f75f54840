"""One fuzzed call: which door, what is sent, and where it is damaged, all decided by `Choices`."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import replace

from fabric_protos.orderer import ab_pb2
from tests.fuzz.choices import Choices
from tests.fuzz.config_doors import archives, blocks_from_elsewhere, config_updates
from tests.fuzz.entrances import STREAMS, UNARY
from tests.fuzz.forged_messages import (
    ENVELOPE_LAYERS,
    PROPOSAL_LAYERS,
    SEEK_LAYERS,
    Call,
    Damage,
    events_request,
    field_bytes,
    seek_envelope,
    signed_proposal,
    status_request,
)
from tests.fuzz.private_doors import lifecycle_calls, private_calls, private_gifts, written_forgeries
from tests.fuzz.target import CHANNEL, Target, forged_envelope
from tests.fuzz.wire_mutations import TEXTS, damage_bytes, mutate


def fuzz_once(target: Target, data: bytes) -> None:
    """Make the call that the bytes stand for; raise `Defect` where the node fails."""
    choices = Choices(data)
    choices.one_of(SLOW_DOORS if choices.below(256) == 200 else DOORS)(target, choices)
    if target.executions % 200 == 0:
        target.serves()
        target.stays_small()


def proposals(target: Target, choices: Choices) -> None:
    """Evaluate or endorse a proposal."""
    damage = Damage(choices, choices.one_of(PROPOSAL_LAYERS))
    call = target.call(choices)
    if choices.maybe(10):
        call = _strange(call, choices)
    tx_id, signed = signed_proposal(call, target.someone(choices), damage)
    organisations = b""
    if choices.maybe(20):
        organisations = field_bytes(4, choices.one_of((b"Org2MSP", *TEXTS)))
    request = field_bytes(1, tx_id.encode()) + field_bytes(2, CHANNEL.encode()) + field_bytes(3, signed)
    request = damage.at("request", request + organisations)
    if not damage.done:
        request = request if choices.maybe(50) else mutate(request, choices)
    method = choices.one_of(("evaluate", "endorse", "process_proposal"))
    target.ask_unchanged(method, signed if method == "process_proposal" else request)


def submissions(target: Target, choices: Choices) -> None:
    """Submit an envelope that the fuzzer endorsed itself."""
    damage = Damage(choices, choices.one_of(ENVELOPE_LAYERS))
    tx_id, signed = forged_envelope(target, choices, damage)
    request = field_bytes(1, tx_id.encode()) + field_bytes(2, CHANNEL.encode()) + field_bytes(3, signed)
    target.submit(signed, tx_id, damage.at("request", request), choices.one_of(("submit", "broadcast")))


def repeated(target: Target, choices: Choices) -> None:
    """Submit what is committed already, whole or with something changed around the signed payload."""
    tx_id, signed = choices.one_of(target.seen)
    if choices.maybe(70):
        signed = mutate(signed, choices)
    request = field_bytes(1, tx_id.encode()) + field_bytes(2, CHANNEL.encode()) + field_bytes(3, signed)
    target.submit(signed, tx_id, request)


def statuses(target: Target, choices: Choices) -> None:
    """Ask what became of a transaction."""
    damage = Damage(choices, choices.one_of(("asked", "signature", "request")))
    tx_id = choices.one_of(target.seen)[0] if choices.maybe(60) else choices.some_bytes(40).hex()
    request = status_request(CHANNEL, tx_id, target.someone(choices), damage)
    target.ask_unchanged("commit_status", request, timeout_s=choices.one_of((0.0, 0.001, -1.0)))


def events(target: Target, choices: Choices) -> None:
    """Follow chaincode events."""
    layer = choices.one_of(("asked", "signature", "request", ""))
    request = events_request(
        CHANNEL, "probe", _position(choices), target.someone(choices), Damage(choices, layer)
    )
    target.follow("chaincode_events", request)


def blocks(target: Target, choices: Choices) -> None:
    """Follow blocks."""
    damage = Damage(choices, choices.one_of((*SEEK_LAYERS, "")))
    end = _position(choices)
    seek = ab_pb2.SeekInfo(start=_position(choices), stop=end, behavior=choices.below(2))
    if choices.maybe(50):
        seek.stop.specified.number = choices.below(9)
    envelope = seek_envelope(CHANNEL, seek.SerializeToString(), target.someone(choices), damage)
    target.follow(choices.one_of(STREAMS[1:]), envelope)


def frames(target: Target, choices: Choices) -> None:
    """Send local frames or batched calls, right, damaged and made up."""
    message = signed_proposal(target.call(choices), target.members[0], Damage(choices))[1]
    name = choices.one_of((b"evaluate", b"endorse", b"submit", b"commit_status", b"close", b"__init__", b""))
    body = struct.pack("!BI", len(name), choices.one_of((0, 1, 50, 2**32 - 1))) + name + message
    if choices.maybe(40):
        body = damage_bytes(body, choices)
    size = len(body) if choices.maybe(70) else choices.one_of((0, 1, len(body) + 1, 2**24, 2**32 - 1))
    head = struct.pack("!I", size)
    if target.way != "process":
        head += struct.pack("!Q", choices.one_of((0, 1, 2**64 - 1)))
    data = (head + body) * (1 + choices.below(3))
    target.send_raw(damage_bytes(data, choices) if choices.maybe(30) else data)


def _position(choices: Choices) -> ab_pb2.SeekPosition | None:
    number = choices.one_of((0, 1, 2, 2**63, 2**64 - 1))
    return choices.one_of(
        (
            None,
            ab_pb2.SeekPosition(oldest=ab_pb2.SeekOldest()),
            ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest()),
            ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit()),
            ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=number)),
        )
    )


def noise(target: Target, choices: Choices) -> None:
    """Send bytes that were never a message, or a message to the wrong door."""
    method = choices.one_of(UNARY)
    if choices.maybe(50):
        data = choices.some_bytes(3000)
    else:
        data = signed_proposal(target.call(choices), target.members[0], Damage(choices))[1]
        data = mutate(data, choices)
    if method in ("submit", "broadcast"):
        target.submit(data, "", data, method)
    else:
        target.ask_unchanged(method, data)


def _strange(call: Call, choices: Choices) -> Call:
    """Return a call with one strange but well-formed part."""
    text = choices.one_of(TEXTS).decode("utf-8", "replace")
    how = choices.below(5)
    if how == 0:
        return replace(call, channel=text)
    if how == 1:
        return replace(call, chaincode=text)
    if how == 2:
        return replace(call, args=(choices.one_of(TEXTS), b"{}", b""))
    if how == 3:
        moment = choices.one_of((0, 1, time.time_ns() + 10**11, 253_402_300_799 * 10**9))
        return replace(call, timestamp_ns=moment)
    return Call(
        call.channel, call.chaincode, call.args, call.timestamp_ns, transient=((text, b"x"), ("", b""))
    )


DOORS: tuple[Callable[[Target, Choices], None], ...] = (
    proposals,
    proposals,
    submissions,
    submissions,
    submissions,
    repeated,
    statuses,
    events,
    blocks,
    frames,
    noise,
    config_updates,
    blocks_from_elsewhere,
    blocks_from_elsewhere,
    written_forgeries,
    written_forgeries,
    lifecycle_calls,
    private_calls,
    private_gifts,
)
SLOW_DOORS = (archives,)
"""Tried seldom."""
