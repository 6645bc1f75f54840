"""`/fedpact.Node/Calls`: many gateway calls in one message, for our own clients.

Official clients make three gRPC calls a transaction, and gRPC costs more than the node's work. Here one
message carries as many calls as the client has at hand, one message back as many answers as are ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from fedpact.gateway.local_frames import (
    FrameError,
    decode_calls,
    decode_request,
    encode_call,
    encode_failure,
    encode_reply,
)
from fedpact.gateway.transport import Status, TransportError
from fedpact_network.embedded.statuses import answering
from fedpact_network.server.answering import Context, Limit
from fedpact_network.server.gateway_service import GatewayCalls

_MESSAGE_BYTES = 4 << 20
_MOST_CALLS = 5_000
"""Calls of one connection that are neither answered nor read; further ones wait in the connection."""
_MOST_BYTES = 64 << 20
"""What these take; not more than one of them goes beyond it."""


class _Room:
    """What a connection has of calls that are neither answered nor read, and of their bytes."""

    def __init__(self) -> None:
        self._calls = 0
        self._bytes = 0
        self._freed = asyncio.Event()

    async def take(self, size: int) -> None:
        """Wait for room for a call; for one caller at a time."""
        while self._calls >= _MOST_CALLS or self._bytes > _MOST_BYTES:
            self._freed.clear()
            await self._freed.wait()
        self._calls += 1
        self._bytes += size

    def answered(self, size: int, answer: int) -> None:
        """Count an answer's bytes in place of its call's."""
        self._bytes += answer - size
        self._freed.set()

    def read(self, count: int, size: int) -> None:
        """Count answers no more that are on their way."""
        self._calls -= count
        self._bytes -= size
        self._freed.set()


class CallsService:
    """Answers batches of calls.

    Parameters
    ----------
    calls : the gateway's.
    limit : calls under way of all connections.
    """

    def __init__(self, calls: GatewayCalls, limit: Limit) -> None:
        self._limit = limit
        self._receiving: set[asyncio.Task[None]] = set()
        self._methods = {
            "evaluate": calls.evaluate,
            "endorse": calls.endorse,
            "submit": calls.submit,
            "commit_status": calls.commit_status,
            "submit_and_wait": calls.submit_and_wait,
        }

    async def calls(self, requests: AsyncIterator[bytes], context: Context) -> AsyncGenerator[bytes, None]:
        """Batches of calls -> batches of answers, in any order.

        The stream ends after the client's last message, once everything is answered.
        """
        answers: list[bytes] = []
        ready = asyncio.Event()
        room = _Room()
        running: set[asyncio.Task[None]] = set()

        def done(task: asyncio.Task[None]) -> None:
            running.discard(task)
            ready.set()

        async def one(number: int, body: bytes) -> None:
            answer = encode_call(number, await self._answer(body))
            room.answered(len(body), len(answer))
            answers.append(answer)

        async def receive() -> None:
            async for batch in requests:
                for number, body in decode_calls(batch):
                    await room.take(len(body))
                    task = asyncio.create_task(one(number, body))
                    running.add(task)
                    task.add_done_callback(done)

        receiving = asyncio.create_task(receive())
        self._receiving.add(receiving)
        receiving.add_done_callback(lambda _: ready.set())
        try:
            while running or answers or not receiving.done():
                await ready.wait()
                ready.clear()
                while answers:
                    message, count = _next_message(answers)
                    yield message
                    room.read(count, len(message))
            if receiving.cancelled():
                raise TransportError(Status.UNAVAILABLE, "the node stops")
            receiving.result()
        except FrameError as error:
            raise TransportError(Status.INVALID_ARGUMENT, str(error)) from error
        finally:
            self._receiving.discard(receiving)
            receiving.cancel()
            for task in running:
                task.cancel()

    def close(self) -> None:
        """Take no more calls; streams end once everything is answered."""
        for receiving in self._receiving:
            receiving.cancel()

    async def _answer(self, body: bytes) -> bytes:
        try:
            request = decode_request(body)
            self._limit.enter()
            try:
                async with asyncio.timeout(request.timeout_s or None):
                    with answering():
                        return encode_reply(await self._methods[request.method](request.message))
            except TimeoutError:
                late = TransportError(Status.DEADLINE_EXCEEDED, "context deadline exceeded")
                return encode_failure(late)
            finally:
                self._limit.leave()
        except FrameError as error:
            return encode_failure(TransportError(Status.INVALID_ARGUMENT, str(error)))
        except TransportError as error:
            return encode_failure(error)


def _next_message(answers: list[bytes]) -> tuple[bytes, int]:
    """Take answers off the list, as many as fit a message; return it and their number."""
    count, size = 0, 0
    while count < len(answers) and (not count or size + len(answers[count]) <= _MESSAGE_BYTES):
        size += len(answers[count])
        count += 1
    message = b"".join(answers[:count])
    del answers[:count]
    return message, count
