"""A channel's configuration, and the genesis block that carries it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Self

from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2

from fedpact.identity.certificates import check_name
from fedpact.wire.config_groups import application_group, channel_group, orderer_group, roots_of, value_of
from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.genesis import open_genesis_block, seal_genesis_block
from fedpact.wire.membership import Membership
from fedpact.wire.policies import Policy, PolicyCode, PolicyError
from fedpact.wire.roots import load_roots

__all__ = ["BatchRules", "ChannelConfig", "ConfigError", "Organisation"]

MAX_ORGANISATIONS: Final = 256

_CHANNEL_ID = re.compile(r"[a-z][a-z0-9.-]{0,248}")
_DURATION = re.compile(r"([0-9]{1,10})ms")
_UINT32 = 2**32 - 1
_OWN = "Fedpact"


class ConfigError(ValueError):
    """A channel cannot be configured like this; the text names the field and its bounds."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A member of the consortium.

    Attributes
    ----------
    mspid
        MSP identifier, such as ``Org1MSP``.
    name
        For people: 1 to 64 printable characters without '/'.
    root_certificates
        PEM certificates of the authorities that vouch for its members.
    """

    mspid: str
    name: str
    root_certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BatchRules:
    """When the orderer cuts a block: at whichever of these comes first.

    Attributes
    ----------
    max_messages
        Transactions in a block.
    max_bytes
        Bytes of transactions in a block, as long as it holds more than one.
    absolute_max_bytes
        Bytes of a single transaction; larger ones are refused.
    timeout_ms
        Longest wait of a transaction for company, in milliseconds.

    Raises
    ------
    ConfigError
        A number is not in 1 to 2**32 - 1, or `max_bytes` exceeds `absolute_max_bytes`.
    """

    max_messages: int = 500
    max_bytes: int = 4 * 2**20
    absolute_max_bytes: int = 16 * 2**20
    timeout_ms: int = 20

    def __post_init__(self) -> None:
        for name in ("max_messages", "max_bytes", "absolute_max_bytes", "timeout_ms"):
            if not 1 <= getattr(self, name) <= _UINT32:
                raise ConfigError(f"{name} must be between 1 and {_UINT32}")
        if self.max_bytes > self.absolute_max_bytes:
            raise ConfigError("max_bytes must not exceed absolute_max_bytes")


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """What the members of a channel have agreed on.

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
    time_tolerance_ms
        How far a proposal's timestamp may be off an endorser's clock, in milliseconds.
    council_threshold
        Numerator and denominator: a council decides when strictly more than this part agrees.

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
    time_tolerance_ms: int = 60_000
    council_threshold: tuple[int, int] = (2, 3)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.organisations, key=lambda organisation: organisation.mspid))
        object.__setattr__(self, "organisations", ordered)
        if not _CHANNEL_ID.fullmatch(self.channel_id):
            raise ConfigError("channel_id has 1 to 249 of a-z, 0-9, '.' and '-', and begins with a letter")
        if not 1 <= len(ordered) <= MAX_ORGANISATIONS or len(set(self.mspids)) != len(ordered):
            raise ConfigError(f"a channel has 1 to {MAX_ORGANISATIONS} organisations with different MSP ids")
        for organisation in ordered:
            check_name(organisation.name)
        load_roots({organisation.mspid: organisation.root_certificates for organisation in ordered})
        policy = self.endorsement_policy
        if not policy.mspids <= set(self.mspids):
            raise PolicyError(
                PolicyCode.BAD_PRINCIPAL, "the endorsement policy names an organisation not in the channel"
            )
        object.__setattr__(self, "endorsement", policy.text)
        if not 1 <= self.time_tolerance_ms <= _UINT32:
            raise ConfigError(f"time_tolerance_ms must be between 1 and {_UINT32}")
        numerator, denominator = self.council_threshold
        if not 0 <= numerator < denominator <= 1000:
            raise ConfigError(
                "council_threshold must be a fraction from 0 to below 1, its denominator at most 1000"
            )

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

    def membership(
        self, *, revoked: Collection[tuple[str, int]] = (), clock: Callable[[], float] = time.time
    ) -> Membership:
        """Return who belongs to the channel; see `Membership` for the parameters."""
        roots = {organisation.mspid: organisation.root_certificates for organisation in self.organisations}
        return Membership(roots, revoked=revoked, clock=clock)

    def to_genesis_block(self) -> common_pb2.Block:
        """Return the genesis block; equal configurations give equal bytes.

        It is Fabric's, but for one value in its Application group, `Fedpact`, which holds what
        Fabric has no place for; a Fabric peer would not accept that value.
        """
        return seal_genesis_block(self.channel_id, self._group())

    @classmethod
    def from_block(cls, block: common_pb2.Block) -> Self:
        """Read the configuration from a genesis block.

        Raises
        ------
        WireError
            BAD_BLOCK when it is no genesis block, was altered, or holds anything that a
            `ChannelConfig` cannot express and would silently lose.
        ConfigError, IdentityError, PolicyError
            As for the constructor.
        """
        channel_id, group = open_genesis_block(block)
        application, orderer = group.groups["Application"], group.groups["Orderer"]
        size = value_of(orderer, "BatchSize", orderer_pb2.BatchSize)
        timeout_ms = _milliseconds(value_of(orderer, "BatchTimeout", orderer_pb2.BatchTimeout).timeout)
        names, time_tolerance_ms, council_threshold = _parse_own(application.values[_OWN].value)
        members = application.groups
        config = cls(
            channel_id,
            tuple(Organisation(mspid, names.get(mspid, ""), roots_of(members[mspid])) for mspid in members),
            Policy.from_proto(application.policies["Endorsement"].policy, tuple(members)).text,
            BatchRules(size.max_message_count, size.preferred_max_bytes, size.absolute_max_bytes, timeout_ms),
            time_tolerance_ms,
            council_threshold,
        )
        if config._group() != group:
            raise WireError(
                WireCode.BAD_BLOCK, "the configuration holds what a fedpact channel does not have"
            )
        return config

    def _group(self) -> configtx_pb2.ConfigGroup:
        roots = {organisation.mspid: organisation.root_certificates for organisation in self.organisations}
        batch = self.batch
        size = orderer_pb2.BatchSize(
            max_message_count=batch.max_messages,
            preferred_max_bytes=batch.max_bytes,
            absolute_max_bytes=batch.absolute_max_bytes,
        )
        own = {
            "council_threshold": self.council_threshold,
            "names": {organisation.mspid: organisation.name for organisation in self.organisations},
            "time_tolerance_ms": self.time_tolerance_ms,
        }
        content = json.dumps(own, separators=(",", ":"), sort_keys=True).encode()
        application = application_group(roots, self.endorsement_policy, (_OWN, content))
        orderer = orderer_group(roots, size, f"{batch.timeout_ms}ms")
        return channel_group({"Application": application, "Orderer": orderer})


def _parse_own(content: bytes) -> tuple[dict[str, str], int, tuple[int, int]]:
    """Return names, time tolerance and council threshold."""
    try:
        own = json.loads(content)
        names, tolerance, (numerator, denominator) = (
            own["names"],
            own["time_tolerance_ms"],
            own["council_threshold"],
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError(WireCode.BAD_BLOCK, "the channel's own settings cannot be read") from error
    numbers = (tolerance, numerator, denominator)
    texts = isinstance(names, dict) and all(isinstance(name, str) for name in names.values())
    if not texts or any(type(number) is not int for number in numbers):
        raise WireError(WireCode.BAD_BLOCK, "the channel's own settings are not of the right types")
    return names, tolerance, (numerator, denominator)


def _milliseconds(duration: str) -> int:
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise WireError(WireCode.BAD_BLOCK, "the batch timeout is not a number of milliseconds")
    return int(match[1])
