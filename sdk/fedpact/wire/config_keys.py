"""Which groups and values a configuration may have: what a Fabric node accepts, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fabric_protos.common import configtx_pb2, configuration_pb2

from fedpact.wire.config_blocks import value_of
from fedpact.wire.errors import ConfigError, WireCode, WireError

__all__ = ["check_channel_id", "check_keys", "check_name", "is_name"]

_CHANNEL: Final = frozenset(
    {"HashingAlgorithm", "BlockDataHashingStructure", "OrdererAddresses", "Consortium", "Capabilities"}
)
_APPLICATION: Final = frozenset({"ACLs", "Capabilities"})
_APPLICATION_ORGANISATION: Final = frozenset({"MSP", "AnchorPeers"})
_ORDERER: Final = frozenset(
    {
        "ConsensusType",
        "BatchSize",
        "BatchTimeout",
        "ChannelRestrictions",
        "KafkaBrokers",
        "Capabilities",
        "Orderers",
    }
)
_ORDERER_ORGANISATION: Final = frozenset({"MSP", "Endpoints"})
# From V1_4_3 on Fabric tells members apart as `Classification` does, and orderers have own endpoints.
_LEVELS: Final = frozenset({"V1_4_3", "V2_0", "V3_0"})
_WHOLE_BLOCK: Final = 2**32 - 1
_CHANNEL_ID: Final = re.compile(r"[a-z][a-z0-9.-]{0,248}")
_NAME: Final = re.compile(r"(?!\.\.?\Z)[a-zA-Z0-9.-]{1,249}")


def check_keys(channel: configtx_pb2.ConfigGroup) -> None:
    """Check a configuration's groups, the keys of its values, and how the channel hashes.

    Raises
    ------
    WireError
        BAD_BLOCK where a Fabric node would refuse the configuration, for an unknown group or key; for
        another hash than SHA-256; for channel capabilities before V1_4_3.
    """
    _check(channel, _CHANNEL, "Channel")
    if set(channel.groups) != {"Application", "Orderer"}:
        raise _refusal("a channel has the groups Application and Orderer")
    for name, own, inner in (
        ("Application", _APPLICATION, _APPLICATION_ORGANISATION),
        ("Orderer", _ORDERER, _ORDERER_ORGANISATION),
    ):
        group = channel.groups[name]
        _check(group, own, name)
        for key, organisation in group.groups.items():
            _check(organisation, inner, key)
            if organisation.groups:
                raise _refusal(f"the organisation {key[:100]!r} has groups")
    hashing = value_of(channel, "HashingAlgorithm", configuration_pb2.HashingAlgorithm)
    structure = value_of(channel, "BlockDataHashingStructure", configuration_pb2.BlockDataHashingStructure)
    if hashing.name != "SHA256" or structure.width != _WHOLE_BLOCK:
        raise _refusal("the channel's blocks are not hashed with SHA-256 over all of their data")
    capabilities = value_of(channel, "Capabilities", configuration_pb2.Capabilities).capabilities
    if not _LEVELS & set(capabilities):
        raise _refusal(f"the channel has none of the capabilities {', '.join(sorted(_LEVELS))}")
    if "Capabilities" not in channel.groups["Orderer"].values:
        raise _refusal("a channel with capabilities needs some of its orderers")


def check_channel_id(channel_id: str) -> str:
    """Return a channel's name when Fabric allows it; else ConfigError."""
    if not _CHANNEL_ID.fullmatch(channel_id):
        raise ConfigError("channel_id has 1 to 249 of a-z, 0-9, '.' and '-', and begins with a letter")
    return channel_id


def is_name(name: str) -> bool:
    """Tell whether Fabric allows a name for a group, value or policy."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Return a name of a group, value or policy that Fabric allows; else WireError BAD_BLOCK."""
    if not is_name(name):
        raise _refusal(f"{name[:100]!r} is no name of a part of a configuration")
    return name


def _check(group: configtx_pb2.ConfigGroup, allowed: frozenset[str], name: str) -> None:
    unknown = set(group.values) - allowed
    if unknown:
        raise _refusal(f"{name[:100]!r} has no value {min(unknown)[:100]!r}")
    for key in _names(group):
        check_name(key)


def _names(group: configtx_pb2.ConfigGroup) -> Iterator[str]:
    yield from group.groups
    yield from group.values
    yield from group.policies


def _refusal(detail: str) -> WireError:
    return WireError(WireCode.BAD_BLOCK, detail)
