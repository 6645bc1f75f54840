"""Grants: an owner's consent, given, checked and taken back."""

from __future__ import annotations

from itertools import islice

import msgspec

from fedpact_chaincode.contract import Context, Event, Id, Message, Name, Result, Text, TimeMs
from fedpact_chaincode.contracts.catalog import DATASETS, Dataset, dataset
from fedpact_chaincode.contracts.registry import Limit, Mspid, require_organisation
from fedpact_chaincode.contracts.sharing.records import (
    EXPIRY_PASSED,
    GRANT_EXPIRED,
    GRANT_REVOKED,
    GRANTS,
    NOT_GRANTED,
    Grant,
    GrantStatus,
    contract,
)
from fedpact_chaincode.errors import Code, Rejected


class GrantAccess(Message, frozen=True, kw_only=True):
    """Consent to a requester's tasks of one category; again: replaces the consent. See `Grant`."""

    dataset_id: Id
    requester: Mspid
    purpose: Name
    expires_ms: TimeMs
    conditions: Text = ""


class OneGrant(Message, frozen=True, kw_only=True):
    """Name one grant."""

    dataset_id: Id
    requester: Mspid
    purpose: Name


class GrantsOf(Message, frozen=True, kw_only=True):
    """Ask for a page of a dataset's grants, in order of requester and purpose.

    Attributes
    ----------
    after_requester, after_purpose : of the last grant of the page before.
    """

    dataset_id: Id
    after_requester: Mspid | None = None
    after_purpose: Name | None = None
    limit: Limit = 100


class GrantPage(Result, frozen=True, kw_only=True):
    """Some grants of one dataset, in order of requester and purpose."""

    grants: list[Grant]


class AccessGranted(Event, frozen=True, kw_only=True):
    """An owner consented."""

    dataset_id: str
    requester: str
    purpose: str
    expires_ms: int


class AccessRevoked(Event, frozen=True, kw_only=True):
    """An owner took its consent back."""

    dataset_id: str
    requester: str
    purpose: str


@contract.transaction
def grant(ctx: Context, message: GrantAccess) -> Grant:
    """Consent for the caller's organisation, which owns the dataset.

    Raises
    ------
    Rejected
        RECORD_NOT_FOUND, DATASET_WITHDRAWN, NOT_THE_OWNER, ROLE_REQUIRED (administrators and members),
        UNKNOWN_ORGANISATION, EXPIRY_PASSED, TIME_RUNS_BACKWARDS.
    """
    _require_owner(ctx, dataset(ctx, message.dataset_id))
    require_organisation(ctx, message.requester)
    if message.expires_ms <= ctx.time_ms:
        raise Rejected(EXPIRY_PASSED, expires_ms=message.expires_ms, time_ms=ctx.time_ms)
    known = GRANTS.get(ctx.state, message.dataset_id, message.requester, message.purpose)
    if known:
        ctx.not_before(known.changed_ms)
    ctx.emit(
        AccessGranted(
            dataset_id=message.dataset_id,
            requester=message.requester,
            purpose=message.purpose,
            expires_ms=message.expires_ms,
        )
    )
    return GRANTS.save(
        ctx.state,
        Grant(
            dataset_id=message.dataset_id,
            requester=message.requester,
            purpose=message.purpose,
            conditions=message.conditions,
            expires_ms=message.expires_ms,
            status=GrantStatus.ACTIVE,
            granted_by=ctx.caller.id,
            granted_ms=ctx.time_ms,
            changed_ms=ctx.time_ms,
        ),
    )


@contract.transaction
def revoke(ctx: Context, message: OneGrant) -> Grant:
    """Take the consent back: from now on nothing new is trained or delivered under it.

    Raises
    ------
    Rejected
        RECORD_NOT_FOUND, NOT_THE_OWNER, ROLE_REQUIRED, GRANT_REVOKED, TIME_RUNS_BACKWARDS.
    """
    _require_owner(ctx, DATASETS.load(ctx.state, message.dataset_id))
    known = GRANTS.load(ctx.state, message.dataset_id, message.requester, message.purpose)
    if known.status is GrantStatus.REVOKED:
        raise _refusal(GRANT_REVOKED, known.dataset_id, known.requester, known.purpose)
    ctx.not_before(known.changed_ms)
    ctx.emit(AccessRevoked(dataset_id=known.dataset_id, requester=known.requester, purpose=known.purpose))
    return GRANTS.save(
        ctx.state, msgspec.structs.replace(known, status=GrantStatus.REVOKED, changed_ms=ctx.time_ms)
    )


@contract.query
def find_grant(ctx: Context, message: OneGrant) -> Grant:
    """Return one grant, whatever its status."""
    return GRANTS.load(ctx.state, message.dataset_id, message.requester, message.purpose)


@contract.query
def grants(ctx: Context, message: GrantsOf) -> GrantPage:
    """Return a page of a dataset's grants, whatever their status."""
    after = tuple(part for part in (message.after_requester, message.after_purpose) if part)
    found = GRANTS.scan(ctx.state, message.dataset_id, after=after)
    return GrantPage(grants=list(islice(found, message.limit)))


def require_grant(ctx: Context, dataset_id: str, requester: str, purpose: str) -> None:
    """Refuse unless the requester may now have models trained on the dataset for this purpose.

    An owner needs no grant for its own datasets.

    Raises
    ------
    Rejected
        RECORD_NOT_FOUND, DATASET_WITHDRAWN, NOT_GRANTED, GRANT_EXPIRED, GRANT_REVOKED.
    """
    if dataset(ctx, dataset_id).owner == requester:
        return
    known = GRANTS.get(ctx.state, dataset_id, requester, purpose)
    if known is None:
        raise _refusal(NOT_GRANTED, dataset_id, requester, purpose)
    if known.status is GrantStatus.REVOKED:
        raise _refusal(GRANT_REVOKED, dataset_id, requester, purpose)
    if ctx.time_ms >= known.expires_ms:
        raise _refusal(GRANT_EXPIRED, dataset_id, requester, purpose)


def _require_owner(ctx: Context, profile: Dataset) -> None:
    ctx.caller.require_organisation(profile.owner)
    ctx.caller.require_role("admin", "member")


def _refusal(code: Code, dataset_id: str, requester: str, purpose: str) -> Rejected:
    return Rejected(code, dataset_id=dataset_id, requester=requester, purpose=purpose)
