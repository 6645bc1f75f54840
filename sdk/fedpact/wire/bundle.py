"""What a committed configuration means: Fabric's ``channelconfig.Bundle``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from fedpact.wire.batch import BatchRules
from fedpact.wire.config_blocks import open_config_block, value_of
from fedpact.wire.config_keys import check_channel_id, check_keys
from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.membership import Membership
from fedpact.wire.organisations import Organisation
from fedpact.wire.policies import Policy
from fedpact.wire.policy_language import PolicyCode, PolicyError
from fedpact.wire.policy_tree import CHANNEL, read_policies

__all__ = ["Bundle", "Capabilities"]

APPLICATION: Final = f"{CHANNEL}/Application"
MAX_ORGANISATIONS: Final = 256

_READERS: Final = f"{APPLICATION}/Readers"
_WRITERS: Final = f"{APPLICATION}/Writers"
_USUAL_ACLS: Final = MappingProxyType(
    {
        "_lifecycle/CheckCommitReadiness": _WRITERS,
        "_lifecycle/CommitChaincodeDefinition": _WRITERS,
        "_lifecycle/QueryChaincodeDefinition": _WRITERS,
        "_lifecycle/QueryChaincodeDefinitions": _WRITERS,
        "cscc/GetChannelConfig": _READERS,
        "cscc/GetConfigBlock": _READERS,
        "event/Block": _READERS,
        "event/FilteredBlock": _READERS,
        "gateway/ChaincodeEvents": _READERS,
        "gateway/CommitStatus": _READERS,
        "lscc/ChaincodeExists": _READERS,
        "lscc/GetChaincodeData": _READERS,
        "lscc/GetCollectionsConfig": _READERS,
        "lscc/GetDeploymentSpec": _READERS,
        "lscc/GetInstantiatedChaincodes": _READERS,
        "peer/ChaincodeToChaincode": _WRITERS,
        "peer/Propose": _WRITERS,
        "qscc/GetBlockByHash": _READERS,
        "qscc/GetBlockByNumber": _READERS,
        "qscc/GetBlockByTxID": _READERS,
        "qscc/GetChainInfo": _READERS,
        "qscc/GetTransactionByID": _READERS,
    }
)


class Capabilities(NamedTuple):
    """Which of Fabric's levels each part of the configuration asks for, such as ``V2_0``."""

    channel: frozenset[str]
    orderer: frozenset[str]
    application: frozenset[str]


