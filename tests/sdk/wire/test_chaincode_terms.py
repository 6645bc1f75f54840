"""Definitions as people write them, against Fabric's file format and messages."""

from __future__ import annotations

import json

import pytest
from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages

from fedpact.wire.chaincode_terms import ChaincodeTerms, CollectionTerms, OwnPolicy, read_collections
from fedpact.wire.policies import PolicyCode, PolicyError, parse

# As in hyperledger/fabric-samples: what `peer lifecycle chaincode approveformyorg` takes.
SAMPLE = """[
 {"name": "assetCollection", "policy": "OR('Org1MSP.member', 'Org2MSP.member')", "requiredPeerCount": 1,
  "maxPeerCount": 1, "blockToLive": 1000000, "memberOnlyRead": true, "memberOnlyWrite": true},
 {"name": "Org1MSPPrivateCollection", "policy": "OR('Org1MSP.member')", "blockToLive": 3,
  "endorsementPolicy": {"signaturePolicy": "OR('Org1MSP.member')"}},
 {"name": "shared", "policy": "OR('Org1MSP.member')", "requiredPeerCount": 0, "maxPeerCount": 3,
  "endorsementPolicy": {"channelConfigPolicy": "/Channel/Application/Endorsement"}}
]"""


def test_fabrics_file_becomes_fabrics_message() -> None:
    first, second, third = (
        one.to_proto().static_collection_config for one in read_collections(SAMPLE.encode())
    )
    assert first.name == "assetCollection"
    assert first.member_orgs_policy.signature_policy == parse("OR('Org1MSP.member', 'Org2MSP.member')")
    assert (first.required_peer_count, first.maximum_peer_count, first.block_to_live) == (1, 1, 1_000_000)
    assert (first.member_only_read, first.member_only_write) == (True, True)
    assert not first.HasField("endorsement_policy")
    assert (second.required_peer_count, second.maximum_peer_count) == (0, 1)  # the tools' defaults
    assert second.endorsement_policy.signature_policy == parse("OR('Org1MSP.member')")
    assert third.endorsement_policy.channel_config_policy_reference == "/Channel/Application/Endorsement"


NO_FILES = {
    "empty": "",
    "no list": "{}",
    "no entries": "[1]",
    "no policy": '[{"name": "a"}]',
    "a misspelt name": """[{"name": "a", "policy": "OR('A.member')", "blockToLife": 3}]""",
    "no name": '[{"name": 1, "policy": ""}]',
    "too large": "[" + " " * 2**20 + "]",
}


@pytest.mark.parametrize("text", NO_FILES.values(), ids=NO_FILES)
def test_files_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_collections(text.encode())


def test_terms_come_back_as_they_were_sent() -> None:
    for policy in ("AND('Org1MSP.peer', 'Org2MSP.peer')", "/Channel/Application/Admins"):
        terms = ChaincodeTerms(
            name="mycc",
            sequence=3,
            version="1.0",
            policy=policy,
            collections=read_collections(SAMPLE.encode()),
            init_required=True,
        )
        fields = terms.as_fields()
        assert messages.ApproveChaincodeDefinitionForMyOrgArgs(**fields).name == "mycc"
        fields.pop("name")
        assert ChaincodeTerms.from_message("mycc", messages.QueryChaincodeDefinitionResult(**fields)) == terms


def test_what_is_left_out_is_left_to_the_peers() -> None:
    fields = ChaincodeTerms(name="mycc", sequence=1, version="1.0").as_fields()
    sent = messages.CommitChaincodeDefinitionArgs(**fields)
    assert sent == messages.CommitChaincodeDefinitionArgs(name="mycc", sequence=1, version="1.0")


def test_a_damaged_policy_is_shown_as_none() -> None:
    answer = messages.QueryChaincodeDefinitionResult(sequence=1, version="1", validation_parameter=b"\xff")
    assert ChaincodeTerms.from_message("mycc", answer).policy == ""


def test_policies_that_are_none() -> None:
    with pytest.raises(PolicyError) as caught:
        ChaincodeTerms(name="a", sequence=1, version="1", policy="OR(").as_fields()
    assert caught.value.code is PolicyCode.BAD_SYNTAX
    both = OwnPolicy(signature_policy="OR('A.peer')", channel_config_policy="/Channel/Application/Admins")
    twice = CollectionTerms(name="a", policy="OR('A.member')", endorsement_policy=both)
    with pytest.raises(PolicyError):
        ChaincodeTerms(name="a", sequence=1, version="1", collections=(twice,)).as_fields()
    with pytest.raises(ValueError, match="-1"):
        CollectionTerms(name="a", policy="OR('A.member')", block_to_live=-1).to_proto()


def test_collections_are_written_in_fabrics_names() -> None:
    [first, *_] = read_collections(SAMPLE.encode())
    import msgspec

    assert json.loads(msgspec.json.encode(first))["requiredPeerCount"] == 1
    assert policy_pb2.ApplicationPolicy.FromString(
        ChaincodeTerms(name="a", sequence=1, version="1", policy="/Channel/Application/Admins").as_fields()[
            "validation_parameter"
        ]
    ).channel_config_policy_reference.endswith("Admins")
