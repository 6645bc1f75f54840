"""Serving a ledger: an event loop in a thread of its own, around a node that others may use as well."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from fedpact_network.server.answering import Limit, unary
from fedpact_network.server.commits import Commits
from fedpact_network.server.errors import ServerError
from fedpact_network.server.gateway_service import GatewayCalls
from fedpact_network.server.metrics import CallMetrics, Metrics
from fedpact_network.server.settings import ServerSettings, split_address
from fedpact_network.server.workers import Workers

if TYPE_CHECKING:
    from fedpact_network.embedded.ledger import EmbeddedLedger

log = logging.getLogger(__name__)

GATEWAY = "gateway.Gateway"


class NodeServer:
    """A ledger's gRPC services, running; made by `serve`.

    Attributes
    ----------
    address : `host:port` that clients reach it at.
    metrics : what it counts.
    """

    def __init__(self, ledger: EmbeddedLedger, settings: ServerSettings) -> None:
        self.address = ""
        self.metrics = Metrics()
        self._ledger = ledger
        self._settings = settings
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._stopping: asyncio.Event
        self._grace_s = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fedpact-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

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
        self._stopping = asyncio.Event()
        settings = self._settings
        workers = Workers(self._loop, settings.threads)
        commits = Commits(self._ledger.node, self._loop)
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.message_bytes),
                ("grpc.max_send_message_length", settings.message_bytes),
                ("grpc.so_reuseport", 0),
            ]
        )
        try:
            calls = GatewayCalls(self._ledger.transport(), commits, workers)
            limit = Limit(GATEWAY, settings.gateway_calls)
            methods = {
                "Evaluate": calls.evaluate,
                "Endorse": calls.endorse,
                "Submit": calls.submit,
                "CommitStatus": calls.commit_status,
            }
            handlers = {
                name: unary(call, limit, CallMetrics(self.metrics, GATEWAY, name))
                for name, call in methods.items()
            }
            server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(GATEWAY, handlers)])
            self.address = _listen(server, settings)
            await server.start()
            self._started.set()
            await self._stopping.wait()
            await server.stop(self._grace_s)
        finally:
            commits.close()
            workers.close()


def serve(ledger: EmbeddedLedger, settings: ServerSettings) -> NodeServer:
    """Serve a ledger until `NodeServer.stop`.

    Parameters
    ----------
    ledger : opened; it is not closed with the server.
    settings : address, transport security and limits.

    Raises
    ------
    ServerError
        ADDRESS_UNUSABLE, TLS_UNUSABLE.
    """
    return NodeServer(ledger, settings)


def _listen(server: grpc.aio.Server, settings: ServerSettings) -> str:
    host, _ = split_address(settings.listen)
    try:
        if settings.tls is None:
            port = server.add_insecure_port(settings.listen)
        else:
            credentials = grpc.ssl_server_credentials(
                [(settings.tls.key, settings.tls.certificate)],
                root_certificates=settings.tls.client_roots or None,
                require_client_auth=bool(settings.tls.client_roots),
            )
            port = server.add_secure_port(settings.listen, credentials)
    except (RuntimeError, ValueError) as error:
        raise ServerError("ADDRESS_UNUSABLE", f"{settings.listen}: {error}") from error
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
