"""Publishing, changing, withdrawing and listing the profiles of datasets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Context, Event, Id, Message, Name, Result, Text
from fedpact_chaincode.contracts.catalog.records import (
    DATASET_WITHDRAWN,
    DATASETS,
    EMPTY_RANGE,
    FOREIGN_CUSTODIAN,
    LISTINGS,
    MAX_SIZES,
    NOT_YET_PUBLISHED,
    NOTHING_CHANGED,
    REPEATED_ENTRY,
    TOO_MANY_SIZES,
    Dataset,
    DatasetStatus,
    Field,
    Fields,
    Form,
    Listing,
    Size,
    Terms,
    contract,
)
from fedpact_chaincode.contracts.registry import Limit, require_member, require_node
from fedpact_chaincode.errors import Rejected

Rows = Annotated[int, msgspec.Meta(ge=1, le=10**12, description="number of records")]


class Publish(Message, frozen=True, kw_only=True):
    """Publish a dataset's profile; its id becomes `mspid/name`. See `Dataset` for the fields.

    Attributes
    ----------
    custodian : a registered node of the caller's organisation; None: the caller.
    """

    name: Name
    category: Name
    form: Form
    rows: Rows
    fields: Fields = ()
    terms: Terms = ()
    description: Text = ""
    custodian: Id | None = None


class Update(Message, frozen=True, kw_only=True):
    """Change a profile's terms, size or both."""

    id: Id
    rows: Rows | None = None
    terms: Terms | None = None


class OneDataset(Message, frozen=True, kw_only=True):
    """Name one dataset."""

    id: Id


class DatasetsAfter(Message, frozen=True, kw_only=True):
    """Ask for a page of datasets, in order of id.

    Attributes
    ----------
    category : only this one's; None: all.
    after : the last id of the page before.
    """

    category: Name | None = None
    after: Id | None = None
    limit: Limit = 100


class DatasetPage(Result, frozen=True, kw_only=True):
    """Some datasets, in order of id; withdrawn ones are among them."""

    datasets: list[Dataset]


class DatasetPublished(Event, frozen=True, kw_only=True):
    """A dataset can be found."""

    id: str
    owner: str
    category: str
    form: Form
    rows: int


class DatasetChanged(Event, frozen=True, kw_only=True):
    """A dataset's profile was changed or withdrawn."""

    id: str
    rows: int
    revision: int
    status: DatasetStatus


@contract.transaction
def publish(ctx: Context, message: Publish) -> Dataset:
    """Publish a dataset of the caller's organisation.

    Raises
    ------
    Rejected
        NOT_A_MEMBER, ROLE_REQUIRED (administrators and members), NODE_NOT_REGISTERED,
        FOREIGN_CUSTODIAN, REPEATED_ENTRY, EMPTY_RANGE, RECORD_EXISTS.
    """
    require_member(ctx)
    ctx.caller.require_role("admin", "member")
    custodian = require_node(ctx, message.custodian or ctx.caller.id)
    if custodian.mspid != ctx.caller.mspid:
        raise Rejected(FOREIGN_CUSTODIAN, custodian=custodian.id, owner=ctx.caller.mspid)
    profile = Dataset(
        id=f"{ctx.caller.mspid}/{message.name}",
        owner=ctx.caller.mspid,
        custodian=custodian.id,
        public_key=custodian.public_key,
        category=message.category,
        form=message.form,
        fields=_checked_fields(message.fields),
        terms=_sorted_terms(message.terms),
        description=message.description,
        sizes=(Size(since_ms=ctx.time_ms, rows=message.rows),),
        published_ms=ctx.time_ms,
        changed_ms=ctx.time_ms,
        revision=1,
        status=DatasetStatus.PUBLISHED,
    )
    DATASETS.create(ctx.state, profile)
    LISTINGS.save(ctx.state, Listing(category=profile.category, dataset=profile.id))
    ctx.emit(
        DatasetPublished(
            id=profile.id,
            owner=profile.owner,
            category=profile.category,
            form=profile.form,
            rows=profile.rows,
        )
    )
    return profile


