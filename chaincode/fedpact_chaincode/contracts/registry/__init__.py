"""Who belongs to the consortium: organisations, nodes, devices; and the council that decides (Korenev, 3).

    records.py        what is kept, and the error codes 100-149
    organisations.py  founding, membership, nodes
    council.py        motions and votes
    devices.py        devices and their status

For other contracts: `require_member`, `require_organisation`, `require_node`, `require_active_device`,
`organisations`, and `enacts` for what the council may decide.
"""

from fedpact_chaincode.contracts.registry.council import CastVote, Propose, Standing, enacts
from fedpact_chaincode.contracts.registry.devices import (
    DevicePage,
    DevicesOf,
    OneDevice,
    RegisterDevice,
    require_active_device,
)
from fedpact_chaincode.contracts.registry.organisations import (
    Found,
    Founder,
    Members,
    RegisterNode,
    organisations,
    require_member,
    require_node,
    require_organisation,
)
from fedpact_chaincode.contracts.registry.records import (
    Device,
    DeviceStatus,
    Limit,
    Motion,
    MotionStatus,
    Mspid,
    Node,
    NodeKind,
    Organisation,
    PublicKey,
    Settings,
    Vote,
    contract,
)

__all__ = [
    "CastVote",
    "Device",
    "DevicePage",
    "DeviceStatus",
    "DevicesOf",
    "Found",
    "Founder",
    "Limit",
    "Members",
    "Motion",
    "MotionStatus",
    "Mspid",
    "Node",
    "NodeKind",
    "OneDevice",
    "Organisation",
    "Propose",
    "PublicKey",
    "RegisterDevice",
    "RegisterNode",
    "Settings",
    "Standing",
    "Vote",
    "contract",
    "enacts",
    "organisations",
    "require_active_device",
    "require_member",
    "require_node",
    "require_organisation",
]
