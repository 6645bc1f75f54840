"""A process that serves one ledger until it is told to stop."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.sites import find_site
from fedpact_network.peering.following import open_node
from fedpact_network.server.errors import ServerError
from fedpact_network.server.run_file import RunFile
from fedpact_network.server.server import NodeServer, serve

if TYPE_CHECKING:
    from fedpact_network.embedded.ledger import EmbeddedLedger
    from fedpact_network.peering.following import Peering
    from fedpact_network.server.settings import ServerSettings

log = logging.getLogger(__name__)

SWITCH_S = 0.0005
"""How long a thread may keep the interpreter: a long contract delays every step of the loop by this."""

_CHECK_S = 0.5
_ANSWER_S = 5.0
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks this machine, whatever proxy the environment names."""


def serve_until_stopped(
    url: str,
    settings: ServerSettings,
    *,
    grace_s: float,
    started: Callable[[NodeServer], None],
    peering: Peering | None = None,
    allow_undefined: bool = False,
) -> None:
    """Open a ledger and serve it until SIGTERM or SIGINT; then finish what was accepted.

    Calls under way may end, new ones are refused; accepted transactions are committed. A second signal ends
    the process at once; nothing that was committed is lost then.

    Parameters
    ----------
    url : the ledger's.
    settings : how it is served.
    grace_s : longest wait for calls under way.
    started : told when clients can come.
    peering : other nodes that this one knows; by default none.
    allow_undefined : whether chaincodes run that the members have not agreed on.

    Raises
    ------
    LedgerError
        As `EmbeddedBackend.open`.
    ServerError
        As `serve`; NOT_SERVED if the node's database failed.
    """
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    path = run_path(url)
    with _open(url, peering, require_definitions=not allow_undefined) as ledger:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        sys.setswitchinterval(SWITCH_S)
        notifier = ledger.node.notifier
        with serve(ledger, settings) as server:
            run = RunFile.of_this_process(find_site(url).url, server.address, server.operations)
            run.write(path)
            try:
                log.info("process %d serves %s at %s", os.getpid(), run.url, server.address)
                started(server)
                while not stop.wait(_CHECK_S) and not notifier.failure:
                    pass
                failure = notifier.failure
                log.info("stopping, %g s for calls under way", grace_s)
                server.stop(grace_s)
            finally:
                run.remove(path)
        ledger.close()
        log.info("stopped at height %d", notifier.height)
    if failure:
        raise ServerError("NOT_SERVED", failure)


def _open(url: str, peering: Peering | None, *, require_definitions: bool) -> EmbeddedLedger:
    if peering is None:
        return EmbeddedBackend.open(url, require_definitions=require_definitions)
    return open_node(url, peering, require_definitions=require_definitions)


def node_status(url: str) -> dict[str, Any]:
    """Return what a serving process says about itself.

    Raises
    ------
    ServerError
        NOT_SERVED, if none serves the ledger, or it does not answer.
    """
    run = RunFile.read(run_path(url), find_site(url).url)
    known: dict[str, Any] = {"url": run.url, "pid": run.pid, "address": run.address}
    if not run.operations:
        return known
    try:
        with _direct.open(f"http://{run.operations}/version", timeout=_ANSWER_S) as answer:
            told = json.load(answer)
    except (OSError, ValueError) as error:
        raise ServerError("NOT_SERVED", f"process {run.pid} does not answer: {error}") from error
    return {**known, "operations": run.operations, **told}


def served_at(url: str) -> str:
    """Return the `host:port` at which a process serves a ledger.

    Raises
    ------
    ServerError
        NOT_SERVED.
    """
    return RunFile.read(run_path(url), find_site(url).url).address


def stop_node(url: str, wait_s: float) -> int:
    """Stop the process that serves a ledger; return its id.

    Raises
    ------
    ServerError
        NOT_SERVED, NOT_STOPPED.
    """
    run = RunFile.read(run_path(url), find_site(url).url)
    run.stop(wait_s)
    return run.pid


def run_path(url: str) -> Path:
    """Return where a ledger's run file is: beside its keys, `<database>.node`."""
    keys = find_site(url).keys
    return keys.with_name(f"{keys.name.removesuffix('.keys')}.node")
