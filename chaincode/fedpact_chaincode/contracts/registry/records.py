"""What the registry keeps: organisations, nodes, devices, motions and votes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Contract, Count, Id, Micros, Name, Text, TimeMs
from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.state import Item, Map, Record

contract = Contract(
    "registry", "Who belongs to the consortium: organisations, nodes, devices and the council"
)

Mspid = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]{1,64}\Z", description="an organisation's MSP identifier")
]
PublicKey = Annotated[
    str, msgspec.Meta(pattern=r"^04[0-9a-f]{128}\Z", description="P-256 public key, uncompressed point, hex")
]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000, description="length of a page")]


class NodeKind(StrEnum):
    """What a node is for (Lu III.A; He 3.2)."""

    PROVIDER = "provider"
    AGGREGATOR = "aggregator"
    SUPER_NODE = "super_node"


class DeviceStatus(StrEnum):
    """The life of a device: pending, active or suspended by turns, revoked for good."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class MotionStatus(StrEnum):
    """The life of a motion."""

    OPEN = "open"
    PASSED = "passed"
    REJECTED = "rejected"


class Settings(Record, frozen=True, kw_only=True):
    """What the founders agreed on.

    Attributes
    ----------
    council_numerator, council_denominator : a motion passes when strictly more than this fraction of the
        organisations approves.
    founded_ms : when.
    """

    council_numerator: Count
    council_denominator: Count
    founded_ms: TimeMs


class Organisation(Record, frozen=True, kw_only=True):
    """A member of the consortium; its certificate authority stands in the channel's configuration."""

    mspid: Mspid
    name: Name
    since_ms: TimeMs


class Node(Record, frozen=True, kw_only=True):
    """A party that acts in tasks.

    Attributes
    ----------
    id : `mspid/name`, from its certificate.
    mspid : its organisation.
    kind : what it is for.
    endpoint : where it can be reached; empty if it only calls others.
    public_key : of its certificate when it last registered; who sends it a model encrypts for this key.
    since_ms : first registration.
    """

    id: Id
    mspid: Mspid
    kind: NodeKind
    endpoint: Text
    public_key: PublicKey
    since_ms: TimeMs


class Device(Record, frozen=True, kw_only=True):
    """A sensor whose readings are accepted while it is active (Korenev, 3).

    Attributes
    ----------
    id : `mspid/name`, what its own certificate says.
    mspid : its organisation.
    public_key : its readings are signed with.
    description : what it measures and where.
    status : see `DeviceStatus`.
    registered_by : who asked for it.
    registered_ms, changed_ms : when it was registered, when its status last changed.
    """

    id: Id
    mspid: Mspid
    public_key: PublicKey
    description: Text
    status: DeviceStatus
    registered_by: Id
    registered_ms: TimeMs
    changed_ms: TimeMs


class Motion(Record, frozen=True, kw_only=True):
    """What the council is asked to decide.

    Attributes
    ----------
    id : `mspid/name`, the proposer's organisation and its own name for the motion.
    kind : what is done when it passes, one of `council.ENACT`.
    subject : what it is done to: a device, an organisation's mspid, an account.
    amount : micro-credits, where the kind needs an amount.
    detail : an admitted organisation's name, or reasons.
    proposed_by, proposed_ms : who proposed it, and when.
    status : see `MotionStatus`.
    decided_ms : when it passed or was rejected; None while open.
    """

    id: Id
    kind: Name
    subject: Id
    amount: Micros
    detail: Text
    proposed_by: Id
    proposed_ms: TimeMs
    status: MotionStatus = MotionStatus.OPEN
    decided_ms: TimeMs | None = None


class Vote(Record, frozen=True, kw_only=True):
    """One organisation's vote on one motion; `voter` signed the transaction that cast it."""

    motion: Id
    mspid: Mspid
    voter: Id
    approve: bool
    time_ms: TimeMs


SETTINGS = Item("registry.settings", Settings)
ORGANISATIONS = Map("registry.organisation", Organisation, key=("mspid",))
NODES = Map("registry.node", Node, key=("id",))
DEVICES = Map("registry.device", Device, key=("id",))
MOTIONS = Map("registry.motion", Motion, key=("id",))
VOTES = Map("registry.vote", Vote, key=("motion", "mspid"))

NOT_A_MEMBER = code(
    100, "NOT_A_MEMBER", Kind.FORBIDDEN, "the caller's organisation does not belong to the consortium"
)
UNKNOWN_ORGANISATION = code(
    101, "UNKNOWN_ORGANISATION", Kind.NOT_FOUND, "no such organisation belongs to the consortium"
)
ALREADY_FOUNDED = code(102, "ALREADY_FOUNDED", Kind.CONFLICT, "the consortium has been founded")
BAD_FOUNDERS = code(
    103,
    "BAD_FOUNDERS",
    Kind.INVALID_ARGUMENT,
    "the founders are not distinct or lack the caller's organisation",
)
BAD_THRESHOLD = code(
    104,
    "BAD_THRESHOLD",
    Kind.INVALID_ARGUMENT,
    "the council's threshold is at least one half and less than one",
)
NODE_NOT_REGISTERED = code(
    105, "NODE_NOT_REGISTERED", Kind.FAILED_PRECONDITION, "the node has not registered itself"
)
DEVICE_NOT_ACTIVE = code(106, "DEVICE_NOT_ACTIVE", Kind.FAILED_PRECONDITION, "the device is not active")
DEVICE_STATUS_FORBIDS = code(
    107, "DEVICE_STATUS_FORBIDS", Kind.FAILED_PRECONDITION, "the device's status does not allow the change"
)
UNKNOWN_MOTION_KIND = code(
    108, "UNKNOWN_MOTION_KIND", Kind.INVALID_ARGUMENT, "the council does not decide such motions"
)
MOTION_DECIDED = code(109, "MOTION_DECIDED", Kind.FAILED_PRECONDITION, "the motion has been decided")
VOTED_ALREADY = code(110, "VOTED_ALREADY", Kind.CONFLICT, "the organisation has voted on the motion")
BAD_ORGANISATION = code(
    111, "BAD_ORGANISATION", Kind.INVALID_ARGUMENT, "the subject is no mspid or the detail no name"
)
