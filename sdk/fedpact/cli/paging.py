"""Lists that a contract hands out page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
K = TypeVar("K")


def every(page: Callable[[K | None], Sequence[T]], key: Callable[[T], K]) -> Iterator[T]:
    """Yield the entries of all pages.

    Parameters
    ----------
    page : returns the entries after a key; after None, the first ones.
    key : of an entry.
    """
    after: K | None = None
    while True:
        entries = page(after)
        yield from entries
        if not entries:
            return
        after = key(entries[-1])
