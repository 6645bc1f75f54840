"""The channel as its last configuration block left it: one object that all parts of a node share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fedpact.validation import ChannelRules

if TYPE_CHECKING:
    from fedpact.wire.bundle import Bundle


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
        self._clock = clock
        self._listeners: list[Callable[[Bundle], None]] = []

    @property
    def bundle(self) -> Bundle:
        """The configuration in force."""
        return self.rules.bundle

    def renew(self, bundle: Bundle) -> None:
        """Put a committed configuration in force; what was verified under the one before counts no more."""
        self.rules = ChannelRules(bundle, self._clock)
        for listener in self._listeners:
            listener(bundle)

    def on_renewal(self, listener: Callable[[Bundle], None]) -> None:
        """Have every later configuration told, in the block stage's thread."""
        self._listeners.append(listener)
