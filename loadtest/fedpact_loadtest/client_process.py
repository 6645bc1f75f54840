"""Our own client in a process of its own: `python -m fedpact_loadtest.client_process`.

It reads `ClientOrder`, then answers every `Turn` with `ClientDone`, and ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import msgspec

from fedpact_loadtest.in_flight import Load, Outcomes, keep_in_flight_async
from fedpact_loadtest.stage_times import StageTimes, spent, thread_seconds

if TYPE_CHECKING:
    from fedpact.identity import Identity

Front = Literal["inprocess", "batch", "gateway"]
"""Over which interface a benchmark's client comes."""


class ClientOrder(msgspec.Struct):
    """Who calls what, and how.

    Attributes
    ----------
    address, roots : of the node: `host:port`, and a file with the certificate that signed its own.
    mspid, certificate, key : the client's identity, files.
    front : the batched method, or Fabric's.
    in_flight : transactions under way at any moment.
    value_bytes : what each transaction writes.
    """

    address: str
    roots: str
    mspid: str
    certificate: str
    key: str
    front: Front
    in_flight: int
    value_bytes: int


class Turn(msgspec.Struct):
    """A repetition.

    Attributes
    ----------
    name : beginning of the names of its transactions.
    seconds : how long new ones are submitted.
    timing : whether it is told where processor time went.
    """

    name: str
    seconds: float
    timing: bool = False


class ClientDone(msgspec.Struct):
    """What became of a turn, and where its processor time went."""

    outcomes: Outcomes
    calls: dict[str, float] = {}
    threads: dict[str, float] = {}


class TimedActor:
    """An identity whose signatures are timed."""

    def __init__(self, identity: Identity, times: StageTimes) -> None:
        self.creator = identity.creator
        self.sign = times.timed("sign", identity.sign)


async def run(order: ClientOrder, lines: BinaryIO, answers: BinaryIO) -> None:
    """Serve turns until the input ends."""
    from fedpact.gateway.async_client import AsyncGateway
    from fedpact.gateway.batched_async import AsyncBatchedTransport
    from fedpact.gateway.grpc_async import AsyncGrpcTransport
    from fedpact.gateway.grpc_channel import ChannelSettings, Tls
    from fedpact.identity import Identity, PrivateKeySigner
    from fedpact_loadtest import creates
    from fedpact_loadtest.venue import CHANNEL

    kinds = {"batch": AsyncBatchedTransport, "gateway": AsyncGrpcTransport}
    times = StageTimes()
    signer = PrivateKeySigner.from_pem(Path(order.key).read_bytes(), None)
    identity = Identity(order.mspid, Path(order.certificate).read_bytes(), signer)
    settings = ChannelSettings(tls=Tls.load(roots=order.roots))
    transport = kinds[order.front](order.address, settings)
    gateway = AsyncGateway(transport, TimedActor(identity, times), channel_id=CHANNEL, chaincode=creates.NAME)
    value = "x" * order.value_bytes

    async def submit(key: str) -> None:
        await gateway.submit(creates.CREATE, creates.message(key, value))

    try:
        while line := await asyncio.to_thread(lines.readline):
            turn = msgspec.json.decode(line, type=Turn)
            times.on = turn.timing
            before, signed = thread_seconds(), times.seconds()
            outcomes = await keep_in_flight_async(submit, Load(order.in_flight, turn.seconds), turn.name)
            done = ClientDone(outcomes, spent(signed, times.seconds()), spent(before, thread_seconds()))
            answers.write(msgspec.json.encode(done) + b"\n")
            answers.flush()
    finally:
        await transport.close()


def main(lines: BinaryIO, answers: BinaryIO) -> None:
    """Serve turns until the input ends."""
    asyncio.run(run(msgspec.json.decode(lines.readline(), type=ClientOrder), lines, answers))


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
