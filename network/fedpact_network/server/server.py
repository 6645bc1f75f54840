"""Serving a ledger: an event loop in a thread of its own, around a node that others may use as well."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from contextlib import ExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from fedpact_network.server.errors import ServerError
from fedpact_network.server.metrics import Metrics
from fedpact_network.server.operations import Operations
from fedpact_network.server.services import Services, offer
from fedpact_network.server.settings import ServerSettings, split_address

if TYPE_CHECKING:
    from fedpact_network.embedded.ledger import EmbeddedLedger

log = logging.getLogger(__name__)

_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second server on the port fails instead of taking every other call
    ("grpc.keepalive_time_ms", 2 * 60 * 60 * 1000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 60_000),  # Fabric's peers: a ping a minute
    ("grpc.keepalive_permit_without_calls", 1),
)


class NodeServer:
    """A ledger's gRPC services, running; made by `serve`.

    Attributes
    ----------
    address : `host:port` that clients reach it at.
    operations : `host:port` of the endpoint for operators; empty without one.
    metrics : what it counts.
    services : what answers.
    """

    services: Services

    def __init__(self, ledger: EmbeddedLedger, settings: ServerSettings) -> None:
        self.address = ""
        self.operations = ""
        self._ledger = ledger
        self._settings = settings
        self._mspids = _organisations(ledger, settings.organisation)
        self._begun_s = time.monotonic()
        self.metrics = Metrics(ledger.channel_id, ledger.node.chaincodes, version("fedpact"))
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._stopping = asyncio.Event()
        self._grace_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fedpact-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def status(self) -> dict[str, Any]:
        """Return what `/version` and `fedpact node status` tell."""
        return {
            "version": version("fedpact"),
            "channel": self._ledger.channel_id,
            "height": self._ledger.node.notifier.height,
            "peers": list(self._mspids),
            "address": self.address,
            "uptime_s": round(time.monotonic() - self._begun_s, 3),
            "failed": self._ledger.node.notifier.failure,
        }

    def stop(self, grace_s: float = 5.0) -> None:
        """Refuse new calls, let those under way finish, end. The ledger stays open.

        More than once is allowed.

        Parameters
        ----------
        grace_s : longest wait for calls under way; they are cut afterwards. Streams end at once.
        """
        if self._thread.is_alive():
            self._grace_s = grace_s
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def __enter__(self) -> NodeServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._failure = error
            if self._started.is_set():
                log.exception("the server failed")
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        from grpc_health.v1 import health, health_pb2, health_pb2_grpc

        with ExitStack() as stack:
            services = self.services = offer(self._ledger, self._settings, self.metrics, self._mspids)
            stack.callback(services.close)
            self._measure(stack)
            size = self._settings.message_bytes
            options = (
                *_OPTIONS,
                ("grpc.max_receive_message_length", size),
                ("grpc.max_send_message_length", size),
            )
            server = grpc.aio.server(options=options)
            server.add_generic_rpc_handlers(services.handlers)
            healthy = health.aio.HealthServicer()
            health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
            self.address = _listen(server, self._settings)
            self._ledger.node.endorser.address = _reached_at(self.address)
            for name in ("", *services.names):
                await healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
            await server.start()
            self._started.set()
            log.info("serving channel %s at %s", self._ledger.channel_id, self.address)
            ends = [asyncio.create_task(event.wait()) for event in (self._stopping, services.commits.over)]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await healthy.enter_graceful_shutdown()
            await ends[0]
            await self._end(server, services)
            log.info("served channel %s at %s until now", self._ledger.channel_id, self.address)

    def _measure(self, stack: ExitStack) -> None:
        """Count blocks, and open the endpoint for operators."""
        node = self._ledger.node
        self.metrics.begin(node.notifier.height)
        node.notifier.add(self.metrics)
        stack.callback(node.notifier.remove, self.metrics)
        node.block_took = self.metrics.block_took
        if self._settings.operations is not None:
            operations = Operations(self._settings.operations, self.metrics.text, self.status)
            stack.callback(operations.close)
            self.operations = operations.address

    async def _end(self, server: grpc.aio.Server, services: Services) -> None:
        """Stop listening, end streams, let single calls finish."""
        ending = asyncio.create_task(server.stop(self._grace_s))
        await asyncio.sleep(0)
        services.end_streams()
        await ending


def serve(ledger: EmbeddedLedger, settings: ServerSettings) -> NodeServer:
    """Serve a ledger until `NodeServer.stop`.

    Parameters
    ----------
    ledger : opened; it is not closed with the server.
    settings : address, transport security and limits.

    Raises
    ------
    ServerError
        ADDRESS_UNUSABLE, TLS_UNUSABLE, BAD_SETTINGS.
    """
    return NodeServer(ledger, settings)


def _organisations(ledger: EmbeddedLedger, first: str) -> tuple[str, ...]:
    mspids = ledger.node.organisations
    if first and first not in mspids:
        raise ServerError("BAD_SETTINGS", f"this node has no peer of {first!r:.80}")
    return tuple(sorted(mspids, key=lambda mspid: (mspid != first, mspid)))


def _reached_at(address: str) -> str:
    """Return where others reach an address, which may be all of this machine's."""
    host, port = split_address(address)
    return f"{socket.gethostname()}:{port}" if host in ("0.0.0.0", "::") else address  # noqa: S104


def _listen(server: grpc.aio.Server, settings: ServerSettings) -> str:
    host, _ = split_address(settings.listen)
    tls = settings.tls
    try:
        if tls is None:
            port = server.add_insecure_port(settings.listen)
        else:
            credentials = grpc.ssl_server_credentials(
                [(tls.key, tls.certificate)],
                root_certificates=tls.client_roots or None,
                require_client_auth=bool(tls.client_roots),
            )
            port = server.add_secure_port(settings.listen, credentials)
    except (RuntimeError, ValueError) as error:
        raise ServerError("ADDRESS_UNUSABLE", f"{settings.listen}: {error}") from error
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
