from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact.identity import CertificateAuthority, IdentityError
from fedpact.wire.blocks import header_hash
from fedpact.wire.config import BatchRules, ChannelConfig, ConfigError, Organisation
from fedpact.wire.config_blocks import genesis_block, open_config_block
from fedpact.wire.errors import WireError
from fedpact.wire.policies import PolicyError
from fedpact.wire.signature_policies import render

START = datetime(2026, 1, 1, tzinfo=UTC)
AUTHORITIES = {
    mspid: CertificateAuthority.create(mspid, mspid, seed=mspid.encode(), not_before=START)
    for mspid in ("Org1MSP", "Org2MSP", "Org3MSP")
}
ORGANISATIONS = tuple(
    Organisation(mspid, (authority.certificate_pem,)) for mspid, authority in AUTHORITIES.items()
)
CONFIG = ChannelConfig("consortium", ORGANISATIONS)


def group_of(block: common_pb2.Block) -> configtx_pb2.ConfigGroup:
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    return configtx_pb2.ConfigEnvelope.FromString(payload.data).config.channel_group


def changed(change: Callable[[configtx_pb2.ConfigGroup], object]) -> common_pb2.Block:
    """A genesis block whose hashes fit, but whose configuration was changed."""
    group = group_of(CONFIG.to_genesis_block())
    change(group)
    return genesis_block("consortium", group)


def refused(block: common_pb2.Block) -> str:
    with pytest.raises((WireError, ConfigError, IdentityError, PolicyError)) as caught:
        ChannelConfig.from_block(block)
    return type(caught.value).__name__


CONFIGS = st.builds(
    ChannelConfig,
    channel_id=st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True),
    organisations=st.lists(st.sampled_from(ORGANISATIONS), min_size=1, unique_by=lambda o: o.mspid).map(
        tuple
    ),
    endorsement=st.sampled_from(
        ["ANY Endorsement", "ALL Endorsement", "MAJORITY Endorsement", "MAJORITY Admins"]
    ),
    batch=st.builds(
        BatchRules,
        max_messages=st.integers(1, 2**32 - 1),
        max_bytes=st.integers(1, 2**20),
        absolute_max_bytes=st.integers(2**20, 2**32 - 1),
        timeout_ms=st.integers(1, 2**32 - 1),
    ),
)


@given(CONFIGS)
@settings(deadline=None)
def test_round_trip(config: ChannelConfig) -> None:
    data = config.to_genesis_block().SerializeToString()
    again = ChannelConfig.from_block(common_pb2.Block.FromString(data))
    assert again == config
    assert again.to_genesis_block().SerializeToString() == data


def test_signature_policies_and_names_round_trip() -> None:
    named = replace(ORGANISATIONS[0], name="FirstOrg", endpoints=("one.example.com:7050",))
    config = replace(
        CONFIG,
        organisations=(named, *ORGANISATIONS[1:]),
        endorsement="outof(2,'Org1MSP.peer','Org2MSP.peer','Org3MSP.peer')",
    )
    assert config.endorsement == "OutOf(2, 'Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')"
    assert ChannelConfig.from_block(config.to_genesis_block()) == config


def test_the_order_of_the_organisations_does_not_matter() -> None:
    other = replace(CONFIG, organisations=ORGANISATIONS[::-1])
    assert other == CONFIG
    assert other.to_genesis_block().SerializeToString() == CONFIG.to_genesis_block().SerializeToString()


def test_every_setting_changes_the_block() -> None:
    variants = [
        CONFIG,
        replace(CONFIG, channel_id="other"),
        replace(CONFIG, organisations=ORGANISATIONS[:2]),
        replace(CONFIG, organisations=(replace(ORGANISATIONS[0], name="x"), *ORGANISATIONS[1:])),
        replace(CONFIG, organisations=(replace(ORGANISATIONS[0], endpoints=("x:1",)), *ORGANISATIONS[1:])),
        replace(CONFIG, endorsement="ANY Endorsement"),
        replace(CONFIG, batch=BatchRules(timeout_ms=21)),
        replace(CONFIG, batch=BatchRules(max_messages=1)),
    ]
    assert len({variant.to_genesis_block().header.data_hash for variant in variants}) == len(variants)


def test_the_genesis_block_is_pinned() -> None:
    # Golden: a ledger made by an earlier version must still open.
    header = CONFIG.to_genesis_block().header
    assert header.data_hash.hex() == "988ae2be951421ee609f6ed4c307493c88a52992262b9998340d5bcdf6490554"


def test_the_block_is_a_genesis_block() -> None:
    block = CONFIG.to_genesis_block()
    assert (block.header.number, block.header.previous_hash) == (0, b"")
    assert block.header.data_hash == hashlib.sha256(block.data.data[0]).digest()
    assert len(header_hash(0, b"", block.header.data_hash)) == 32
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    channel_header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    signature_header = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    assert (channel_header.type, channel_header.channel_id) == (common_pb2.CONFIG, "consortium")
    assert len(signature_header.nonce) == 24
    assert channel_header.tx_id == hashlib.sha256(signature_header.nonce).hexdigest()
    assert open_config_block(block).channel_id == "consortium"


