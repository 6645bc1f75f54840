"""Requests, the cache of models that answer them, and deliveries (Lu II.B, Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import msgspec

from fedpact_chaincode.contract import Context, Count, Digest, Event, Id, Message, Name, Result, Text
from fedpact_chaincode.contracts.registry import Limit, require_member
from fedpact_chaincode.contracts.sharing.grants import require_grant
from fedpact_chaincode.contracts.sharing.records import (
    CACHE,
    DELIVERED_ALREADY,
    DELIVERIES,
    NOT_THE_ANSWER,
    NOT_THE_HOLDER,
    REQUESTS,
    TALLIES,
    CachedModel,
    Delivery,
    Outcome,
    Request,
    Tally,
    contract,
)
from fedpact_chaincode.errors import Rejected


class AskForModel(Message, frozen=True, kw_only=True):
    """Ask for a model; the request's id becomes `mspid/name`. See `Request` for the fields."""

    name: Name
    fingerprint: Digest
    category: Name
    max_age_ms: Count


class Deliver(Message, frozen=True, kw_only=True):
    """Record that a request was answered with the model of a completed task. See `Delivery`."""

    request_id: Id
    task_id: Id
    note: Text = ""


class OneRequest(Message, frozen=True, kw_only=True):
    """Name one request."""

    id: Id


class OneFingerprint(Message, frozen=True, kw_only=True):
    """Name what is asked for."""

    fingerprint: Digest


class RequestsAfter(Message, frozen=True, kw_only=True):
    """Ask for a page of requests, in order of id."""

    after: Id | None = None
    limit: Limit = 100


class RequestPage(Result, frozen=True, kw_only=True):
    """Some requests, in order of id."""

    requests: list[Request]


class CachedModels(Result, frozen=True, kw_only=True):
    """The models that answer one fingerprint, in order of task; whether one may be had, a request decides."""

    models: list[CachedModel]


class Requested(Event, frozen=True, kw_only=True):
    """A model was asked for, and there was one (or why there was none)."""

    id: str
    fingerprint: str
    outcome: Outcome
    task_id: str | None


class Delivered(Event, frozen=True, kw_only=True):
    """A model was handed to who asked for it."""

    request_id: str
    requester: str
    holder: str
    task_id: str
    model: str


@contract.transaction
def request(ctx: Context, message: AskForModel) -> Request:
    """Ask for a model, for the caller's organisation.

    It is a hit when a model with this fingerprint and category is young enough and every owner of a
    dataset it was trained on grants it to this requester now; of several the youngest. Hits and misses
    are both recorded.

    Raises
    ------
    Rejected
        NOT_A_MEMBER, ROLE_REQUIRED (administrators and members), RECORD_EXISTS.
    """
    require_member(ctx)
    ctx.caller.require_role("admin", "member")
    outcome, cached = _look_up(ctx, message)
    hit = cached is not None
    tally = TALLIES.get(ctx.state, message.fingerprint) or Tally(fingerprint=message.fingerprint)
    tally = msgspec.structs.replace(tally, hits=tally.hits + hit, misses=tally.misses + (not hit))
    asked = Request(
        id=f"{ctx.caller.mspid}/{message.name}",
        requester=ctx.caller.mspid,
        requested_by=ctx.caller.id,
        public_key=ctx.caller.public_key,
        fingerprint=message.fingerprint,
        category=message.category,
        max_age_ms=message.max_age_ms,
        outcome=outcome,
        task_id=cached.task_id if cached else None,
        model=cached.model if cached else None,
        location=cached.location if cached else None,
        hits=tally.hits,
        misses=tally.misses,
        time_ms=ctx.time_ms,
    )
    REQUESTS.create(ctx.state, asked)
    TALLIES.save(ctx.state, tally)
    ctx.emit(Requested(id=asked.id, fingerprint=asked.fingerprint, outcome=outcome, task_id=asked.task_id))
    return asked


