"""Bytes as a sequence of decisions: what hypothesis, a random generator and atheris all can make.

A finding is kept as its bytes, and a coverage-guided fuzzer that changes a byte changes one decision.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Decisions from bytes; when they are used up, from a generator seeded with them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._rest = random.Random(data)

    def below(self, bound: int) -> int:
        """Return 0 <= n < bound."""
        if bound <= 1:
            return 0
        size = 1 if bound <= 256 else 4
        taken = self._data[self._position : self._position + size]
        if len(taken) < size:
            return self._rest.randrange(bound)
        self._position += size
        return int.from_bytes(taken, "big") % bound

    def maybe(self, percent: int) -> bool:
        return self.below(100) < percent

    def one_of(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def some_bytes(self, most: int) -> bytes:
        """Return random bytes; their content is no decision."""
        return self._rest.randbytes(self.below(most + 1))
