"""What every call has in common: limits, deadlines, Fabric's way of saying no, and its metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import grpc

from fedpact.gateway.status_details import DETAILS_KEY, encode_details
from fedpact.gateway.transport import Status, TransportError
from fedpact_network.embedded.statuses import answering
from fedpact_network.server.metrics import CallMetrics

log = logging.getLogger(__name__)


class Context(Protocol):
    """What is used of `grpc.aio.ServicerContext`."""

    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, bytes], ...], /
    ) -> NoReturn:
        """End the call with a status."""

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        """Return what is known of the client's certificate."""

    def invocation_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:
        """Return the client's metadata."""


Unary = Callable[[bytes, Context], Awaitable[bytes]]
Streaming = Callable[[Any, Context], AsyncGenerator[bytes, None]]


@dataclass(slots=True)
class Limit:
    """How many calls of a service may be under way.

    Attributes
    ----------
    service : its full name.
    most : calls at a time.
    busy : calls under way.
    """

    service: str
    most: int
    busy: int = 0

    def enter(self) -> None:
        """Count a call.

        Raises
        ------
        TransportError
            RESOURCE_EXHAUSTED, with the text of a Fabric peer.
        """
        if self.busy >= self.most:
            text = f"too many requests for /{self.service}, exceeding concurrency limit ({self.most})"
            raise TransportError(Status.RESOURCE_EXHAUSTED, text)
        self.busy += 1

    def leave(self) -> None:
        """Count a call that has ended."""
        self.busy -= 1


def unary(call: Unary, limit: Limit, metrics: CallMetrics) -> grpc.RpcMethodHandler:
    """Return the handler of a method with one serialised request and one serialised reply."""

    async def answer(request: bytes, context: Context) -> bytes:
        begun_s = time.perf_counter()
        metrics.received.inc()
        code = "Canceled"
        try:
            limit.enter()
            try:
                with answering():
                    reply = await call(request, context)
            finally:
                limit.leave()
            code = "OK"
            return reply
        except TransportError as error:
            code = CODE_NAMES[error.status]
            await fail(context, error)
        finally:
            metrics.completed(code, time.perf_counter() - begun_s)

    return grpc.unary_unary_rpc_method_handler(answer)


def streaming(
    call: Streaming, limit: Limit, metrics: CallMetrics, *, takes_many: bool
) -> grpc.RpcMethodHandler:
    """Return the handler of a method with a stream of replies, and one request or a stream of them."""

    async def answer(request: Any, context: Context) -> AsyncIterator[bytes]:
        begun_s = time.perf_counter()
        metrics.received.inc()
        code = "Canceled"
        try:
            limit.enter()
            try:
                with answering():
                    async with aclosing(call(request, context)) as replies:
                        async for reply in replies:
                            yield reply
                            metrics.sent.inc()
            finally:
                limit.leave()
            code = "OK"
        except TransportError as error:
            code = CODE_NAMES[error.status]
            await fail(context, error)
        finally:
            metrics.completed(code, time.perf_counter() - begun_s)

    if takes_many:
        return grpc.stream_stream_rpc_method_handler(answer)
    return grpc.unary_stream_rpc_method_handler(answer)


async def fail(context: Context, error: TransportError) -> NoReturn:
    """End a call with a status and, where peers have answered, their answers in `grpc-status-details-bin`."""
    code = grpc.StatusCode[error.status.name]
    trailing: tuple[tuple[str, bytes], ...] = ()
    if error.details:
        trailing = ((DETAILS_KEY, encode_details(code.value[0], error.message, error.details)),)
    await context.abort(code, error.message, trailing)


CODE_NAMES = {
    Status.CANCELLED: "Canceled",
    Status.UNKNOWN: "Unknown",
    Status.INVALID_ARGUMENT: "InvalidArgument",
    Status.DEADLINE_EXCEEDED: "DeadlineExceeded",
    Status.NOT_FOUND: "NotFound",
    Status.ALREADY_EXISTS: "AlreadyExists",
    Status.PERMISSION_DENIED: "PermissionDenied",
    Status.RESOURCE_EXHAUSTED: "ResourceExhausted",
    Status.FAILED_PRECONDITION: "FailedPrecondition",
    Status.ABORTED: "Aborted",
    Status.OUT_OF_RANGE: "OutOfRange",
    Status.UNIMPLEMENTED: "Unimplemented",
    Status.INTERNAL: "Internal",
    Status.UNAVAILABLE: "Unavailable",
    Status.DATA_LOSS: "DataLoss",
    Status.UNAUTHENTICATED: "Unauthenticated",
}
"""Statuses as Fabric's metrics name them."""
