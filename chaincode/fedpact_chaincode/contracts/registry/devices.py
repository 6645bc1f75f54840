"""Devices: registered by their organisation, admitted by the council (Korenev, 3).

    pending --council--> active <--council--> suspended        any of them --council--> revoked

An organisation's administrator may suspend its own device at once; only the council lets it speak again.
"""

from __future__ import annotations

from itertools import islice, takewhile

import msgspec

from fedpact_chaincode.contract import Context, Event, Id, Message, Name, Result, Text
from fedpact_chaincode.contracts.registry.council import enacts
from fedpact_chaincode.contracts.registry.organisations import require_member
from fedpact_chaincode.contracts.registry.records import (
    DEVICE_NOT_ACTIVE,
    DEVICE_STATUS_FORBIDS,
    DEVICES,
    Device,
    DeviceStatus,
    Limit,
    Motion,
    Mspid,
    PublicKey,
    contract,
)
from fedpact_chaincode.errors import Rejected


class RegisterDevice(Message, frozen=True, kw_only=True):
    """Register a device of the caller's organisation.

    Attributes
    ----------
    name : common name in the device's certificate; its id becomes `mspid/name`.
    public_key : of that certificate.
    description : what it measures and where.
    """

    name: Name
    public_key: PublicKey
    description: Text = ""


class OneDevice(Message, frozen=True, kw_only=True):
    """Name one device, `mspid/name`."""

    id: Id


class DevicesOf(Message, frozen=True, kw_only=True):
    """Ask for a page of an organisation's devices, in order of name, after the device called `after`."""

    mspid: Mspid
    after: Name | None = None
    limit: Limit = 100


class DevicePage(Result, frozen=True, kw_only=True):
    """Some devices, in order of id."""

    devices: list[Device]


class DeviceChanged(Event, frozen=True, kw_only=True):
    """A device was registered, or its status changed."""

    id: str
    status: DeviceStatus


@contract.transaction
def register_device(ctx: Context, message: RegisterDevice) -> Device:
    """Register a device of the caller's organisation; it waits for the council.

    Raises
    ------
    Rejected
        NOT_A_MEMBER, ROLE_REQUIRED (administrators and members), RECORD_EXISTS.
    """
    require_member(ctx)
    ctx.caller.require_role("admin", "member")
    device = Device(
        id=f"{ctx.caller.mspid}/{message.name}",
        mspid=ctx.caller.mspid,
        public_key=message.public_key,
        description=message.description,
        status=DeviceStatus.PENDING,
        registered_by=ctx.caller.id,
        registered_ms=ctx.time_ms,
        changed_ms=ctx.time_ms,
    )
    ctx.emit(DeviceChanged(id=device.id, status=device.status))
    return DEVICES.create(ctx.state, device)


@contract.transaction
def suspend_device(ctx: Context, message: OneDevice) -> Device:
    """Suspend a device of the caller's own organisation at once, as when it was stolen.

    Raises
    ------
    Rejected
        NOT_A_MEMBER, RECORD_NOT_FOUND, NOT_THE_OWNER, ROLE_REQUIRED, DEVICE_STATUS_FORBIDS.
    """
    require_member(ctx)
    device = DEVICES.load(ctx.state, message.id)
    ctx.caller.require_organisation(device.mspid)
    ctx.caller.require_role("admin")
    return _change(ctx, device, DeviceStatus.SUSPENDED)


@contract.query
def device(ctx: Context, message: OneDevice) -> Device:
    """Return one device."""
    return DEVICES.load(ctx.state, message.id)


@contract.query
def devices(ctx: Context, message: DevicesOf) -> DevicePage:
    """Return a page of an organisation's devices."""
    start = f"{message.mspid}/"
    after = start + (message.after or "")
    own = takewhile(lambda found: found.mspid == message.mspid, DEVICES.scan(ctx.state, after=after))
    return DevicePage(devices=list(islice(own, message.limit)))


def require_active_device(ctx: Context, identifier: str) -> Device:
    """Return a device whose readings are accepted now, or refuse (RECORD_NOT_FOUND, DEVICE_NOT_ACTIVE)."""
    found = DEVICES.load(ctx.state, identifier)
    if found.status is not DeviceStatus.ACTIVE:
        raise Rejected(DEVICE_NOT_ACTIVE, device=found.id, status=found.status)
    return found


_MOTIONS = {
    "activate_device": DeviceStatus.ACTIVE,
    "suspend_device": DeviceStatus.SUSPENDED,
    "revoke_device": DeviceStatus.REVOKED,
}
_ALLOWED = {
    DeviceStatus.ACTIVE: {DeviceStatus.PENDING, DeviceStatus.SUSPENDED},
    DeviceStatus.SUSPENDED: {DeviceStatus.ACTIVE},
    DeviceStatus.REVOKED: {DeviceStatus.PENDING, DeviceStatus.ACTIVE, DeviceStatus.SUSPENDED},
}


def changeable(ctx: Context, motion: Motion) -> None:
    """Refuse (RECORD_NOT_FOUND, DEVICE_STATUS_FORBIDS) a motion on a device that it cannot change."""
    _require_change(DEVICES.load(ctx.state, motion.subject), _MOTIONS[motion.kind])


@enacts("activate_device", check=changeable)
@enacts("suspend_device", check=changeable)
@enacts("revoke_device", check=changeable)
def change_status(ctx: Context, motion: Motion) -> None:
    """Give the motion's subject (a device) the status that its kind names."""
    _change(ctx, DEVICES.load(ctx.state, motion.subject), _MOTIONS[motion.kind])


def _change(ctx: Context, device: Device, status: DeviceStatus) -> Device:
    _require_change(device, status)
    ctx.not_before(device.changed_ms)
    ctx.emit(DeviceChanged(id=device.id, status=status))
    return DEVICES.save(ctx.state, msgspec.structs.replace(device, status=status, changed_ms=ctx.time_ms))


def _require_change(device: Device, status: DeviceStatus) -> None:
    if device.status not in _ALLOWED[status]:
        raise Rejected(DEVICE_STATUS_FORBIDS, device=device.id, status=device.status, wanted=status)