@contract.transaction
def deliver(ctx: Context, message: Deliver) -> Delivery:
    """Record, for who holds the model, that it was handed over: once for each request.

    A request that hit is answered with the model it hit; one that missed with that of a task completed
    since. The owners' grants must still hold, unless the task was the requester's own.

    Raises
    ------
    Rejected
        RECORD_NOT_FOUND, NOT_THE_ANSWER, NOT_THE_HOLDER, DELIVERED_ALREADY, TIME_RUNS_BACKWARDS, and
        what `require_grant` refuses.
    """
    asked = REQUESTS.load(ctx.state, message.request_id)
    cached = CACHE.load(ctx.state, asked.fingerprint, message.task_id)
    if asked.category != cached.category or asked.task_id not in (None, cached.task_id):
        raise Rejected(NOT_THE_ANSWER, request_id=asked.id, task_id=cached.task_id, expected=asked.task_id)
    if ctx.caller.mspid not in (cached.requester, *cached.providers):
        raise Rejected(NOT_THE_HOLDER, caller=ctx.caller.id, task_id=cached.task_id)
    if DELIVERIES.has(ctx.state, asked.id):
        raise Rejected(DELIVERED_ALREADY, request_id=asked.id)
    ctx.not_before(max(asked.time_ms, cached.completed_ms))
    if cached.requester != asked.requester:
        _require_grants(ctx, cached, asked.requester)
    ctx.emit(
        Delivered(
            request_id=asked.id,
            requester=asked.requester,
            holder=ctx.caller.id,
            task_id=cached.task_id,
            model=cached.model,
        )
    )
    return DELIVERIES.save(
        ctx.state,
        Delivery(
            request_id=asked.id,
            requester=asked.requester,
            holder=ctx.caller.id,
            providers=tuple(cached.providers),
            datasets=cached.datasets,
            category=cached.category,
            fingerprint=cached.fingerprint,
            task_id=cached.task_id,
            model=cached.model,
            note=message.note,
            time_ms=ctx.time_ms,
        ),
    )


@contract.query
def find_request(ctx: Context, message: OneRequest) -> Request:
    """Return one request and its immediate answer."""
    return REQUESTS.load(ctx.state, message.id)


@contract.query
def requests(ctx: Context, message: RequestsAfter) -> RequestPage:
    """Return a page of requests."""
    return RequestPage(requests=list(islice(REQUESTS.scan(ctx.state, after=message.after), message.limit)))


@contract.query
def delivery(ctx: Context, message: OneRequest) -> Delivery:
    """Return the delivery that answered a request."""
    return DELIVERIES.load(ctx.state, message.id)


@contract.query
def cached(ctx: Context, message: OneFingerprint) -> CachedModels:
    """Return the models that answer a fingerprint."""
    return CachedModels(models=list(CACHE.scan(ctx.state, message.fingerprint)))


def remember(  # noqa: PLR0913 (they are the fields of one record)
    ctx: Context,
    fingerprint: str,
    *,
    requester: str,
    category: str,
    task_id: str,
    model: str,
    location: str,
    datasets: Sequence[str],
    quality_nano: int,
) -> CachedModel:
    """Keep the approved result of a completed task for later requests; see `CachedModel`."""
    return CACHE.create(
        ctx.state,
        CachedModel(
            fingerprint=fingerprint,
            task_id=task_id,
            requester=requester,
            category=category,
            model=model,
            location=location,
            datasets=tuple(sorted(set(datasets))),
            quality_nano=quality_nano,
            completed_ms=ctx.time_ms,
        ),
    )


def _look_up(ctx: Context, message: AskForModel) -> tuple[Outcome, CachedModel | None]:
    known = [
        cached for cached in CACHE.scan(ctx.state, message.fingerprint) if cached.category == message.category
    ]
    if not known:
        return Outcome.UNKNOWN, None
    young = [cached for cached in known if ctx.time_ms - cached.completed_ms < message.max_age_ms]
    if not young:
        return Outcome.TOO_OLD, None
    for cached in sorted(young, key=lambda found: (-found.completed_ms, found.task_id)):
        try:
            _require_grants(ctx, cached, ctx.caller.mspid)
        except Rejected:
            continue
        return Outcome.HIT, cached
    return Outcome.NOT_GRANTED, None


def _require_grants(ctx: Context, cached: CachedModel, requester: str) -> None:
    for dataset_id in cached.datasets:
        require_grant(ctx, dataset_id, requester, cached.category)
