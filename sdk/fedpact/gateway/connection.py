"""What every stage of a transaction needs: who acts, where, and how patiently."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from fedpact.gateway.transport import Transport


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
    first_s, cap_s : bounds of the first and of any wait, seconds.
    rng : source of the jitter; the default has no state, so that forked workers do not wait in step.
    sleep : waits some seconds.
    """

    conflicts: int = 8
    resends: int = 4
    first_s: float = 0.02
    cap_s: float = 2.0
    rng: random.Random = field(default_factory=random.SystemRandom, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def pause(self, attempt: int) -> None:
        """Wait before an attempt (from 1)."""
        self.sleep(self.rng.uniform(0.0, min(self.cap_s, self.first_s * 2.0 ** (attempt - 1))))


@dataclass(frozen=True, slots=True)
class Connection:
    """Who acts, on which channel, through which transport, how patiently."""

    transport: Transport
    identity: Actor
    channel_id: str
    deadlines: Deadlines = Deadlines()
    retries: Retries = field(default_factory=Retries)
