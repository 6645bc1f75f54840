"""A transport in which something happens between the stages; what passes through it stays as it is."""

from __future__ import annotations

from collections.abc import Callable

from fedpact.gateway.transport import DeliverKind, Status, Stream, Transport, TransportError


class Interposed:
    """Passes every call on.

    Parameters
    ----------
    inner : the ledger's transport.
    after_endorse : called after each endorsement with the number of endorsements so far.
    lost_answers : how many answers to `submit` get lost after the envelope has arrived.
    """

    def __init__(
        self,
        inner: Transport,
        *,
        after_endorse: Callable[[int], object] | None = None,
        lost_answers: int = 0,
    ) -> None:
        self._inner = inner
        self._after_endorse = after_endorse
        self._lost_answers = lost_answers
        self.endorsed = 0
        self.submitted: list[bytes] = []

    def evaluate(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Pass on."""
        return self._inner.evaluate(request, timeout_s=timeout_s)

    def endorse(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Pass on, then let happen what is to happen before the envelope is submitted."""
        reply = self._inner.endorse(request, timeout_s=timeout_s)
        self.endorsed += 1
        if self._after_endorse is not None:
            self._after_endorse(self.endorsed)
        return reply

    def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Pass on, and perhaps lose the answer."""
        reply = self._inner.submit(request, timeout_s=timeout_s)
        self.submitted.append(request)
        if len(self.submitted) <= self._lost_answers:
            raise TransportError(Status.UNAVAILABLE, "the answer was lost")
        return reply

    def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Pass on."""
        return self._inner.commit_status(request, timeout_s=timeout_s)

    def chaincode_events(self, request: bytes, /) -> Stream:
        """Pass on."""
        return self._inner.chaincode_events(request)

    def deliver(self, kind: DeliverKind, envelope: bytes, /) -> Stream:
        """Pass on."""
        return self._inner.deliver(kind, envelope)

    def close(self) -> None:
        """Do nothing: the inner transport belongs to the ledger."""
