"""Waiting for commits on an event loop: the block stage wakes the loop once a block, whoever waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fedpact_network.embedded.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    from fedpact_network.embedded.node import EmbeddedNode
    from fedpact_network.embedded.notifier import Outcome

_MAX_WAITING = 100_000
_STOPS = "the node stops"


class Commits:
    """What a loop's tasks wait for; used in the loop's own thread, except where the notifier calls.

    Parameters
    ----------
    node : whose blocks.
    loop : whose tasks.

    Attributes
    ----------
    height : number of blocks there are.
    waiting : how many tasks wait for a transaction.
    over : set once nothing will be committed any more.
    """

    def __init__(self, node: EmbeddedNode, loop: asyncio.AbstractEventLoop) -> None:
        self._node = node
        self._loop = loop
        self._transactions: dict[str, list[asyncio.Future[Outcome]]] = {}
        self._blocks: set[asyncio.Future[None]] = set()
        self._stopped = ""
        self._ended = False
        self.waiting = 0
        self.over = asyncio.Event()
        self.height = node.notifier.height
        node.notifier.add(self)
        self.height = max(self.height, node.notifier.height)

    def close(self) -> None:
        """Hear no more; whoever waits is told that the node stops."""
        self._node.notifier.remove(self)
        self._stop(_STOPS)

    def end_streams(self) -> None:
        """Tell those who wait for blocks that the node stops; commits are still told."""
        self._ended = True
        self._refuse(self._blocks, Refusal(RefusalCode.STOPPED, _STOPS))

    def check_streams(self) -> None:
        """Refuse (STOPPED) to go on with streams once they are to end."""
        self._check()
        if self._ended:
            raise Refusal(RefusalCode.STOPPED, _STOPS)

    async def outcome(self, tx_id: str) -> Outcome:
        """Wait until a transaction is committed.

        Raises
        ------
        Refusal
            OVERLOADED, STOPPED.
        """
        if self.waiting >= _MAX_WAITING:
            raise Refusal(RefusalCode.OVERLOADED, "too many callers wait for a commit")
        self._check()
        news: asyncio.Future[Outcome] = self._loop.create_future()
        self._transactions.setdefault(tx_id, []).append(news)
        self.waiting += 1
        try:  # registered first: what is committed from here on wakes us
            recent = self._node.notifier.recent(tx_id)
            if recent is None and not self._node.holds(tx_id):
                recent = await asyncio.to_thread(self._node.decided, tx_id)
            return recent if recent is not None else await news
        finally:
            self.waiting -= 1
            self._forget(tx_id, news)

    async def block(self, number: int) -> int:
        """Wait until there is a block of this number; return how many blocks there are.

        Raises
        ------
        Refusal
            STOPPED.
        """
        while self.height <= number:
            self.check_streams()
            news: asyncio.Future[None] = self._loop.create_future()
            self._blocks.add(news)
            try:
                await news
            finally:
                self._blocks.discard(news)
        return self.height

    def committed(self, height: int, outcomes: Collection[tuple[str, Outcome]]) -> None:
        """Hear of a block; called by the block stage."""
        self._soon(self._tell, height, outcomes)

    def stopped(self, reason: str) -> None:
        """Hear that nothing more will be committed; called by the block stage or whoever closes the node."""
        self._soon(self._stop, reason)

    def _soon(self, call: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop has ended while the block stage was telling
            self._loop.call_soon_threadsafe(call, *arguments)

    def _tell(self, height: int, outcomes: Collection[tuple[str, Outcome]]) -> None:
        self.height = max(self.height, height)
        if self._transactions:
            for tx_id, outcome in outcomes:
                for news in self._transactions.get(tx_id, ()):
                    if not news.done():
                        news.set_result(outcome)
        for block in self._blocks:
            if not block.done():
                block.set_result(None)

    def _stop(self, reason: str) -> None:
        self._stopped = self._stopped or reason
        self.over.set()
        refusal = Refusal(RefusalCode.STOPPED, self._stopped)
        for waiting in self._transactions.values():
            self._refuse(waiting, refusal)
        self._refuse(self._blocks, refusal)

    @staticmethod
    def _refuse(waiting: Iterable[asyncio.Future[Any]], refusal: Refusal) -> None:
        for news in waiting:
            if not news.done():
                news.set_exception(refusal)

    def _check(self) -> None:
        if self._stopped:
            raise Refusal(RefusalCode.STOPPED, self._stopped)

    def _forget(self, tx_id: str, news: asyncio.Future[Outcome]) -> None:
        waiting = self._transactions[tx_id]
        waiting.remove(news)
        if not waiting:
            del self._transactions[tx_id]
        if news.done() and not news.cancelled():
            news.exception()  # seen, though another answer was faster
