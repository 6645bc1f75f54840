"""`_lifecycle` on the node's own simulation: read/write sets as they go over the wire, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages
from google.protobuf.message import Message
from tests.chaincode.lifecycle.lifecycle_ledger import ORGANISATIONS, person
from tests.sdk.wire.committed import Committed

from fedpact.identity import CertificateAuthority
from fedpact.wire.bundle import Bundle
from fedpact.wire.config import ChannelConfig, Organisation
from fedpact.wire.definitions import LIFECYCLE, approved_by, collections_of, find_definition
from fedpact.wire.proposals import build_proposal, parse_proposal
from fedpact.wire.rwsets import Version, decode, encode
from fedpact.wire.simulation import Simulation
from fedpact_chaincode.errors import COLLECTION_UNDEFINED, PRIVATE_DATA_UNAVAILABLE, Rejected
from fedpact_chaincode.lifecycle.system_chaincode import Lifecycle
from fedpact_chaincode.testing import refused


class Channel:
    """A committed state, and executions of `_lifecycle` on it."""

    def __init__(self) -> None:
        authorities = [CertificateAuthority.create(mspid, mspid) for mspid in ORGANISATIONS]
        organisations = tuple(Organisation(ca.mspid, (ca.certificate_pem,)) for ca in authorities)
        self.bundle = Bundle.from_block(ChannelConfig("consortium", organisations).to_genesis_block())
        self.state = Committed()
        self.height = 0
        own = find_definition(self.state, self.bundle, LIFECYCLE)
        assert own is not None
        self.collections = {LIFECYCLE: collections_of(own, self.bundle)}

    def call(
        self, function: str, arguments: Message, mspid: str, *, acting: Sequence[str] = (), holds: bool = True
    ) -> bytes:
        creator = person(mspid).creator
        built = build_proposal(
            creator,
            channel_id="consortium",
            chaincode=LIFECYCLE,
            args=[function.encode(), arguments.SerializeToString()],
            timestamp_ns=1,
        )
        simulation = Simulation(
            self.state, parse_proposal(built.proposal_bytes), collections=self.collections
        )
        chaincode = Lifecycle(
            acting or (mspid,),
            self.bundle.mspids,
            has_policy=self.bundle.has_policy,
            is_admin=lambda asked: asked == creator,
            installed={},
        )
        response = chaincode.invoke(simulation)
        if response.status != 200:
            rejected = Rejected.from_json(response.message)
            assert rejected is not None
            raise rejected
        self.height += 1
        [public] = decode(encode([simulation.rwset()]))
        private = simulation.private_rwsets() if holds else ()
        self.state.apply(public, private, Version(self.height, 0))
        return response.payload

    def approve(self, mspid: str, **more: object) -> None:
        arguments = messages.ApproveChaincodeDefinitionForMyOrgArgs(name="mycc", sequence=1, version="1.0")
        self.call("ApproveChaincodeDefinitionForMyOrg", arguments, mspid, **more)

    def commit(self, *acting: str) -> None:
        arguments = messages.CommitChaincodeDefinitionArgs(name="mycc", sequence=1, version="1.0")
        self.call("CommitChaincodeDefinition", arguments, acting[0], acting=acting)


@pytest.fixture
def channel() -> Channel:
    return Channel()


def test_organisations_agree_by_hashes_alone(channel: Channel) -> None:
    channel.approve("AlphaMSP", holds=False)
    channel.approve("BetaMSP")
    assert find_definition(channel.state, channel.bundle, "mycc") is None
    channel.commit("AlphaMSP", "BetaMSP")
    found = find_definition(channel.state, channel.bundle, "mycc")
    assert found is not None
    assert (found.sequence, found.version, found.endorsement) == (1, "1.0", channel.bundle.endorsement_policy)
    assert [approved_by(channel.state, found, mspid) for mspid in ORGANISATIONS] == [True, True, False]
    assert set(collections_of(found, channel.bundle)) == {f"_implicit_org_{mspid}" for mspid in ORGANISATIONS}


def test_an_approval_is_read_where_it_is_held(channel: Channel) -> None:
    channel.approve("AlphaMSP", holds=False)
    channel.approve("BetaMSP")
    asked = messages.QueryApprovedChaincodeDefinitionsArgs()
    everything = messages.QueryApprovedChaincodeDefinitionsResult.FromString(
        channel.call("QueryApprovedChaincodeDefinitions", asked, "BetaMSP")
    )
    assert [one.name for one in everything.approved_chaincode_definitions] == ["mycc"]
    with refused(PRIVATE_DATA_UNAVAILABLE):
        one = messages.QueryApprovedChaincodeDefinitionArgs(name="mycc", sequence=1)
        channel.call("QueryApprovedChaincodeDefinition", one, "AlphaMSP")


def test_a_definition_is_read_without_anything_private(channel: Channel) -> None:
    channel.approve("AlphaMSP", holds=False)
    channel.commit("AlphaMSP")
    arguments = messages.QueryChaincodeDefinitionArgs(name="mycc")
    found = messages.QueryChaincodeDefinitionResult.FromString(
        channel.call("QueryChaincodeDefinition", arguments, "GammaMSP")
    )
    assert dict(found.approvals) == {"AlphaMSP": True, "BetaMSP": False, "GammaMSP": False}


def test_a_node_must_offer_the_implicit_collections(channel: Channel) -> None:
    channel.collections = {}
    with refused(COLLECTION_UNDEFINED):
        channel.approve("AlphaMSP")
