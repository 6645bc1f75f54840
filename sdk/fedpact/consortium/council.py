"""The organisations' council: founding, membership, nodes, motions and votes (domain: Korenev, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fedpact_chaincode.contract import Nothing
from fedpact_chaincode.contracts.registry import (
    CastVote,
    Found,
    Founder,
    Members,
    Motion,
    Node,
    NodeKind,
    Organisation,
    Propose,
    RegisterNode,
    Settings,
    Standing,
)
from fedpact_chaincode.contracts.registry.council import MotionPage, MotionsAfter, OneMotion
from fedpact_chaincode.contracts.registry.organisations import NodePage, NodesAfter

if TYPE_CHECKING:
    from fedpact.consortium.session import Session


class Council:
    """What organisations decide together."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def found(self, organisations: Mapping[str, str], *, threshold: tuple[int, int] = (2, 3)) -> Settings:
        """Found the consortium on its ledger; once, by an administrator.

        Parameters
        ----------
        organisations : name by mspid.
        threshold : a motion passes when strictly more than this fraction of the organisations approves.
        """
        founders = [Founder(mspid=mspid, name=name) for mspid, name in organisations.items()]
        message = Found(
            organisations=founders, council_numerator=threshold[0], council_denominator=threshold[1]
        )
        return self._session.submit("registry:found", message, Settings)

    def members(self) -> list[Organisation]:
        """Return the organisations."""
        return self._session.evaluate("registry:members", Nothing(), Members).organisations

    def register_node(self, kind: NodeKind, *, endpoint: str = "") -> Node:
        """Register the caller itself as a node of its organisation."""
        message = RegisterNode(kind=kind, endpoint=endpoint)
        return self._session.submit("registry:register_node", message, Node)

    def nodes(self, *, after: str | None = None) -> list[Node]:
        """Return up to a hundred nodes, by identifier."""
        return self._session.evaluate("registry:nodes", NodesAfter(after=after), NodePage).nodes

    def propose(self, name: str, kind: str, subject: str, *, amount: int = 0, detail: str = "") -> Motion:
        """Put a motion to the council.

        Parameters
        ----------
        name : the organisation's own name for it; its id is `mspid/name`.
        kind : `activate_device`, `suspend_device`, `revoke_device`, `admit_organisation`, `issue_credit`.
        subject : the device, organisation or account.
        amount : micro-credits, where the kind needs an amount.
        detail : the name of an admitted organisation, or reasons.
        """
        message = Propose(name=name, kind=kind, subject=subject, amount=amount, detail=detail)
        return self._session.submit("registry:propose", message, Motion)

    def vote(self, motion: str, *, approve: bool = True) -> Motion:
        """Vote for the caller's organisation; the deciding vote carries the motion out."""
        return self._session.submit("registry:vote", CastVote(motion=motion, approve=approve), Motion)

    def motion(self, motion: str) -> Standing:
        """Return a motion with its votes."""
        return self._session.evaluate("registry:motion", OneMotion(id=motion), Standing)

    def motions(self, *, after: str | None = None) -> list[Motion]:
        """Return up to a hundred motions, by id."""
        return self._session.evaluate("registry:motions", MotionsAfter(after=after), MotionPage).motions
