"""Members, nodes and the council, from a session."""

from __future__ import annotations

import pytest

from fedpact import Rejected
from fedpact.records import MotionStatus, NodeKind


def test_organisations_are_listed(stage) -> None:
    members = stage.researcher.council.members()
    assert {member.mspid: member.name for member in members} == {
        "AlphaMSP": "Alpha",
        "BetaMSP": "Beta",
        "GammaMSP": "Gamma",
    }


def test_a_node_registers_itself_with_its_key(stage) -> None:
    from fedpact.identity import public_key_hex

    node = stage.researcher.council.register_node(NodeKind.AGGREGATOR, endpoint="tcp://gamma:1")
    identity = stage.researcher.identity
    assert (node.id, node.kind, node.endpoint) == (identity.id, NodeKind.AGGREGATOR, "tcp://gamma:1")
    assert node.public_key == public_key_hex(identity.certificate)
    listed = stage.node.council.nodes()
    assert [known.id for known in listed] == ["AlphaMSP/node", "BetaMSP/node", "GammaMSP/researcher"]
    assert stage.node.council.nodes(after="AlphaMSP/node") == listed[1:]


def test_a_motion_is_open_until_more_than_two_thirds_approve(stage) -> None:
    council = stage.session("AlphaMSP/admin").council
    motion = council.propose("funds", "issue_credit", "BetaMSP", amount=7)
    assert motion.id == "AlphaMSP/funds"
    for mspid, status in (("AlphaMSP", "open"), ("BetaMSP", "open"), ("GammaMSP", "passed")):
        assert stage.session(f"{mspid}/admin").council.vote(motion.id).status == status
    standing = stage.node.council.motion(motion.id)
    assert ([vote.mspid for vote in standing.votes], standing.organisations) == (
        ["AlphaMSP", "BetaMSP", "GammaMSP"],
        3,
    )
    assert stage.node.credit.account("BetaMSP").balance == 7


def test_a_motion_that_cannot_pass_is_rejected(stage) -> None:
    motion = stage.session("AlphaMSP/admin").council.propose(
        "delta", "admit_organisation", "DeltaMSP", detail="Delta"
    )
    decided = stage.session("BetaMSP/admin").council.vote(motion.id, approve=False)
    assert decided.status is MotionStatus.REJECTED
    assert [known.id for known in stage.node.council.motions()] == [motion.id]
    assert stage.node.council.motions(after=motion.id) == []


def test_a_consortium_is_founded_once(stage) -> None:
    with pytest.raises(Rejected) as caught:
        stage.session("BetaMSP/admin").council.found({"BetaMSP": "Beta"})
    assert caught.value.code.name == "ALREADY_FOUNDED"
