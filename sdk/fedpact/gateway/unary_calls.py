"""The calls with one reply, made alike by every transport: by a stage's name and its request."""

from __future__ import annotations

from abc import ABC, abstractmethod


class UnaryCalls(ABC):
    """A transport's calls with one reply, over `_call`."""

    def evaluate(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Execute a proposal without ordering it."""
        return self._call("evaluate", request, timeout_s)

    def endorse(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Collect endorsements."""
        return self._call("endorse", request, timeout_s)

    def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Hand a signed envelope to the orderer."""
        return self._call("submit", request, timeout_s)

    def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Wait for a transaction's verdict."""
        return self._call("commit_status", request, timeout_s)

    @abstractmethod
    def _call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        """Make a call; raise nothing but `TransportError`."""


class AsyncUnaryCalls(ABC):
    """`UnaryCalls` for asyncio."""

    async def evaluate(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Execute a proposal without ordering it."""
        return await self._call("evaluate", request, timeout_s)

    async def endorse(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Collect endorsements."""
        return await self._call("endorse", request, timeout_s)

    async def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Hand a signed envelope to the orderer."""
        return await self._call("submit", request, timeout_s)

    async def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Wait for a transaction's verdict."""
        return await self._call("commit_status", request, timeout_s)

    @abstractmethod
    async def _call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        """Make a call; raise nothing but `TransportError`."""
