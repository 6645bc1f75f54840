from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2

from fedpact.identity import CertificateAuthority, IdentityError
from fedpact.wire.batch import BatchRules, milliseconds
from fedpact.wire.bundle import Bundle
from fedpact.wire.config import ChannelConfig, Organisation
from fedpact.wire.config_changes import set_policy
from fedpact.wire.errors import ConfigError, WireError
from fedpact.wire.membership import Member
from fedpact.wire.policies import PolicyError

# An application channel of Fabric 2.5.9's configtxgen: two organisations, an orderer's own, etcdraft, ACLs.
FABRIC = Bundle.from_block(
    common_pb2.Block.FromString((Path(__file__).parent / "fabric" / "configtxgen.block").read_bytes())
)
AUTHORITIES = {
    mspid: CertificateAuthority.create(mspid, mspid) for mspid in ("Org1MSP", "Org2MSP", "Org3MSP")
}
CONFIG = ChannelConfig(
    "consortium",
    tuple(Organisation(mspid, (authority.certificate_pem,)) for mspid, authority in AUTHORITIES.items()),
)
OWN = Bundle.from_block(CONFIG.to_genesis_block())


def signer(bundle: Bundle, mspid: str, ou: str) -> Member:
    return bundle.membership().identify(AUTHORITIES[mspid].issue(f"{ou}0", role=None, ou=ou).creator)


def changed(change: Callable[[configtx_pb2.ConfigGroup], object]) -> Bundle:
    config = configtx_pb2.Config()
    config.CopyFrom(OWN.config)
    change(config.channel_group)
    return Bundle.from_config("consortium", config, 0)


def test_our_own_genesis_block() -> None:
    assert (OWN.channel_id, OWN.sequence, OWN.block_number) == ("consortium", 0, 0)
    assert OWN.organisations == OWN.orderer_organisations == CONFIG.organisations
    assert OWN.mspids == CONFIG.mspids == OWN.membership().mspids
    assert (OWN.batch, OWN.consensus) == (BatchRules(), "fedpact-embedded")
    assert OWN.capabilities == ({"V2_0"}, {"V2_0"}, {"V2_5"})
    assert OWN.endorsement_policy.text == OWN.lifecycle_policy.text == "MAJORITY Endorsement"
    assert OWN.acl("peer/Propose") == "/Channel/Application/Writers"
    assert OWN.orderer_addresses == ()
    assert OWN.organisation("Org2MSP") == CONFIG.organisations[1]
    assert OWN.organisation("Org9MSP") is None


def test_a_channel_of_fabrics_own_tools() -> None:
    assert (FABRIC.channel_id, FABRIC.mspids, FABRIC.consensus) == ("ch1", ("Org1MSP", "Org2MSP"), "etcdraft")
    assert [known.name for known in FABRIC.organisations] == ["FirstOrg", "SecondOrg"]
    assert [known.mspid for known in FABRIC.orderer_organisations] == ["OrdererMSP"]
    assert FABRIC.organisations[0].endpoints == ("peer0.org1.example.com:7051",)
    assert FABRIC.orderer_addresses == ("orderer.example.com:7050",)
    assert FABRIC.batch == BatchRules(10, 2 * 2**20, 10 * 2**20, 2000)
    assert FABRIC.membership().mspids == ("OrdererMSP", "Org1MSP", "Org2MSP")
    # the configuration says who may listen, and who may propose, by a full and by a relative path
    assert FABRIC.acl("event/Block") == "/Channel/Application/Writers"
    assert FABRIC.acl("peer/Propose") == "/Channel/Application/Admins"
    assert FABRIC.acl("event/FilteredBlock") == "/Channel/Application/Readers"
    assert FABRIC.block_policy.mspids == {"OrdererMSP"}
    assert FABRIC.policy("/Channel/Admins").mspids == {"Org1MSP", "Org2MSP", "OrdererMSP"}


def test_what_is_not_there() -> None:
    for call in (lambda: OWN.policy("/Channel/Dreams"), lambda: OWN.acl("peer/Dream")):
        with pytest.raises(PolicyError) as caught:
            call()
        assert caught.value.code == "UNKNOWN_POLICY"
    assert not OWN.has_policy("Dreams")


def test_policies_by_path() -> None:
    assert OWN.policy("Endorsement") is OWN.policy("/Channel/Application/Endorsement")
    assert OWN.policy("Org1MSP/Admins") is OWN.policy("/Channel/Application/Org1MSP/Admins")
    admins = [signer(OWN, mspid, "admin") for mspid in ("Org1MSP", "Org2MSP")]
    everybody = OWN.policy("/Channel/Admins")  # ... of Application and of Orderer, each a majority
    assert everybody.satisfied_by(admins)
    assert not everybody.satisfied_by(admins[:1])
    peers = [signer(OWN, mspid, "peer") for mspid in ("Org1MSP", "Org2MSP")]
    assert OWN.endorsement_policy.satisfied_by(peers)
    assert not OWN.endorsement_policy.satisfied_by([peers[0], peers[0]])
    assert OWN.block_policy.satisfied_by([signer(OWN, "Org3MSP", "orderer")])
    assert not OWN.block_policy.satisfied_by(peers)


