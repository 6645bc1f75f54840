"""A grid on which a strategy sees a round's participants only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fedpact_flower.runtime.flower_internals import FlowerRun


class ParticipantGrid(Grid):
    """Passes everything to another grid, but knows some of its nodes only.

    Strategies choose their clients from `get_node_ids`; who was eliminated must not be among them.

    Parameters
    ----------
    grid : the whole grid.
    node_ids : who takes part.
    """

    def __init__(self, grid: Grid, node_ids: Sequence[int]) -> None:
        self._grid = grid
        self._node_ids = tuple(node_ids)

    def get_node_ids(self) -> list[int]:
        """Return the participants' identifiers, in their order."""
        return list(self._node_ids)

    def set_run(self, run: FlowerRun) -> None:
        """Set the description of the run."""
        self._grid.set_run(run)

    @property
    def run(self) -> FlowerRun:
        """Description of the run."""
        return self._grid.run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Create a message."""
        return self._grid.create_message(content, message_type, dst_node_id, group_id, ttl)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages without waiting."""
        message_ids: Iterable[str] = self._grid.push_messages(messages)
        return message_ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return the replies that have arrived."""
        replies: Iterable[Message] = self._grid.pull_messages(message_ids)
        return replies

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Send messages and wait for their replies."""
        replies: Iterable[Message] = self._grid.send_and_receive(messages, timeout=timeout)
        return replies