@contract.transaction
def update(ctx: Context, message: Update) -> Dataset:
    """Change a profile. A new size counts for tasks that are created from now on only.

    Raises
    ------
    Rejected
        RECORD_NOT_FOUND, NOT_THE_OWNER, ROLE_REQUIRED, DATASET_WITHDRAWN, TIME_RUNS_BACKWARDS,
        NOTHING_CHANGED, REPEATED_ENTRY, TOO_MANY_SIZES.
    """
    known = _own(ctx, message.id)
    terms = known.terms if message.terms is None else _sorted_terms(message.terms)
    rows = known.rows if message.rows is None else message.rows
    if (terms, rows) == (known.terms, known.rows):
        raise Rejected(NOTHING_CHANGED, dataset=known.id)
    sizes = known.sizes
    if rows != known.rows:
        if len(sizes) == MAX_SIZES:
            raise Rejected(TOO_MANY_SIZES, dataset=known.id, limit=MAX_SIZES)
        sizes = (*sizes, Size(since_ms=ctx.time_ms, rows=rows))
    return _changed(ctx, msgspec.structs.replace(known, terms=terms, sizes=sizes))


@contract.transaction
def withdraw(ctx: Context, message: OneDataset) -> Dataset:
    """Withdraw a dataset for good: no new task, grant or reading; what was done with it stays on record.

    Raises
    ------
    Rejected
        RECORD_NOT_FOUND, NOT_THE_OWNER, ROLE_REQUIRED, DATASET_WITHDRAWN, TIME_RUNS_BACKWARDS.
    """
    known = _own(ctx, message.id)
    return _changed(ctx, msgspec.structs.replace(known, status=DatasetStatus.WITHDRAWN))


@contract.query
def get(ctx: Context, message: OneDataset) -> Dataset:
    """Return one dataset, also a withdrawn one."""
    return DATASETS.load(ctx.state, message.id)


@contract.query
def page(ctx: Context, message: DatasetsAfter) -> DatasetPage:
    """Return a page of datasets, of one category or all."""
    if message.category is None:
        found = islice(DATASETS.scan(ctx.state, after=message.after), message.limit)
        return DatasetPage(datasets=list(found))
    listings = islice(LISTINGS.scan(ctx.state, message.category, after=message.after), message.limit)
    return DatasetPage(datasets=[DATASETS.load(ctx.state, listing.dataset) for listing in listings])


def dataset(ctx: Context, identifier: str) -> Dataset:
    """Return a dataset that can be used now, or refuse (RECORD_NOT_FOUND, DATASET_WITHDRAWN)."""
    found = DATASETS.load(ctx.state, identifier)
    if found.status is not DatasetStatus.PUBLISHED:
        raise Rejected(DATASET_WITHDRAWN, dataset=found.id)
    return found


def rows_at(profile: Dataset, time_ms: int) -> int:
    """Return how many records a dataset had at a time (of a task's creation), by what was registered then.

    Raises
    ------
    Rejected
        NOT_YET_PUBLISHED if it was published later.
    """
    for size in reversed(profile.sizes):
        if size.since_ms <= time_ms:
            return size.rows
    raise Rejected(NOT_YET_PUBLISHED, dataset=profile.id, published_ms=profile.published_ms, time_ms=time_ms)


def _own(ctx: Context, identifier: str) -> Dataset:
    known = DATASETS.load(ctx.state, identifier)
    ctx.caller.require_organisation(known.owner)
    ctx.caller.require_role("admin", "member")
    if known.status is not DatasetStatus.PUBLISHED:
        raise Rejected(DATASET_WITHDRAWN, dataset=known.id)
    ctx.not_before(known.changed_ms)
    return known


def _changed(ctx: Context, profile: Dataset) -> Dataset:
    changed = msgspec.structs.replace(profile, changed_ms=ctx.time_ms, revision=profile.revision + 1)
    ctx.emit(
        DatasetChanged(id=changed.id, rows=changed.rows, revision=changed.revision, status=changed.status)
    )
    return DATASETS.save(ctx.state, changed)


def _checked_fields(fields: Sequence[Field]) -> Fields:
    _refuse_repetition([field.name for field in fields])
    for field in fields:
        low, high = field.low_milli, field.high_milli
        if (low is None) != (high is None) or (low is not None and high is not None and low > high):
            raise Rejected(EMPTY_RANGE, field=field.name, low_milli=low, high_milli=high)
    return tuple(fields)


def _sorted_terms(terms: Terms) -> Terms:
    _refuse_repetition([term.hash for term in terms])
    return tuple(sorted(terms, key=lambda term: term.hash))


def _refuse_repetition(names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        repeated = next(name for i, name in enumerate(names) if name in names[:i])
        raise Rejected(REPEATED_ENTRY, entry=repeated)
