"""The client's logic without I/O: a flow yields what is to be done and is told what came of it.

    Flow[T]      a generator: yields steps, gets replies (or has `TransportError` thrown into it), returns T
      Call       send a request of one stage; the reply is sent back into the flow
      Pause      let some time pass

The blocking and the asyncio client run the same flows: `Connection.run`, `AsyncConnection.run`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")

Stage = Literal["evaluate", "endorse", "submit", "commit_status", "submit_and_wait", "verdict"]
"""A transport's method; not every transport has the last two."""


class Call(NamedTuple):
    """A call to be made.

    Attributes
    ----------
    stage : the transport's method.
    request : serialised message.
    timeout_s : longest wait for the reply, seconds.
    """

    stage: Stage
    request: bytes
    timeout_s: float


class Pause(NamedTuple):
    """Time to be waited, seconds."""

    seconds: float


Flow: TypeAlias = Generator[Call | Pause, bytes, T]
