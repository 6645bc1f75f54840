"""What every stage of a transaction needs: who acts, where, and how patiently; who runs its flows."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from fedpact.gateway.flows import Flow, Pause, Stage
from fedpact.gateway.transport import Transport, TransportError

T = TypeVar("T")


class Actor(Protocol):
    """Who acts; an `Identity` is one. For off-line signing `sign` is never called."""

    @property
    def creator(self) -> bytes:
        """Serialised `msp.SerializedIdentity`."""

    def sign(self, message: bytes, /) -> bytes:
        """Sign a message."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Longest wait for each call, in seconds.

    Attributes
    ----------
    evaluate_s, endorse_s, submit_s : for the call's answer.
    commit_s : for the transaction's block.
    lookup_s : for a transaction whose outcome is unknown, before its envelope is sent again.
    """

    evaluate_s: float = 30.0
    endorse_s: float = 30.0
    submit_s: float = 10.0
    commit_s: float = 60.0
    lookup_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often to try again, and how long to wait before: full jitter under a capped exponential.

    Before attempt n (from 1) the wait is uniform in [0, min(cap_s, first_s * 2**(n - 1))].

    Attributes
    ----------
    conflicts : new proposals after a conflict (MVCC, phantom).
    resends : repetitions of one signed envelope after an unknown outcome.
    reconnects : attempts in a row to go on with a broken stream of events.
    first_s, cap_s : bounds of the first and of any wait, seconds.
    rng : source of the jitter; the default has no state, so that forked workers do not wait in step.
    sleep : waits some seconds; asyncio's clients wait with `asyncio.sleep`.
    """

    conflicts: int = 8
    resends: int = 4
    reconnects: int = 100
    first_s: float = 0.02
    cap_s: float = 2.0
    rng: random.Random = field(default_factory=random.SystemRandom, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def wait_s(self, attempt: int) -> float:
        """Return how long to wait before an attempt (from 1)."""
        doubled = self.first_s * 2.0 ** min(attempt - 1, 1000)
        return self.rng.uniform(0.0, min(self.cap_s, doubled))


@dataclass(frozen=True, slots=True)
class Terms:
    """Who acts, on which channel, how patiently.

    Attributes
    ----------
    tls_certificate_hash : SHA-256 of the client's TLS certificate, for requests for blocks; empty for none.
    """

    identity: Actor
    channel_id: str
    deadlines: Deadlines
    retries: Retries
    tls_certificate_hash: bytes

    def offers(self, stage: Stage) -> bool:
        """Whether the transport has a method beyond those that every transport has."""
        return False


@dataclass(frozen=True, slots=True)
class Connection(Terms):
    """Terms and a transport; runs flows in the caller's thread."""

    transport: Transport

    def offers(self, stage: Stage) -> bool:
        """Whether the transport has a method beyond those that every transport has."""
        return hasattr(self.transport, stage)

    def run(self, flow: Flow[T]) -> T:
        """Do what a flow asks for, until it returns or raises."""
        transport = self.transport
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    self.retries.sleep(step.seconds)
                    step = flow.send(b"")
                    continue
                try:
                    reply = getattr(transport, step.stage)(step.request, timeout_s=step.timeout_s)
                except TransportError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as done:
            result: T = done.value
            return result
