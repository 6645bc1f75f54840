"""What a fuzzer looks for."""

from __future__ import annotations

import traceback
from pathlib import Path


class Defect(AssertionError):  # noqa: N818 (what a fuzzer looks for)
    """The node did what it must not; `place` names where, to tell defects apart."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place


def place_of(error: BaseException) -> str:
    """Return the innermost line of the product that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "fedpact" in frame.filename]
    last = (ours or frames)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
