"""Handing envelopes to orderers: a client of `orderer.AtomicBroadcast/Broadcast`.

One stream carries the envelopes of all threads; its answers come in their order. An orderer ends a stream
with the first envelope that it refuses: what was behind it is sent again, which is harmless.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from google.protobuf.message import DecodeError

from fedpact.gateway.addresses import GrpcAddress
from fedpact.gateway.grpc_channel import failure
from fedpact.gateway.transport import ErrorDetail
from fedpact_network.embedded.errors import Refusal, RefusalCode

ROUNDS = 3
"""How often every address is tried with one envelope."""

ATTEMPT_S = 5.0
"""Longest wait for one address."""

IDLE_S = 0.5
"""How long a stream is kept open without anything to send."""

_BREAKS = 50
"""How often an envelope is sent again at once because others' refusals ended its stream."""

_WAIT_S = 0.1
_METHOD = "/orderer.AtomicBroadcast/Broadcast"
_NO_ORDERER = "no orderer takes transactions"
_CODES: Mapping[int, RefusalCode] = {
    common_pb2.BAD_REQUEST: RefusalCode.MALFORMED,
    common_pb2.FORBIDDEN: RefusalCode.ACCESS_DENIED,
    common_pb2.NOT_FOUND: RefusalCode.UNKNOWN_CHANNEL,
    common_pb2.REQUEST_ENTITY_TOO_LARGE: RefusalCode.TOO_LARGE,
}


class _Lost(Exception):  # noqa: N818 (no fault: it is sent again)
    """The stream ended without an answer to this envelope."""


class _Stream:
    """One stream and the envelopes that wait for their answers."""

    def __init__(self, channel: grpc.Channel, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._waiting: deque[Future[ab_pb2.BroadcastResponse]] = deque()
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._call = channel.stream_stream(_METHOD)(self._next())
        self.ended = False
        threading.Thread(target=self._read, name="broadcast", daemon=True).start()

    def send(self, envelope: bytes) -> Future[ab_pb2.BroadcastResponse]:
        """Send an envelope; the future gives the answer, or `_Lost`."""
        answer: Future[ab_pb2.BroadcastResponse] = Future()
        with self._lock:
            if self.ended:
                answer.set_exception(_Lost())
            else:
                self._waiting.append(answer)
                self._requests.put(envelope)
        return answer

    def close(self) -> None:
        """End the stream."""
        self._call.cancel()

    def _next(self) -> Iterator[bytes]:
        """Yield what is to be sent, until nothing came for a while: an idle stream holds up who stops."""
        while True:
            try:
                envelope = self._requests.get(timeout=IDLE_S)
            except queue.Empty:
                with self._lock:
                    self.ended = self.ended or not (self._waiting or self._requests.qsize())
                    if self.ended:
                        return
                continue
            if envelope is None:
                return
            yield envelope

    def _read(self) -> None:
        reason: Exception = _Lost()
        answered = False
        try:
            for reply in self._call:
                response = ab_pb2.BroadcastResponse.FromString(reply)
                answered = True
                self._waiting.popleft().set_result(response)
        except grpc.RpcError as error:
            if not answered:
                reason = failure(error, self._address, closed=False)
        except (DecodeError, IndexError):
            self._call.cancel()
        with self._lock:
            self.ended = True
            self._requests.put(None)
        while self._waiting:
            self._waiting.popleft().set_exception(reason)


class Broadcaster:
    """Hands envelopes to orderers, from any thread.

    Parameters
    ----------
    orderers : their addresses, and how they are trusted.
    """

    def __init__(self, orderers: GrpcAddress) -> None:
        self._addresses = orderers.addresses
        self._channels = [orderers.settings.open(address) for address in self._addresses]
        self._streams: list[_Stream | None] = [None] * len(self._channels)
        self._first = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def send(self, envelope: bytes) -> None:
        """Have an envelope ordered. The same one is sent again where an answer is missing: that is harmless.

        Raises
        ------
        Refusal
            What the orderer refuses with; ORDERERS_FAILED where none answers or none takes it now, or one
            refuses what another, that gave no answer, may have taken.
        """
        answers: list[ErrorDetail] = []
        for attempt in range(ROUNDS):
            answers.clear()
            for step in range(len(self._channels)):
                index = (self._first + step) % len(self._channels)
                try:
                    missing = self._try(index, envelope)
                except Refusal as refusal:
                    if not (attempt or answers) or refusal.code is RefusalCode.STOPPED:
                        raise
                    answers.append(ErrorDetail(self._addresses[index], "", refusal.message))
                    raise Refusal(RefusalCode.ORDERERS_FAILED, _NO_ORDERER, tuple(answers)) from refusal
                if missing is None:
                    self._first = index
                    return
                answers.append(ErrorDetail(self._addresses[index], "", missing))
            if self._closed.wait(_WAIT_S * 2**attempt):
                raise Refusal(RefusalCode.STOPPED, "the node has stopped")
        raise Refusal(RefusalCode.ORDERERS_FAILED, _NO_ORDERER, tuple(answers))

    def close(self) -> None:
        """Cut the connections."""
        with self._lock:
            self._closed.set()
            for stream in self._streams:
                if stream is not None:
                    stream.close()
        for channel in self._channels:
            channel.close()

    def _try(self, index: int, envelope: bytes) -> str | None:
        """Send an envelope; return why it is worth another attempt, None where it was taken."""
        for _ in range(_BREAKS):
            stream = self._stream(index)
            try:
                reply = stream.send(envelope).result(ATTEMPT_S)
            except _Lost:
                continue
            except TimeoutError:
                stream.close()
                return f"{self._addresses[index]}: no answer within {ATTEMPT_S:g} s"
            except Exception as error:
                return str(error)
            if reply.status == common_pb2.SUCCESS:
                return None
            code = _CODES.get(reply.status)
            if code is not None:
                raise Refusal(code, reply.info)
            return f"{reply.status}: {reply.info}"
        return f"{self._addresses[index]}: no answer"

    def _stream(self, index: int) -> _Stream:
        with self._lock:
            if self._closed.is_set():
                raise Refusal(RefusalCode.STOPPED, "the node has stopped")
            stream = self._streams[index]
            if stream is None or stream.ended:
                stream = self._streams[index] = _Stream(self._channels[index], self._addresses[index])
            return stream
