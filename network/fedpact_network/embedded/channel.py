"""The channel as its last configuration block left it: one object that all parts of a node share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from fedpact.validation import ChannelRules

if TYPE_CHECKING:
    from fedpact.wire.bundle import Bundle


log = logging.getLogger(__name__)


class Channel:
    """The rules in force; a configuration block replaces them as a whole.

    Whoever decides something takes `rules` once and stays with it.

    Parameters
    ----------
    bundle : the configuration in force.
    clock : the node's time, seconds since 1970.

    Attributes
    ----------
    id : the channel's name, which no configuration changes.
    rules : the configuration, its membership and policies.
    """

    def __init__(self, bundle: Bundle, clock: Callable[[], float]) -> None:
        self.id = bundle.channel_id
        self.rules = ChannelRules(bundle, clock)
        self._listeners: list[Callable[[Bundle], None]] = []

    @property
    def bundle(self) -> Bundle:
        """The configuration in force."""
        return self.rules.bundle

    def renew(self, rules: ChannelRules) -> None:
        """Put the rules after a committed block in force."""
        if rules is self.rules:
            return
        self.rules = rules
        log.info("configuration %d of block %d is in force", rules.bundle.sequence, rules.bundle.block_number)
        for listener in self._listeners:
            listener(rules.bundle)

    def on_renewal(self, listener: Callable[[Bundle], None]) -> None:
        """Have every later configuration told, in the block stage's thread."""
        self._listeners.append(listener)
