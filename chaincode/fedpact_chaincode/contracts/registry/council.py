"""The council: one organisation, one vote (Korenev, 3).

A motion passes when strictly more than the founders' fraction of all organisations approves, and is
rejected when that has become impossible; organisations that are away count neither way. What a motion
does is a function that a contract registers for the motion's kind; it runs in the transaction of the
deciding vote, so a motion that passed has been carried out. If it cannot be carried out, that vote is
refused with the reason, and the motion stays open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import msgspec

from fedpact_chaincode.contract import Context, Event, Id, Message, Micros, Name, Result, Text
from fedpact_chaincode.contracts.registry.organisations import organisations, require_member
from fedpact_chaincode.contracts.registry.records import (
    BAD_ORGANISATION,
    MOTION_DECIDED,
    MOTIONS,
    ORGANISATIONS,
    SETTINGS,
    UNKNOWN_MOTION_KIND,
    VOTED_ALREADY,
    VOTES,
    Limit,
    Motion,
    MotionStatus,
    Organisation,
    Vote,
    contract,
)
from fedpact_chaincode.errors import RECORD_EXISTS, Rejected

Rule = Callable[[Context, Motion], None]


@dataclass(frozen=True, slots=True)
class Enactment:
    """What is done when a motion passes; what is checked before it is proposed and before it is done."""

    carry_out: Rule
    check: Rule | None


ENACT: dict[str, Enactment] = {}
"""What the council can decide, by kind of motion."""


def enacts(kind: str, *, check: Rule | None = None) -> Callable[[Rule], Rule]:
    """Declare (as a decorator) what is done when a motion of this kind passes.

    Parameters
    ----------
    kind : the motions' kind.
    check : refuses motions that could not be carried out; without it they are refused at the deciding vote.

    Raises
    ------
    ValueError
        If the kind is taken.
    """

    def register(function: Rule) -> Rule:
        if kind in ENACT:
            raise ValueError(f"motions of kind {kind} are enacted twice")
        ENACT[kind] = Enactment(function, check)
        return function

    return register


class Propose(Message, frozen=True, kw_only=True):
    """Put a motion to the council; its id becomes `mspid/name`. See `Motion` for the fields."""

    name: Name
    kind: Name
    subject: Id
    amount: Micros = 0
    detail: Text = ""


class CastVote(Message, frozen=True, kw_only=True):
    """Vote for the caller's organisation."""

    motion: Id
    approve: bool


class OneMotion(Message, frozen=True, kw_only=True):
    """Ask for one motion."""

    id: Id


class MotionsAfter(Message, frozen=True, kw_only=True):
    """Ask for a page of motions, in order of id."""

    after: Id | None = None
    limit: Limit = 100


class MotionPage(Result, frozen=True, kw_only=True):
    """Some motions, in order of id."""

    motions: list[Motion]


class Standing(Result, frozen=True, kw_only=True):
    """A motion and how its vote stands.

    Attributes
    ----------
    motion : with its status.
    votes : in order of mspid.
    organisations : how many may vote.
    """

    motion: Motion
    votes: list[Vote]
    organisations: int


class MotionProposed(Event, frozen=True, kw_only=True):
    """The council is asked."""

    id: str
    kind: str
    subject: str


class VoteCast(Event, frozen=True, kw_only=True):
    """An organisation voted; the status is the motion's after the vote."""

    motion: str
    mspid: str
    approve: bool
    status: MotionStatus


class OrganisationAdmitted(Event, frozen=True, kw_only=True):
    """The consortium has a new member."""

    mspid: str
    name: str


@contract.transaction
def propose(ctx: Context, message: Propose) -> Motion:
    """Put a motion to the council; the caller is a validator or administrator of a member.

    Raises
    ------
    Rejected
        NOT_A_MEMBER, ROLE_REQUIRED, UNKNOWN_MOTION_KIND, RECORD_EXISTS, and whatever forbids carrying it out.
    """
    require_member(ctx)
    ctx.caller.require_role("validator", "admin")
    enactment = ENACT.get(message.kind)
    if enactment is None:
        raise Rejected(UNKNOWN_MOTION_KIND, kind=message.kind, known=sorted(ENACT))
    motion = Motion(
        id=f"{ctx.caller.mspid}/{message.name}",
        kind=message.kind,
        subject=message.subject,
        amount=message.amount,
        detail=message.detail,
        proposed_by=ctx.caller.id,
        proposed_ms=ctx.time_ms,
    )
    if enactment.check:
        enactment.check(ctx, motion)
    ctx.emit(MotionProposed(id=motion.id, kind=motion.kind, subject=motion.subject))
    return MOTIONS.create(ctx.state, motion)


