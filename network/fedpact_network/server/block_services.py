"""Streams of blocks and events: those of `protos.Deliver`, `orderer.AtomicBroadcast` and the gateway.

Nothing is buffered: a stream reads its next block when its reader has taken the one before.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

from fedpact.gateway.transport import DeliverKind
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.feeds import Feed
from fedpact_network.embedded.handler import GatewayHandler
from fedpact_network.server.answering import Context
from fedpact_network.server.commits import Commits
from fedpact_network.server.metrics import DeliverMetrics
from fedpact_network.server.workers import Workers

_STATUSES = {
    RefusalCode.ACCESS_DENIED: common_pb2.FORBIDDEN,
    RefusalCode.POLICY_UNSATISFIED: common_pb2.FORBIDDEN,
    RefusalCode.OVERLOADED: common_pb2.SERVICE_UNAVAILABLE,
    RefusalCode.STOPPED: common_pb2.SERVICE_UNAVAILABLE,
}


class BlockServices:
    """The streams of one server.

    Parameters
    ----------
    handler : makes the feeds.
    commits : what the loop hears of blocks.
    workers : where blocks are read.
    metrics : of deliveries.
    bound : whether requests must name the certificate of their connection.
    """

    def __init__(
        self,
        handler: GatewayHandler,
        commits: Commits,
        workers: Workers,
        metrics: DeliverMetrics,
        *,
        bound: bool,
    ) -> None:
        self._handler = handler
        self._commits = commits
        self._workers = workers
        self._metrics = metrics
        self._bound = bound

    async def chaincode_events(self, request: bytes, context: Context) -> AsyncGenerator[bytes, None]:
        """`SignedChaincodeEventsRequest` -> `ChaincodeEventsResponse`s."""
        feed = await self._workers.run(self._handler.events_feed, request)
        async for reply in self._read(feed):
            yield reply

    async def deliver(
        self, requests: AsyncIterator[bytes], context: Context, kind: DeliverKind | None
    ) -> AsyncGenerator[bytes, None]:
        """`common.Envelope`s -> `DeliverResponse`s; after SUCCESS the next request is answered."""
        certificate = certificate_hash(context) if self._bound else None
        begin = partial(self._handler.delivery, kind, certificate_hash=certificate)
        self._metrics.opened.inc()
        try:
            async for envelope in requests:
                feed = await self._workers.run(begin, envelope)
                count = self._metrics.of(kind)
                count.received()
                async for reply in self._read(feed):
                    yield reply
                    if not feed.finished:
                        count.sent()
                count.completed(feed.status == common_pb2.SUCCESS)
                if feed.status != common_pb2.SUCCESS:
                    return
        finally:
            self._metrics.closed.inc()

    async def broadcast(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncGenerator[bytes, None]:
        """`common.Envelope`s -> `orderer.BroadcastResponse`s; the first that is refused is the last."""
        async for envelope in requests:
            reply = ab_pb2.BroadcastResponse(status=common_pb2.SUCCESS)
            try:
                await self._workers.run(self._handler.broadcast, envelope)
            except Refusal as refusal:
                reply.status = _STATUSES.get(refusal.code, common_pb2.BAD_REQUEST)
                reply.info = refusal.message
                if refusal.code is RefusalCode.UNKNOWN_CHANNEL:
                    reply.status = common_pb2.NOT_FOUND
            yield reply.SerializeToString()
            if reply.status != common_pb2.SUCCESS:
                return

    async def _read(self, feed: Feed) -> AsyncGenerator[bytes, None]:
        while not feed.finished:
            self._commits.check_streams()
            if feed.waits(self._commits.height):
                await self._commits.block(feed.number)
            reply = await self._workers.run(feed.read, self._commits.height)
            if reply is not None:
                yield reply


def certificate_hash(context: Context) -> bytes:
    """Return the SHA-256 of the certificate that a client has shown; empty if none."""
    shown = context.auth_context().get("x509_pem_cert")
    if not shown:
        return b""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown[0].decode())).digest()
