"""`gateway.Gateway`: evaluate, endorse, submit, wait for a commit."""

from __future__ import annotations

from functools import partial

from fedpact_network.embedded.handler import GatewayHandler, commit_reply
from fedpact_network.embedded.statuses import VERDICT, answering
from fedpact_network.server.answering import Context
from fedpact_network.server.commits import Commits
from fedpact_network.server.workers import Workers


class GatewayCalls:
    """The gateway's calls for an event loop: contracts run on threads, commits are waited for in the loop.

    Parameters
    ----------
    handler : answers serialised messages.
    commits : what the loop hears of blocks.
    workers : where calls run.
    """

    def __init__(self, handler: GatewayHandler, commits: Commits, workers: Workers) -> None:
        self._handler = handler
        self._commits = commits
        self._workers = workers
        self._evaluate = partial(handler.evaluate, timeout_s=0)  # calls end when their contract does
        self._endorse = partial(handler.endorse, timeout_s=0)
        self._submit = partial(handler.submit, timeout_s=0)
        self._submitted = handler.submitted

    async def evaluate(self, request: bytes, context: Context | None = None) -> bytes:
        """`EvaluateRequest` -> `EvaluateResponse`."""
        return await self._workers.run(self._evaluate, request)

    async def endorse(self, request: bytes, context: Context | None = None) -> bytes:
        """`EndorseRequest` -> `EndorseResponse`."""
        return await self._workers.run(self._endorse, request)

    async def submit(self, request: bytes, context: Context | None = None) -> bytes:
        """`SubmitRequest` -> `SubmitResponse`."""
        return await self._workers.run(self._submit, request)

    async def submit_and_wait(self, request: bytes, context: Context | None = None) -> bytes:
        """`SubmitRequest` -> `CommitStatusResponse`, whenever the transaction is committed."""
        tx_id = await self._workers.run(self._submitted, request)
        with answering(VERDICT):
            return commit_reply(await self._commits.outcome(tx_id))

    async def commit_status(self, request: bytes, context: Context | None = None) -> bytes:
        """`SignedCommitStatusRequest` -> `CommitStatusResponse`, whenever the transaction is committed."""
        return commit_reply(await self._commits.outcome(self._handler.asked_commit(request)))
