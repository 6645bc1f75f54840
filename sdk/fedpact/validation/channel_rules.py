"""What holds in a channel under one configuration: who belongs to it, and whose endorsements are needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from fedpact.wire.definitions import Definition, find_definition
from fedpact.wire.rwsets import Row

if TYPE_CHECKING:
    from fedpact.wire.bundle import Bundle

MAX_DEFINITIONS = 1024
"""Definitions that are kept in memory."""


class Committed(Protocol):
    """The rows as the block before left them."""

    def get(self, namespace: str, key: str, /) -> Row | None:
        """Return the row of a key."""

    def scan(self, namespace: str, start: str, end: str, /) -> Iterator[tuple[str, Row]]:
        """Yield (key, row) with start <= key < end in key order; an empty end is unbounded."""


class ChannelRules:
    """A configuration and what follows from it.

    Parameters
    ----------
    bundle : the configuration; another one makes another `ChannelRules`.
    clock : seconds since 1970, for questions that name no time; validation names one always.

    Attributes
    ----------
    bundle, clock : as given.
    membership : who belongs to the channel.
    endorsement : the policy of chaincodes that nobody has defined.
    """

    def __init__(self, bundle: Bundle, clock: Callable[[], float] = time.time) -> None:
        self.bundle = bundle
        self.clock = clock
        self.membership = bundle.membership(clock=clock)
        self.endorsement = bundle.endorsement_policy
        self._definitions: dict[str, Definition | None] = {}

    def definition(self, committed: Committed, name: str) -> Definition | None:
        """Return a chaincode's committed definition, from memory where it is known.

        Only for who reads one block after another, and calls `forget_definitions` when they change.

        Raises
        ------
        DefinitionError
            MALFORMED_DEFINITION.
        """
        try:
            return self._definitions[name]
        except KeyError:
            found = find_definition(committed, self.bundle, name)
        if len(self._definitions) >= MAX_DEFINITIONS:
            self._definitions.clear()
        self._definitions[name] = found
        return found

    def undefined(self, name: str) -> Definition:
        """Return what holds for a chaincode that nobody has defined: the channel's policy, any version."""
        return Definition(name, 0, "", self.endorsement)

    def forget_definitions(self) -> None:
        """Read definitions again from now on."""
        self._definitions.clear()