def test_the_tree_is_fabrics() -> None:
    root = group_of(CONFIG.to_genesis_block())
    application, orderer = root.groups["Application"], root.groups["Orderer"]
    assert set(root.groups) == {"Application", "Orderer"}
    assert set(root.values) == {"HashingAlgorithm", "BlockDataHashingStructure", "Capabilities"}
    assert set(orderer.values) == {
        "ConsensusType", "BatchSize", "BatchTimeout", "ChannelRestrictions", "Capabilities",
    }  # fmt: skip
    assert set(application.values) == {"Capabilities"}
    standard = {"Readers", "Writers", "Admins"}
    assert set(root.policies) == standard
    assert set(orderer.policies) == standard | {"BlockValidation"}
    assert set(application.policies) == standard | {"Endorsement", "LifecycleEndorsement"}
    for parent, names in ((application, standard | {"Endorsement"}), (orderer, standard)):
        assert set(parent.groups) == set(AUTHORITIES)
        assert all(set(member.policies) == names for member in parent.groups.values())
    levels = [
        set(configuration_pb2.Capabilities.FromString(group.values["Capabilities"].value).capabilities)
        for group in (root, orderer, application)
    ]
    assert levels == [{"V2_0"}, {"V2_0"}, {"V2_5"}]
    size = orderer_pb2.BatchSize.FromString(orderer.values["BatchSize"].value)
    assert (size.max_message_count, size.preferred_max_bytes) == (500, 4 * 2**20)
    assert orderer_pb2.BatchTimeout.FromString(orderer.values["BatchTimeout"].value).timeout == "20ms"


def test_everything_is_changed_by_administrators_only() -> None:
    def visit(group: configtx_pb2.ConfigGroup) -> None:
        for part in (group, *group.values.values(), *group.policies.values()):
            assert (part.mod_policy, part.version) == ("Admins", 0)
        for inner in group.groups.values():
            visit(inner)

    visit(group_of(CONFIG.to_genesis_block()))


def test_an_organisations_description_and_policies() -> None:
    root = group_of(CONFIG.to_genesis_block())
    outer = msp_config_pb2.MSPConfig.FromString(
        root.groups["Application"].groups["Org1MSP"].values["MSP"].value
    )
    msp = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
    assert (outer.type, msp.name) == (0, "Org1MSP")
    assert list(msp.root_certs) == [AUTHORITIES["Org1MSP"].certificate_pem]
    assert msp.fabric_node_ous.enable
    assert msp.fabric_node_ous.peer_ou_identifier.organizational_unit_identifier == "peer"

    def text(parent: str, name: str) -> str:
        policy = root.groups[parent].groups["Org1MSP"].policies[name].policy
        assert policy.type == policies_pb2.Policy.SIGNATURE
        return render(policies_pb2.SignaturePolicyEnvelope.FromString(policy.value))

    assert text("Application", "Endorsement") == "OR('Org1MSP.peer')"
    assert text("Application", "Writers") == "OR('Org1MSP.admin', 'Org1MSP.client')"
    assert text("Orderer", "Writers") == "OR('Org1MSP.orderer')"
    meta = policies_pb2.ImplicitMetaPolicy.FromString(
        root.groups["Application"].policies["Endorsement"].policy.value
    )
    assert (meta.rule, meta.sub_policy) == (policies_pb2.ImplicitMetaPolicy.MAJORITY, "Endorsement")


def test_members_endorse_and_orderers_sign_blocks() -> None:
    membership = CONFIG.membership(clock=(START + timedelta(days=1)).timestamp)
    people = {
        (mspid, ou): membership.identify(authority.issue(f"{ou}0", role=None, ou=ou).creator)
        for mspid, authority in AUTHORITIES.items()
        for ou in ("peer", "orderer", "client")
    }
    peers = [people[mspid, "peer"] for mspid in AUTHORITIES]
    assert CONFIG.mspids == membership.mspids
    assert not CONFIG.endorsement_policy.satisfied_by(peers[:1])
    assert CONFIG.endorsement_policy.satisfied_by(peers[:2])
    assert CONFIG.block_policy.satisfied_by([people["Org2MSP", "orderer"]])
    assert not CONFIG.block_policy.satisfied_by([people["Org2MSP", "peer"], people["Org1MSP", "client"]])


