"""A fixed script of consortium calls: the same calls leave the same state on every ledger.

Identities come from a seed and times from the script, so that the state's hash is a constant. It changes with
the contracts' records and rules, and with nothing else: a change of `GOLDEN` is a change of what is stored. A
ledger whose hash is another one executes or stores something differently.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fedpact.ledger import Ledger
from fedpact.testing.channels import Channel
from fedpact.testing.script import founding, rounds, team
from fedpact.testing.script.cast import Cast

GOLDEN = Path(__file__).with_name("state_hash.txt")
"""The file that holds the hash."""


def expected_state_hash() -> str:
    """Return what `Ledger.state_hash` is after `play`, on every ledger."""
    return GOLDEN.read_text().strip()


def play(create: Callable[[Channel], Ledger], folder: Path) -> Cast:
    """Create a ledger and make every call, one after the other.

    Parameters
    ----------
    create : makes the ledger.
    folder : an empty folder for it.

    Returns
    -------
    The cast with its opened ledger, whose state hash is the expected one; the caller closes it.
    """
    cast = Cast(create, folder)
    try:
        founding.found(cast)
        founding.measure(cast)
        founding.publish(cast)
        team.form(cast)
        rounds.train(cast)
        rounds.deliver(cast)
    except BaseException:
        cast.ledger.close()
        raise
    return cast