@contract.transaction
def vote(ctx: Context, message: CastVote) -> Motion:
    """Vote for the caller's organisation; the deciding vote carries the motion out.

    Raises
    ------
    Rejected
        NOT_A_MEMBER, ROLE_REQUIRED, RECORD_NOT_FOUND, MOTION_DECIDED, VOTED_ALREADY,
        TIME_RUNS_BACKWARDS, and whatever forbids carrying it out.
    """
    require_member(ctx)
    ctx.caller.require_role("validator", "admin")
    motion = MOTIONS.load(ctx.state, message.motion)
    if motion.status is not MotionStatus.OPEN:
        raise Rejected(MOTION_DECIDED, motion=motion.id, status=motion.status)
    if VOTES.has(ctx.state, motion.id, ctx.caller.mspid):
        raise Rejected(VOTED_ALREADY, motion=motion.id, mspid=ctx.caller.mspid)
    ctx.not_before(motion.proposed_ms)
    VOTES.save(
        ctx.state,
        Vote(
            motion=motion.id,
            mspid=ctx.caller.mspid,
            voter=ctx.caller.id,
            approve=message.approve,
            time_ms=ctx.time_ms,
        ),
    )
    status = _status(ctx, motion)
    ctx.emit(VoteCast(motion=motion.id, mspid=ctx.caller.mspid, approve=message.approve, status=status))
    if status is MotionStatus.OPEN:
        return motion
    decided = msgspec.structs.replace(motion, status=status, decided_ms=ctx.time_ms)
    if status is MotionStatus.PASSED:
        _carry_out(ctx, decided)
    return MOTIONS.save(ctx.state, decided)


@contract.query
def motion(ctx: Context, message: OneMotion) -> Standing:
    """Return a motion and its votes."""
    return Standing(
        motion=MOTIONS.load(ctx.state, message.id),
        votes=list(VOTES.scan(ctx.state, message.id)),
        organisations=len(organisations(ctx)),
    )


@contract.query
def motions(ctx: Context, message: MotionsAfter) -> MotionPage:
    """Return a page of motions."""
    return MotionPage(motions=list(islice(MOTIONS.scan(ctx.state, after=message.after), message.limit)))


def admissible(ctx: Context, motion: Motion) -> None:
    """Refuse (BAD_ORGANISATION, RECORD_EXISTS) a subject that is no mspid or is a member already."""
    organisation = _organisation(ctx, motion)
    if ORGANISATIONS.has(ctx.state, organisation.mspid):
        raise Rejected(RECORD_EXISTS, record=ORGANISATIONS.prefix, key=[organisation.mspid])


@enacts("admit_organisation", check=admissible)
def admit(ctx: Context, motion: Motion) -> None:
    """Make the motion's subject (an mspid) a member under the name in its detail.

    Its certificate authority must be admitted to the channel's configuration as well.
    """
    organisation = ORGANISATIONS.save(ctx.state, _organisation(ctx, motion))
    ctx.emit(OrganisationAdmitted(mspid=organisation.mspid, name=organisation.name))


def _organisation(ctx: Context, motion: Motion) -> Organisation:
    fields = {"mspid": motion.subject, "name": motion.detail, "since_ms": ctx.time_ms}
    try:
        return msgspec.convert(fields, Organisation)
    except msgspec.ValidationError as error:
        raise Rejected(BAD_ORGANISATION, reason=str(error)) from error


def _carry_out(ctx: Context, motion: Motion) -> None:
    enactment = ENACT[motion.kind]
    if enactment.check:
        enactment.check(ctx, motion)
    enactment.carry_out(ctx, motion)


def _status(ctx: Context, motion: Motion) -> MotionStatus:
    settings = SETTINGS.load(ctx.state)
    votes = list(VOTES.scan(ctx.state, motion.id))
    everybody = len(organisations(ctx))
    approvals = sum(vote.approve for vote in votes)
    rejections = len(votes) - approvals
    needed = settings.council_numerator * everybody
    if settings.council_denominator * approvals > needed:
        return MotionStatus.PASSED
    if settings.council_denominator * (everybody - rejections) <= needed:
        return MotionStatus.REJECTED
    return MotionStatus.OPEN
