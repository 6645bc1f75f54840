"""The tree of groups, values and policies that Fabric keeps a channel's configuration in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from fabric_protos.common import configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from google.protobuf.message import Message

from fedpact.wire.errors import WireCode, read
from fedpact.wire.policies import ORGANISATION_POLICIES, Policy, organisation_policy

__all__ = ["application_group", "channel_group", "orderer_group", "roots_of", "value_of"]

M = TypeVar("M", bound=Message)

CONSENSUS: Final = "fedpact-embedded"

_ADMINS: Final = "Admins"
_FABRIC_MSP: Final = 0
_WHOLE_BLOCK: Final = 2**32 - 1


def channel_group(groups: Mapping[str, configtx_pb2.ConfigGroup]) -> configtx_pb2.ConfigGroup:
    """Make the outermost group: SHA-256, one hash over all data of a block, Fabric's rules of V2_0.

    Its policies are about its groups, Application and Orderer.
    """
    values = {
        "HashingAlgorithm": configuration_pb2.HashingAlgorithm(name="SHA256"),
        "BlockDataHashingStructure": configuration_pb2.BlockDataHashingStructure(width=_WHOLE_BLOCK),
        "Capabilities": _capabilities("V2_0"),
    }
    return _group(values, _meta_policies(), groups)


def application_group(
    organisations: Mapping[str, tuple[bytes, ...]], endorsement: Policy, own: tuple[str, bytes]
) -> configtx_pb2.ConfigGroup:
    """Make the group of those who run contracts.

    Parameters
    ----------
    organisations
        MSP identifier -> root certificates.
    endorsement
        What endorsements must satisfy.
    own
        Key and content of the one value that Fabric does not know.
    """
    members = {
        mspid: _group(
            {"MSP": _msp(mspid, roots)},
            {
                name: Policy.parse(organisation_policy(mspid, name)).to_proto()
                for name in ORGANISATION_POLICIES
            },
        )
        for mspid, roots in organisations.items()
    }
    policies = _meta_policies()
    policies["Endorsement"] = endorsement.to_proto()
    policies["LifecycleEndorsement"] = _meta("MAJORITY", "Endorsement")
    key, content = own
    return _group({"Capabilities": _capabilities("V2_5"), key: content}, policies, members)


def orderer_group(
    organisations: Mapping[str, tuple[bytes, ...]], size: orderer_pb2.BatchSize, timeout: str
) -> configtx_pb2.ConfigGroup:
    """Make the group of those who order. Blocks must be signed by an orderer of one of them.

    Parameters
    ----------
    organisations
        MSP identifier -> root certificates.
    size
        When a block is full.
    timeout
        How long a block waits, as Go writes it: ``20ms``.
    """
    roles = {"Readers": "member", "Writers": "orderer", _ADMINS: "admin"}
    members = {
        mspid: _group(
            {"MSP": _msp(mspid, roots)},
            {name: Policy.parse(f"OR('{mspid}.{role}')").to_proto() for name, role in roles.items()},
        )
        for mspid, roots in organisations.items()
    }
    values = {
        "ConsensusType": orderer_pb2.ConsensusType(type=CONSENSUS),
        "BatchSize": size,
        "BatchTimeout": orderer_pb2.BatchTimeout(timeout=timeout),
        "ChannelRestrictions": orderer_pb2.ChannelRestrictions(),
        "Capabilities": _capabilities("V2_0"),
    }
    return _group(values, _meta_policies() | {"BlockValidation": _meta("ANY", "Writers")}, members)


def value_of(group: configtx_pb2.ConfigGroup, key: str, message_type: type[M]) -> M:
    """Read a value of a group; raises WireError BAD_BLOCK when it cannot be read."""
    return read(message_type, group.values[key].value, WireCode.BAD_BLOCK)


def roots_of(organisation: configtx_pb2.ConfigGroup) -> tuple[bytes, ...]:
    """Read an organisation's root certificates; raises WireError BAD_BLOCK."""
    outer = value_of(organisation, "MSP", msp_config_pb2.MSPConfig)
    return tuple(read(msp_config_pb2.FabricMSPConfig, outer.config, WireCode.BAD_BLOCK).root_certs)


def _group(
    values: Mapping[str, Message | bytes],
    policies: Mapping[str, policies_pb2.Policy],
    groups: Mapping[str, configtx_pb2.ConfigGroup] | None = None,
) -> configtx_pb2.ConfigGroup:
    """Make a group whose every part is changed by the administrators."""
    made = configtx_pb2.ConfigGroup(mod_policy=_ADMINS)
    for key, value in values.items():
        content = value if isinstance(value, bytes) else value.SerializeToString(deterministic=True)
        made.values[key].CopyFrom(configtx_pb2.ConfigValue(value=content, mod_policy=_ADMINS))
    for key, policy in policies.items():
        made.policies[key].CopyFrom(configtx_pb2.ConfigPolicy(policy=policy, mod_policy=_ADMINS))
    for key, inner in (groups or {}).items():
        made.groups[key].CopyFrom(inner)
    return made


def _meta_policies() -> dict[str, policies_pb2.Policy]:
    return {
        "Readers": _meta("ANY", "Readers"),
        "Writers": _meta("ANY", "Writers"),
        _ADMINS: _meta("MAJORITY", _ADMINS),
    }


def _meta(quantity: str, name: str) -> policies_pb2.Policy:
    rule = policies_pb2.ImplicitMetaPolicy.Rule.Value(quantity)
    value = policies_pb2.ImplicitMetaPolicy(rule=rule, sub_policy=name).SerializeToString()
    return policies_pb2.Policy(type=policies_pb2.Policy.IMPLICIT_META, value=value)


def _capabilities(level: str) -> configuration_pb2.Capabilities:
    return configuration_pb2.Capabilities(capabilities={level: configuration_pb2.Capability()})


def _msp(mspid: str, roots: tuple[bytes, ...]) -> msp_config_pb2.MSPConfig:
    """Describe an organisation's members: its roots, and what the Node OUs are called."""
    units = {
        f"{name}_ou_identifier": msp_config_pb2.FabricOUIdentifier(organizational_unit_identifier=name)
        for name in ("client", "peer", "admin", "orderer")
    }
    crypto = msp_config_pb2.FabricCryptoConfig(
        signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
    )
    config = msp_config_pb2.FabricMSPConfig(
        name=mspid,
        root_certs=roots,
        crypto_config=crypto,
        fabric_node_ous=msp_config_pb2.FabricNodeOUs(enable=True, **units),
    )
    return msp_config_pb2.MSPConfig(type=_FABRIC_MSP, config=config.SerializeToString())
