"""Streams of replies made of committed blocks: nothing is buffered, so a slow reader costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol

from fedpact_network.embedded.statuses import answering

if TYPE_CHECKING:
    from fedpact_network.embedded.notifier import Notifier, Outcome


class Feed(Protocol):
    """Makes replies of blocks; used by one reader at a time.

    Attributes
    ----------
    number : the block it reads next.
    finished : there are no more replies.
    """

    number: int
    finished: bool

    def waits(self, height: int) -> bool:
        """Whether `read` is of no use before there are more than `height` blocks."""

    def read(self, height: int) -> bytes | None:
        """Return the next reply; None if there is none among the blocks that were read now.

        Parameters
        ----------
        height : number of blocks there are.

        Raises
        ------
        Refusal
            STOPPED; ACCESS_DENIED where the reader may not read any more.
        """


class FeedStream:
    """A feed as a `fedpact.gateway.Stream`, for readers in this process.

    Parameters
    ----------
    feed : what is read.
    notifier : tells of new blocks.
    """

    def __init__(self, feed: Feed, notifier: Notifier) -> None:
        self._feed = feed
        self._notifier = notifier
        self._news = threading.Condition()
        self._height = 0
        self._stopped = False
        self._closed = False
        notifier.add(self)
        self._height = max(self._height, notifier.height)

    def __iter__(self) -> FeedStream:
        return self

    def __next__(self) -> bytes:
        """Wait for the next reply.

        Raises
        ------
        TransportError
            UNAVAILABLE when the node stops; PERMISSION_DENIED.
        """
        with answering():
            while not self._feed.finished:
                if not self._wait():
                    break
                reply = self._feed.read(self._height)
                if reply is not None:
                    return reply
        self.close()
        raise StopIteration

    def close(self) -> None:
        """End the stream; more than once is allowed."""
        self._notifier.remove(self)
        with self._news:
            self._closed = True
            self._news.notify_all()

    def committed(self, height: int, outcomes: Collection[tuple[str, Outcome]]) -> None:
        """Hear of a block."""
        with self._news:
            self._height = max(self._height, height)
            self._news.notify_all()

    def stopped(self, reason: str) -> None:
        """Hear that no more blocks will come."""
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def _wait(self) -> bool:
        """Wait for the block to read; False if the stream was closed."""
        with self._news:
            self._news.wait_for(lambda: self._closed or self._stopped or not self._feed.waits(self._height))
            if self._closed:
                return False
        self._notifier.check()
        return True
