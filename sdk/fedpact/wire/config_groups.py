"""The tree of groups, values and policies that Fabric keeps a channel's configuration in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from fabric_protos.common import configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from google.protobuf.message import Message

from fedpact.wire.batch import BatchRules
from fedpact.wire.organisations import Organisation
from fedpact.wire.policies import ORGANISATION_POLICIES, Policy, encode, organisation_policy

__all__ = [
    "ADMINS",
    "application_organisation",
    "channel_group",
    "orderer_organisation",
    "put_policy",
    "put_value",
]

ADMINS: Final = "Admins"
CONSENSUS: Final = "fedpact-embedded"

_WHOLE_BLOCK: Final = 2**32 - 1
_ORDERER_POLICIES: Final = {"Readers": "member", "Writers": "orderer", ADMINS: "admin"}


def channel_group(
    organisations: Sequence[Organisation], endorsement: Policy, batch: BatchRules
) -> configtx_pb2.ConfigGroup:
    """Make the configuration of a channel whose organisations all run contracts and all order.

    SHA-256, one hash over all data of a block, Fabric's rules of V2_0 and, for contracts, V2_5. Each
    organisation's administrators change what is theirs; a majority of them changes the rest.

    Parameters
    ----------
    organisations
        The members.
    endorsement
        What endorsements must satisfy.
    batch
        When blocks are cut.
    """
    values = {
        "HashingAlgorithm": configuration_pb2.HashingAlgorithm(name="SHA256"),
        "BlockDataHashingStructure": configuration_pb2.BlockDataHashingStructure(width=_WHOLE_BLOCK),
        "Capabilities": _capabilities("V2_0"),
    }
    groups = {
        "Application": _application(organisations, endorsement),
        "Orderer": _orderer(organisations, batch),
    }
    return _group(values, _meta_policies(), groups)


def application_organisation(organisation: Organisation) -> configtx_pb2.ConfigGroup:
    """Make the group of an organisation that runs contracts, with the usual policies."""
    policies = {name: encode(organisation_policy(organisation.mspid, name)) for name in ORGANISATION_POLICIES}
    return _group({"MSP": organisation.to_msp()}, policies)


def orderer_organisation(organisation: Organisation) -> configtx_pb2.ConfigGroup:
    """Make the group of an organisation that orders, with its orderers' endpoints."""
    policies = {
        name: encode(f"OR('{organisation.mspid}.{role}')") for name, role in _ORDERER_POLICIES.items()
    }
    values: dict[str, Message] = {"MSP": organisation.to_msp()}
    if organisation.endpoints:
        values["Endpoints"] = configuration_pb2.OrdererAddresses(addresses=organisation.endpoints)
    return _group(values, policies)


def put_value(group: configtx_pb2.ConfigGroup, key: str, value: Message, *, mod_policy: str = ADMINS) -> None:
    """Set a value of a group; who may change one that is there already stays as it is."""
    if key not in group.values:
        group.values[key].mod_policy = mod_policy
    group.values[key].value = value.SerializeToString(deterministic=True)


def put_policy(
    group: configtx_pb2.ConfigGroup, name: str, policy: policies_pb2.Policy, *, mod_policy: str = ADMINS
) -> None:
    """Set a policy of a group; who may change one that is there already stays as it is."""
    if name not in group.policies:
        group.policies[name].mod_policy = mod_policy
    group.policies[name].policy.CopyFrom(policy)


def _application(organisations: Sequence[Organisation], endorsement: Policy) -> configtx_pb2.ConfigGroup:
    policies = _meta_policies() | {
        "Endorsement": endorsement.to_proto(),
        "LifecycleEndorsement": encode("MAJORITY Endorsement"),
    }
    members = {known.name: application_organisation(known) for known in organisations}
    return _group({"Capabilities": _capabilities("V2_5")}, policies, members)


def _orderer(organisations: Sequence[Organisation], batch: BatchRules) -> configtx_pb2.ConfigGroup:
    values = {
        "ConsensusType": orderer_pb2.ConsensusType(type=CONSENSUS),
        **batch.values(),
        "ChannelRestrictions": orderer_pb2.ChannelRestrictions(),
        "Capabilities": _capabilities("V2_0"),
    }
    policies = _meta_policies() | {"BlockValidation": encode("ANY Writers")}
    return _group(values, policies, {known.name: orderer_organisation(known) for known in organisations})


def _group(
    values: Mapping[str, Message],
    policies: Mapping[str, policies_pb2.Policy],
    groups: Mapping[str, configtx_pb2.ConfigGroup] | None = None,
) -> configtx_pb2.ConfigGroup:
    """Make a group whose every part is changed by the administrators."""
    made = configtx_pb2.ConfigGroup(mod_policy=ADMINS)
    for key, value in values.items():
        put_value(made, key, value)
    for name, policy in policies.items():
        put_policy(made, name, policy)
    for name, inner in (groups or {}).items():
        made.groups[name].CopyFrom(inner)
    return made


def _meta_policies() -> dict[str, policies_pb2.Policy]:
    return {
        "Readers": encode("ANY Readers"),
        "Writers": encode("ANY Writers"),
        ADMINS: encode(f"MAJORITY {ADMINS}"),
    }


def _capabilities(level: str) -> configuration_pb2.Capabilities:
    return configuration_pb2.Capabilities(capabilities={level: configuration_pb2.Capability()})
