"""The HTTP endpoint for operators: `/healthz`, `/metrics`, `/version`, as Fabric's nodes have it.

It is plain and shows nothing that a member could not learn; it listens on loopback unless told otherwise.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fedpact_network.server.errors import ServerError
from fedpact_network.server.settings import split_address

log = logging.getLogger(__name__)

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/json"


class Operations:
    """The endpoint, served from a thread of its own.

    Parameters
    ----------
    address : `host:port`; port 0 takes a free one.
    metrics : returns Prometheus' text.
    status : describes the node; its `failed` is empty as long as it works.

    Attributes
    ----------
    address : where it is.

    Raises
    ------
    ServerError
        ADDRESS_UNUSABLE.
    """

    def __init__(
        self, address: str, metrics: Callable[[], bytes], status: Callable[[], Mapping[str, Any]]
    ) -> None:
        host, port = split_address(address)
        answers: Mapping[str, Callable[[], tuple[HTTPStatus, str, bytes]]] = {
            "/metrics": lambda: (HTTPStatus.OK, _TEXT, metrics()),
            "/healthz": lambda: _health(status()),
            "/version": lambda: (HTTPStatus.OK, _JSON, json.dumps(dict(status())).encode()),
        }

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                answer = answers.get(self.path.partition("?")[0])
                if answer is None:
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                code, kind, body = answer()
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                log.debug(format, *args)

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ServerError("ADDRESS_UNUSABLE", f"{address}: {error.strerror}") from error
        self.address = f"{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="fedpact-operations", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _health(status: Mapping[str, Any]) -> tuple[HTTPStatus, str, bytes]:
    failed = status["failed"]
    if not failed:
        return HTTPStatus.OK, _JSON, b'{"status": "OK"}'
    body = {"status": "Service Unavailable", "failed_checks": [{"component": "ledger", "reason": failed}]}
    return HTTPStatus.SERVICE_UNAVAILABLE, _JSON, json.dumps(body).encode()
