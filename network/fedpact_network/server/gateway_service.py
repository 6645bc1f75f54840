"""`gateway.Gateway`: evaluate, endorse, submit, wait for a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol

from fedpact_network.embedded.handler import GatewayHandler, commit_reply
from fedpact_network.server.answering import Context
from fedpact_network.server.commits import Commits


class _Call(Protocol):
    def __call__(self, request: bytes, /, *, timeout_s: float) -> bytes: ...


class GatewayCalls:
    """The gateway's calls for an event loop: contracts run on threads, commits are waited for in the loop.

    Parameters
    ----------
    handler : answers serialised messages.
    commits : what the loop hears of blocks.
    threads : where calls run.
    """

    def __init__(self, handler: GatewayHandler, commits: Commits, threads: Executor) -> None:
        self._handler = handler
        self._commits = commits
        self._threads = threads

    async def evaluate(self, request: bytes, context: Context | None = None) -> bytes:
        """`EvaluateRequest` -> `EvaluateResponse`."""
        return await self._run(self._handler.evaluate, request)

    async def endorse(self, request: bytes, context: Context | None = None) -> bytes:
        """`EndorseRequest` -> `EndorseResponse`."""
        return await self._run(self._handler.endorse, request)

    async def submit(self, request: bytes, context: Context | None = None) -> bytes:
        """`SubmitRequest` -> `SubmitResponse`."""
        return await self._run(self._handler.submit, request)

    async def commit_status(self, request: bytes, context: Context | None = None) -> bytes:
        """`SignedCommitStatusRequest` -> `CommitStatusResponse`, whenever the transaction is committed."""
        return commit_reply(await self._commits.outcome(self._handler.asked_commit(request)))

    async def _run(self, call: _Call, request: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _bounded(call), request)


def _bounded(call: _Call) -> Callable[[bytes], bytes]:
    return lambda request: call(request, timeout_s=0)