class Bundle:
    """A channel's configuration, checked and ready for use. Immutable; safe to share between threads.

    Make one with `from_block` or `from_config`.

    Attributes
    ----------
    channel_id
        The channel's name.
    config
        The configuration itself; treat it as read-only.
    block_number
        Number of the block that holds it.
    organisations
        Those that run contracts, in the order of their MSP identifiers.
    orderer_organisations
        Those that order, likewise.
    batch
        When blocks are cut.
    capabilities
        Levels that the configuration asks for.
    consensus
        How the orderers agree, such as ``etcdraft``.
    """

    def __init__(self, channel_id: str, config: configtx_pb2.Config, block_number: int) -> None:
        self.channel_id = check_channel_id(channel_id)
        self.config = config
        self.block_number = block_number
        channel = config.channel_group
        check_keys(channel)
        self._policies = read_policies(channel)
        application, orderer = channel.groups["Application"], channel.groups["Orderer"]
        self.organisations = _organisations(application)
        self.orderer_organisations = _organisations(orderer)
        self.batch = BatchRules.from_group(orderer)
        self.consensus = value_of(orderer, "ConsensusType", orderer_pb2.ConsensusType).type
        self.capabilities = Capabilities(*map(_capabilities, (channel, orderer, application)))
        acls = value_of(application, "ACLs", peer_pb2.ACLs).acls
        self._acls = {resource: entry.policy_ref for resource, entry in acls.items() if entry.policy_ref}
        self._msps = _described_once((*self.organisations, *self.orderer_organisations))
        self.membership()  # the certificates are good, or nothing is

    @classmethod
    def from_block(cls, block: common_pb2.Block) -> Self:
        """Read a configuration block: our own, or any that Fabric's tools and orderers make.

        The block is trusted as far as its hash goes: its signatures are checked elsewhere.

        Raises
        ------
        WireError
            BAD_BLOCK when it is no configuration block, or holds what Fabric would refuse.
        ConfigError, IdentityError, PolicyError
            Its channel, batch rules, certificates or policies are not good.
        """
        channel_id, envelope = open_config_block(block)
        return cls(channel_id, envelope.config, block.header.number)

    @classmethod
    def from_config(cls, channel_id: str, config: configtx_pb2.Config, block_number: int) -> Self:
        """Take a configuration out of its block; the configuration is copied.

        Raises
        ------
        WireError, ConfigError, IdentityError, PolicyError
            As for `from_block`.
        """
        copy = configtx_pb2.Config()
        copy.CopyFrom(config)
        return cls(channel_id, copy, block_number)

    @property
    def sequence(self) -> int:
        """How often the configuration was changed."""
        return int(self.config.sequence)

    @property
    def mspids(self) -> tuple[str, ...]:
        """The application organisations' MSP identifiers in alphabetical order."""
        return tuple(organisation.mspid for organisation in self.organisations)

    def organisation(self, mspid: str) -> Organisation | None:
        """Return an application organisation by its MSP identifier, or None."""
        return next((known for known in self.organisations if known.mspid == mspid), None)

    @property
    def policies(self) -> Mapping[str, Policy]:
        """Every policy by its absolute path."""
        return MappingProxyType(self._policies)

    def has_policy(self, path: str) -> bool:
        """Tell whether `policy` would find this path."""
        return _absolute(path) in self._policies

    def policy(self, path: str) -> Policy:
        """Return the policy of a path.

        Parameters
        ----------
        path
            Such as ``/Channel/Application/Endorsement``; without a leading '/' it begins at
            ``/Channel/Application``, as in Fabric's references.

        Raises
        ------
        PolicyError
            UNKNOWN_POLICY.
        """
        found = self._policies.get(_absolute(path))
        if found is None:
            raise PolicyError(PolicyCode.UNKNOWN_POLICY, f"the channel has no policy {path[:200]!r}")
        return found

    @cached_property
    def endorsement_policy(self) -> Policy:
        """What endorsements must satisfy unless a chaincode's definition says otherwise."""
        return self._binding(f"{APPLICATION}/Endorsement")

    @cached_property
    def lifecycle_policy(self) -> Policy:
        """What endorsements of chaincode definitions must satisfy."""
        return self._binding(f"{APPLICATION}/LifecycleEndorsement")

    @cached_property
    def block_policy(self) -> Policy:
        """What a block's signatures must satisfy."""
        return self._binding(f"{CHANNEL}/Orderer/BlockValidation")

    def _binding(self, path: str) -> Policy:
        """Return a policy that everybody relies on; one that was removed is never satisfied, as in Fabric."""
        return self._policies.get(path) or Policy.refusing()

    def acl(self, resource: str) -> str:
        """Return the path of the policy that guards a resource, such as ``peer/Propose``.

        Raises
        ------
        PolicyError
            UNKNOWN_POLICY when neither the configuration nor Fabric's defaults know the resource.
        """
        path = self._acls.get(resource) or _USUAL_ACLS.get(resource)
        if path is None:
            raise PolicyError(PolicyCode.UNKNOWN_POLICY, f"no policy guards {resource[:100]!r}")
        return _absolute(path)

    @cached_property
    def orderer_addresses(self) -> tuple[str, ...]:
        """Where the orderers are, ``host:port``: the organisations' own, else the channel's list."""
        own = tuple(place for organisation in self.orderer_organisations for place in organisation.endpoints)
        addresses = value_of(
            self.config.channel_group, "OrdererAddresses", configuration_pb2.OrdererAddresses
        )
        return own or tuple(addresses.addresses)

    def updated(self, envelope: bytes) -> configtx_pb2.Config:
        """Return the configuration that a CONFIG_UPDATE envelope leads to; see `config_update.updated`."""
        from fedpact.wire.config_update import updated

        return updated(self, envelope)

    def membership(self, *, clock: Callable[[], float] = time.time) -> Membership:
        """Return who belongs to the channel; see `Membership` for the parameters."""
        return Membership(self._msps, clock=clock)


def _organisations(group: configtx_pb2.ConfigGroup) -> tuple[Organisation, ...]:
    if len(group.groups) > MAX_ORGANISATIONS:
        raise WireError(WireCode.BAD_BLOCK, f"a channel has at most {MAX_ORGANISATIONS} organisations")
    found = [Organisation.from_group(name, inner) for name, inner in group.groups.items()]
    return tuple(sorted(found, key=lambda organisation: (organisation.mspid, organisation.name)))


def _described_once(organisations: Iterable[Organisation]) -> tuple[Organisation, ...]:
    """Return each organisation once, though it may stand in both groups under any names."""
    found: dict[str, Organisation] = {}
    for organisation in organisations:
        msp = replace(organisation, endpoints=(), name="")
        if found.setdefault(msp.mspid, msp) != msp:
            raise WireError(WireCode.BAD_BLOCK, f"{msp.mspid[:100]} is described in two ways")
    return tuple(found.values())


def _capabilities(group: configtx_pb2.ConfigGroup) -> frozenset[str]:
    return frozenset(value_of(group, "Capabilities", configuration_pb2.Capabilities).capabilities)


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"{APPLICATION}/{path}"