def test_an_implicit_policy_asks_for_what_each_organisation_decided_itself() -> None:
    def by_clients(group: configtx_pb2.ConfigGroup) -> None:
        set_policy(group, "/Channel/Application/Org1MSP/Endorsement", "OR('Org1MSP.client')")
        del group.groups["Application"].groups["Org2MSP"].policies["Endorsement"]

    bundle = changed(by_clients)
    client, third = signer(bundle, "Org1MSP", "client"), signer(bundle, "Org3MSP", "peer")
    second = signer(bundle, "Org2MSP", "peer")
    assert bundle.endorsement_policy.satisfied_by([client, third])
    assert not bundle.endorsement_policy.satisfied_by([signer(bundle, "Org1MSP", "peer"), third])
    assert not bundle.endorsement_policy.satisfied_by([second, third])  # none is there: nobody satisfies it
    assert bundle.endorsement_policy.needs() == (frozenset({"Org1MSP", "Org3MSP"}),)


def test_over_no_organisations_everybody_satisfies_it() -> None:
    bundle = changed(lambda group: [group.groups["Application"].groups.pop(mspid) for mspid in AUTHORITIES])
    assert bundle.endorsement_policy.satisfied_by([])
    assert bundle.endorsement_policy.choose(("Org1MSP",)) == ()


def own_value(group: configtx_pb2.ConfigGroup) -> None:
    group.groups["Application"].values["Fedpact"].value = b"{}"


def extra_group(group: configtx_pb2.ConfigGroup) -> None:
    group.groups["Consortiums"].mod_policy = "Admins"


def nested_organisation(group: configtx_pb2.ConfigGroup) -> None:
    group.groups["Application"].groups["Org1MSP"].groups["inner"].mod_policy = "Admins"


def anchors_of_an_orderer(group: configtx_pb2.ConfigGroup) -> None:
    group.groups["Orderer"].groups["Org1MSP"].values["AnchorPeers"].value = b""


def other_hash(group: configtx_pb2.ConfigGroup) -> None:
    group.values["HashingAlgorithm"].value = configuration_pb2.HashingAlgorithm(
        name="SHA3"
    ).SerializeToString()


def no_msp(group: configtx_pb2.ConfigGroup) -> None:
    del group.groups["Orderer"].groups["Org1MSP"].values["MSP"]


def two_descriptions(group: configtx_pb2.ConfigGroup) -> None:
    value = group.groups["Application"].groups["Org1MSP"].values["MSP"]
    described = replace(
        CONFIG.organisations[0], node_ous=(), admins=CONFIG.organisations[0].root_certificates
    )
    value.value = described.to_msp().SerializeToString()


def idemix(group: configtx_pb2.ConfigGroup) -> None:
    value = group.groups["Application"].groups["Org1MSP"].values["MSP"]
    value.value = msp_config_pb2.MSPConfig(type=1).SerializeToString()


def bad_name(group: configtx_pb2.ConfigGroup) -> None:
    group.policies["a/b"].CopyFrom(group.policies["Admins"])


def unknown_policy(group: configtx_pb2.ConfigGroup) -> None:
    group.policies["Other"].policy.type = policies_pb2.Policy.MSP


def no_messages(group: configtx_pb2.ConfigGroup) -> None:
    value = group.groups["Orderer"].values["BatchSize"]
    value.value = orderer_pb2.BatchSize(absolute_max_bytes=1, preferred_max_bytes=1).SerializeToString()


def foreign_list(group: configtx_pb2.ConfigGroup) -> None:
    for part in ("Application", "Orderer"):
        described = replace(CONFIG.organisations[0], revocation_lists=(b"no list",))
        value = group.groups[part].groups["Org1MSP"].values["MSP"]
        value.value = described.to_msp().SerializeToString()


def no_administrators(group: configtx_pb2.ConfigGroup) -> None:
    for part in ("Application", "Orderer"):
        value = group.groups[part].groups["Org1MSP"].values["MSP"]
        value.value = replace(CONFIG.organisations[0], node_ous=()).to_msp().SerializeToString()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (own_value, WireError),
        (extra_group, WireError),
        (nested_organisation, WireError),
        (anchors_of_an_orderer, WireError),
        (other_hash, WireError),
        (no_msp, IdentityError),
        (two_descriptions, WireError),
        (idemix, WireError),
        (bad_name, WireError),
        (unknown_policy, PolicyError),
        (no_messages, ConfigError),
        (foreign_list, IdentityError),
        (no_administrators, IdentityError),
        (lambda group: group.groups.pop("Orderer"), WireError),
        (lambda group: group.values.pop("Capabilities"), WireError),
        (lambda group: group.groups["Orderer"].values.pop("Capabilities"), WireError),
        (lambda group: group.groups["Orderer"].values.pop("BatchTimeout"), WireError),
    ],
)
def test_what_fabric_would_refuse(
    change: Callable[[configtx_pb2.ConfigGroup], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        changed(change)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20ms", 20),
        ("2s", 2000),
        ("1m2.5s", 62_500),
        ("1h", 3_600_000),
        ("1us", 1),
        ("1500µs", 1),
        (".5s", 500),
    ],
)
def test_durations_as_go_writes_them(text: str, expected: int) -> None:
    assert milliseconds(text) == expected


@pytest.mark.parametrize("text", ["", "2", "s", "0s", "-1s", "2 s", "1s2", "9" * 100 + "s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(WireError):
        milliseconds(text)


def test_blocks_that_hold_no_configuration() -> None:
    block = CONFIG.to_genesis_block()
    block.data.data.append(block.data.data[0])
    for wrong in (common_pb2.Block(), block):
        with pytest.raises(WireError):
            Bundle.from_block(wrong)
