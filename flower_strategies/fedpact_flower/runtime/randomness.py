"""Randomness that depends on who computes what, never on which process computes it or when."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def derive_seed(seed: int, *labels: str | int) -> bytes:
    """Derive an independent seed of 32 bytes for each sequence of labels.

    Parameters
    ----------
    seed : int
        The run's seed, any integer.
    *labels : str or int
        What the randomness is for, e.g. ``"client", node_id, message_type, group_id, occurrence``.

    Returns
    -------
    bytes
        SHA-256 of the seed and the labels. For simulations; not a way to derive keys.
    """
    return hashlib.sha256(repr((seed, *labels)).encode()).digest()


@contextmanager
def seeded(seed: int, *labels: str | int) -> Iterator[None]:
    """Seed `random`, `numpy.random` and PyTorch for the body; give each its state back afterwards.

    PyTorch is only touched if it was imported before: import it where the client app is defined, not
    inside the client's function, or the first call to each process runs with PyTorch's own seed.
    `numpy.random.default_rng()` without an argument asks the operating system and is not covered; write
    ``numpy.random.default_rng(numpy.random.randint(2**31))`` instead.
    """
    digest = derive_seed(seed, *labels)
    torch = sys.modules.get("torch")
    random_state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.get_rng_state() if torch else None
    random.seed(digest)
    np.random.seed(np.frombuffer(digest, dtype="<u4"))
    if torch:
        torch.manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    try:
        yield
    finally:
        random.setstate(random_state)
        np.random.set_state(numpy_state)
        if torch:
            torch.set_rng_state(torch_state)
