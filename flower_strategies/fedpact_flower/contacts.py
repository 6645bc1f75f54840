"""Which Flower node is which member, and queries to members by name."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from fedpact_flower import phases
from fedpact_flower.phases import ANSWER, QUESTION, ROUND, RoundCall
from fedpact_flower.trail import Claim, Trail

log = logging.getLogger(__name__)


class Contacts:
    """The members that can be reached through a grid.

    Parameters
    ----------
    grid : the Flower nodes.
    timeout_s : longest wait for the answers to one query.
    """

    def __init__(self, grid: Grid, *, timeout_s: float) -> None:
        self._grid = grid
        self._timeout_s = timeout_s
        self._flower_nodes: dict[str, int] = {}
        self._members: dict[int, str] = {}

    @property
    def members(self) -> list[str]:
        """Everybody who can be reached."""
        return list(self._flower_nodes)

    def enlist(self, trail: Trail, call: RoundCall) -> None:
        """Find out anew who can be reached, as the trail decides."""
        nodes = list(self._grid.get_node_ids())
        found = trail.enlist(nodes, lambda challenge: self._claims(nodes, challenge, call))
        self._flower_nodes = dict(found)
        self._members = {flower_node: member for member, flower_node in found.items()}

    def addresses(self, members: Iterable[str]) -> list[int]:
        """Return the Flower nodes of those who can be reached."""
        return [self._flower_nodes[member] for member in members if member in self._flower_nodes]

    def sender(self, reply: Message) -> str:
        """Return who sent a reply; empty for a Flower node that is no member."""
        return self._members.get(reply.metadata.src_node_id, "")

    def ask(self, kind: str, questions: Mapping[str, RecordDict], call: RoundCall) -> dict[str, RecordDict]:
        """Put a query to some members; return the contents of the answers that came."""
        record = call.record()
        messages = [
            Message(
                RecordDict({**question, ROUND: record}),
                self._flower_nodes[member],
                kind,
                group_id=str(call.number),
            )
            for member, question in questions.items()
            if member in self._flower_nodes
        ]
        answers = {}
        for reply in self._send(messages):
            member = self.sender(reply)
            if reply.has_error():
                log.warning("round %d: no %s from %s: %s", call.number, kind, member, reply.error.reason)
            else:
                answers[member] = reply.content
        return answers

    def _claims(self, nodes: list[int], challenge: bytes, call: RoundCall) -> dict[int, Claim]:
        content = RecordDict({QUESTION: ConfigRecord({"challenge": challenge}), ROUND: call.record()})
        claims = {}
        for reply in self._send([Message(content, node, phases.IDENTIFY) for node in nodes]):
            flower_node = reply.metadata.src_node_id
            record = phases.record_in(reply.content, ANSWER) if reply.has_content() else ConfigRecord()
            try:
                claims[flower_node] = Claim(phases.text(record, "node"), phases.octets(record, "signature"))
            except ValueError:
                log.warning("Flower node %d does not say who it is", flower_node)
        return claims

    def _send(self, messages: list[Message]) -> list[Message]:
        return list(self._grid.send_and_receive(messages, timeout=self._timeout_s)) if messages else []
