"""The configuration of a channel as its nodes deliver it: the block that the newest one names as the last."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fabric_protos.common import common_pb2

from fedpact.gateway.connection import Connection
from fedpact.gateway.errors import EventsError
from fedpact.gateway.event_kinds import BLOCKS, Block
from fedpact.gateway.event_requests import newest_message, one_block_message
from fedpact.gateway.events import EventsRequest
from fedpact.gateway.transport import Status, TransportError
from fedpact.wire.bundle import Bundle


def last_configuration(connection: Connection, clock: Callable[[], int]) -> Bundle:
    """Ask for the newest block and for the configuration block that it names.

    Which configuration is in force is what the node says: the audit proves it, this does not.

    Parameters
    ----------
    connection : where to ask.
    clock : time of the requests, nanoseconds since 1970.

    Raises
    ------
    EventsError
        The node cannot be reached or refuses; UNIMPLEMENTED over the local socket, which has no streams.
    WireError, ConfigError, IdentityError, PolicyError
        What it delivers is no configuration.
    """
    newest = _block(connection, lambda: newest_message(connection, clock()))
    number = newest.parsed.last_config
    block = newest
    if number != newest.number:
        block = _block(connection, lambda: one_block_message(connection, number, clock()))
    return Bundle.from_block(common_pb2.Block.FromString(block.data))


def _block(connection: Connection, message: Callable[[], bytes]) -> Block:
    """Ask for one block; again, at the next address, while the cause is transient."""
    retries = connection.retries
    for attempt in range(1, retries.resends + 1):
        try:
            return _ask(connection, message())
        except EventsError as error:
            if not error.retryable:
                raise
            retries.sleep(retries.wait_s(attempt))
    return _ask(connection, message())


def _ask(connection: Connection, message: bytes) -> Block:
    wait_s = connection.deadlines.evaluate_s
    with EventsRequest(connection, BLOCKS, message).events() as events:
        timer = threading.Timer(wait_s, events.close)
        timer.daemon = True
        timer.start()
        try:
            block = next(events, None)
        finally:
            timer.cancel()
    if block is None:
        cause = TransportError(Status.DEADLINE_EXCEEDED, f"no block within {wait_s:g} s")
        raise EventsError("no Deliver", cause)
    return block