@pytest.mark.parametrize(
    "change",
    [
        {"channel_id": ""},
        {"channel_id": "Upper"},
        {"channel_id": "9nine"},
        {"channel_id": "a" * 250},
        {"channel_id": "a\n"},
        {"organisations": ()},
        {"organisations": (ORGANISATIONS[0], ORGANISATIONS[0])},
        {"organisations": (ORGANISATIONS[0], replace(ORGANISATIONS[1], name="Org1MSP"))},
    ],
)
def test_refused_settings(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        replace(CONFIG, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["max_messages", "max_bytes", "absolute_max_bytes", "timeout_ms"])
@pytest.mark.parametrize("value", [0, -1, 2**32])
def test_refused_batch_rules(name: str, value: int) -> None:
    with pytest.raises(ConfigError):
        BatchRules(**{name: value})


def test_a_block_cannot_prefer_more_than_the_absolute_maximum() -> None:
    with pytest.raises(ConfigError):
        BatchRules(max_bytes=2, absolute_max_bytes=1)


@pytest.mark.parametrize(
    "endorsement",
    [
        "",
        "SOME Endorsement",
        "MAJORITY Dreams",
        "OR('Org1MSP.peer', 'Org9MSP.peer')",
        "OutOf(9, 'Org1MSP.peer')",
    ],
)
def test_refused_endorsement_policies(endorsement: str) -> None:
    with pytest.raises(PolicyError):
        replace(CONFIG, endorsement=endorsement)


@pytest.mark.parametrize("roots", [(), (b"no certificate",), ORGANISATIONS[1].root_certificates])
def test_refused_roots(roots: tuple[bytes, ...]) -> None:
    with pytest.raises(IdentityError):
        replace(
            CONFIG, organisations=(replace(ORGANISATIONS[0], root_certificates=roots), *ORGANISATIONS[1:])
        )


def test_refused_names() -> None:
    with pytest.raises(IdentityError):
        replace(CONFIG, organisations=(replace(ORGANISATIONS[0], mspid="a/b"),))
    with pytest.raises(ConfigError):
        replace(CONFIG, organisations=(replace(ORGANISATIONS[0], name="a/b"),))


def test_blocks_that_are_no_genesis_block() -> None:
    good = CONFIG.to_genesis_block()

    def with_(**fields: object) -> common_pb2.Block:
        block = common_pb2.Block.FromString(good.SerializeToString())
        for name, value in fields.items():
            setattr(block.header, name, value)
        return block

    doubled = with_()
    doubled.data.data.append(doubled.data.data[0])
    empty = common_pb2.Block()
    blocks = [empty, with_(number=1), with_(previous_hash=b"x"), with_(data_hash=b"x"), doubled]
    assert {refused(block) for block in blocks} == {"WireError"}


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_every_changed_byte_is_noticed(data: st.DataObject) -> None:
    block = CONFIG.to_genesis_block()
    envelope = bytearray(block.data.data[0])
    envelope[data.draw(st.integers(0, len(envelope) - 1))] ^= data.draw(st.integers(1, 255))
    block.data.data[0] = bytes(envelope)
    assert refused(block) == "WireError"
    # even by whoever mends the hash in the header
    block.header.data_hash = hashlib.sha256(envelope).digest()
    refused(block)


def own_value(group: configtx_pb2.ConfigGroup) -> None:
    group.groups["Application"].values["Fedpact"].value = b"{}"


def extra_group(group: configtx_pb2.ConfigGroup) -> None:
    group.groups["Consortiums"].mod_policy = "Admins"


def foreign_orderer(group: configtx_pb2.ConfigGroup) -> None:
    del group.groups["Orderer"].groups["Org1MSP"]


def looser_endorsement(group: configtx_pb2.ConfigGroup) -> None:
    members = group.groups["Application"].groups
    members["Org1MSP"].policies["Endorsement"].CopyFrom(members["Org2MSP"].policies["Endorsement"])


def no_application(group: configtx_pb2.ConfigGroup) -> None:
    del group.groups["Application"]


def intermediate(group: configtx_pb2.ConfigGroup) -> None:
    value = group.groups["Application"].groups["Org1MSP"].values["MSP"]
    outer = msp_config_pb2.MSPConfig.FromString(value.value)
    inner = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
    inner.intermediate_certs.append(AUTHORITIES["Org2MSP"].certificate_pem)
    outer.config = inner.SerializeToString()
    value.value = outer.SerializeToString()


def seconds(group: configtx_pb2.ConfigGroup) -> None:
    group.groups["Orderer"].values["BatchTimeout"].value = orderer_pb2.BatchTimeout(
        timeout="2s"
    ).SerializeToString()


@pytest.mark.parametrize(
    "change",
    [
        extra_group,
        foreign_orderer,
        looser_endorsement,
        no_application,
        intermediate,
        seconds,
        own_value,
    ],
)
def test_what_a_channel_does_not_have_is_refused(
    change: Callable[[configtx_pb2.ConfigGroup], object],
) -> None:
    assert refused(changed(change)) == "WireError"


def test_an_unchanged_configuration_passes_the_same_way() -> None:
    assert ChannelConfig.from_block(changed(lambda group: None)) == CONFIG
