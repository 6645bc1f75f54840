"""What the founders of a channel agree on, and the genesis block that carries it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

from fabric_protos.common import common_pb2

from fedpact.wire.batch import BatchRules
from fedpact.wire.bundle import Bundle
from fedpact.wire.config_blocks import genesis_block
from fedpact.wire.config_groups import channel_group
from fedpact.wire.config_keys import check_channel_id, is_name
from fedpact.wire.errors import ConfigError, WireCode, WireError
from fedpact.wire.membership import Membership
from fedpact.wire.organisations import Organisation
from fedpact.wire.policies import Policy, PolicyCode, PolicyError
from fedpact.wire.roots import check_distinct

__all__ = ["BatchRules", "ChannelConfig", "ConfigError", "Organisation"]

MAX_ORGANISATIONS: Final = 256


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """What the founders of a channel have agreed on.

    A running channel may have changed it since: `Bundle` says what is in force.

    Attributes
    ----------
    channel_id
        1 to 249 of a-z, 0-9, '.' and '-', beginning with a letter.
    organisations
        1 to 256, kept in the order of their MSP identifiers. Each may endorse and order.
    endorsement
        Policy that endorsements must satisfy: ``MAJORITY Endorsement`` or a signature policy.
    batch
        When blocks are cut.

    Raises
    ------
    ConfigError
        A value is outside the bounds above.
    IdentityError
        A root certificate is no such thing, or two organisations share one.
    PolicyError
        `endorsement` is not a policy, or one that these organisations cannot satisfy.
    """

    channel_id: str
    organisations: tuple[Organisation, ...]
    endorsement: str = "MAJORITY Endorsement"
    batch: BatchRules = field(default_factory=BatchRules)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.organisations, key=lambda organisation: organisation.mspid))
        object.__setattr__(self, "organisations", ordered)
        check_channel_id(self.channel_id)
        names = {organisation.name for organisation in ordered}
        if not 1 <= len(ordered) <= MAX_ORGANISATIONS or not len(set(self.mspids)) == len(names) == len(
            ordered
        ):
            raise ConfigError(f"a channel has 1 to {MAX_ORGANISATIONS} organisations with different MSP ids")
        check_distinct(ordered)
        if not all(map(is_name, names)):
            raise ConfigError("an organisation's name has 1 to 249 letters, digits, dots and hyphens")
        policy = self.endorsement_policy
        if not policy.mspids <= set(self.mspids):
            raise PolicyError(
                PolicyCode.BAD_PRINCIPAL, "the endorsement policy names an organisation not in the channel"
            )
        object.__setattr__(self, "endorsement", policy.text)

    @property
    def mspids(self) -> tuple[str, ...]:
        """The organisations' MSP identifiers in alphabetical order."""
        return tuple(organisation.mspid for organisation in self.organisations)

    @property
    def endorsement_policy(self) -> Policy:
        """The policy that a transaction's endorsements must satisfy."""
        return Policy.parse(self.endorsement, self.mspids)

    @property
    def block_policy(self) -> Policy:
        """The policy that a block's signatures must satisfy: one orderer of any organisation."""
        return Policy.parse(f"OR({', '.join(repr(f'{mspid}.orderer') for mspid in self.mspids)})")

    def membership(self, *, clock: Callable[[], float] = time.time) -> Membership:
        """Return who belongs to the channel; see `Membership` for the parameters."""
        return Membership(self.organisations, clock=clock)

    def to_genesis_block(self) -> common_pb2.Block:
        """Return the genesis block, which Fabric reads too; equal configurations give equal bytes."""
        group = channel_group(self.organisations, self.endorsement_policy, self.batch)
        return genesis_block(self.channel_id, group)

    @classmethod
    def from_block(cls, block: common_pb2.Block) -> Self:
        """Read the configuration from a genesis block that `to_genesis_block` made.

        Raises
        ------
        WireError
            BAD_BLOCK when it is another block, or holds anything that a `ChannelConfig` cannot
            express and would silently lose.
        ConfigError, IdentityError, PolicyError
            As for the constructor.
        """
        bundle = Bundle.from_block(block)
        organisations, policy = bundle.orderer_organisations, bundle.endorsement_policy.text
        config = cls(bundle.channel_id, organisations, policy, bundle.batch)
        if config.to_genesis_block().header != block.header:
            raise WireError(
                WireCode.BAD_BLOCK, "the configuration holds what a fedpact channel does not have"
            )
        return config
