"""What a connection with batched calls may hold of the node's memory."""

from __future__ import annotations

import asyncio
import contextlib

from fedpact.gateway.local_frames import Request, encode_call, encode_request
from fedpact_network.server import calls_service
from fedpact_network.server.answering import Limit
from fedpact_network.server.calls_service import CallsService

SIZE = 1 << 20


class Calls:
    """Answers nothing before it is let go."""

    def __init__(self):
        self.go_on = asyncio.Event()

    def __getattr__(self, name):
        async def call(request):
            await self.go_on.wait()
            return b""

        return call


def test_large_calls_are_not_taken_before_there_is_room(monkeypatch):
    monkeypatch.setattr(calls_service, "_MOST_BYTES", 4 * SIZE)
    taken = []

    async def requests():
        for number in range(40):
            taken.append(number)
            yield encode_call(number, encode_request(Request("evaluate", 60.0, bytes(SIZE))))

    async def run():
        calls = Calls()
        service = CallsService(calls, Limit("", 1_000))
        answers = []

        async def read():
            async with contextlib.aclosing(service.calls(requests(), None)) as stream:
                answers.extend([answer async for answer in stream])

        reading = asyncio.create_task(read())
        with contextlib.suppress(TimeoutError):  # time enough to take all
            await asyncio.wait_for(calls.go_on.wait(), 0.2)
        held = len(taken)
        calls.go_on.set()
        await asyncio.wait_for(reading, 20)
        return held, answers

    held, answers = asyncio.run(run())
    assert held <= 6
    assert len(taken) == 40
    assert answers
