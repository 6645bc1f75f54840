"""What the catalogue keeps: profiles of datasets, never their content."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Contract, Count, Digest, Id, Name, Text, TimeMs
from fedpact_chaincode.contracts.registry import Mspid, PublicKey
from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.state import Map, Record

contract = Contract("catalog", "Profiles of datasets, by which they are found (Lu III.B)")

MAX_FIELDS = 512
MAX_TERMS = 256
MAX_SIZES = 256
Milli = Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15, description="thousandths of the unit")]


class Form(StrEnum):
    """The form of a dataset's records (Lu III.B, data types)."""

    TABULAR = "tabular"
    TEXT = "text"
    IMAGE = "image"


class DatasetStatus(StrEnum):
    """Published, or withdrawn for good."""

    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Field(Record, frozen=True, kw_only=True):
    """One field of a dataset's records: its name, unit, and range in thousandths of the unit.

    `low` and `high` are None where the field is no number.
    """

    name: Name
    unit: Annotated[str, msgspec.Meta(max_length=64)] = ""
    low_milli: Milli | None = None
    high_milli: Milli | None = None


class Term(Record, frozen=True, kw_only=True):
    """One representative term of a dataset: a keyed hash (never the term) and its quantised TF-IDF."""

    hash: Digest
    weight: Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class Size(Record, frozen=True, kw_only=True):
    """How many records the dataset had from a time on."""

    since_ms: TimeMs
    rows: Annotated[int, msgspec.Meta(ge=1, le=10**12)]


Fields = Annotated[tuple[Field, ...], msgspec.Meta(max_length=MAX_FIELDS)]
Terms = Annotated[tuple[Term, ...], msgspec.Meta(max_length=MAX_TERMS)]


class Dataset(Record, frozen=True, kw_only=True):
    """A retrieval transaction's content: the profile of a dataset (Lu, Fig. 4).

    Attributes
    ----------
    id : `mspid/name`.
    owner : the organisation's mspid.
    custodian : id of the node that keeps the data and trains on it.
    public_key : the custodian's, when the profile was published.
    category, form : what it is about, and in which form.
    fields : of its records; empty for text and images.
    terms : the profile, in order of hash.
    description : free text; nothing secret.
    sizes : its size through time, oldest first; the last one is current.
    published_ms, changed_ms : first and latest transaction.
    revision : how often it was changed, from 1.
    status : see `DatasetStatus`.
    """

    id: Id
    owner: Mspid
    custodian: Id
    public_key: PublicKey
    category: Name
    form: Form
    fields: Fields
    terms: Terms
    description: Text
    sizes: Annotated[tuple[Size, ...], msgspec.Meta(min_length=1, max_length=MAX_SIZES)]
    published_ms: TimeMs
    changed_ms: TimeMs
    revision: Count
    status: DatasetStatus

    @property
    def rows(self) -> int:
        """How many records it has now."""
        return self.sizes[-1].rows


class Listing(Record, frozen=True, kw_only=True):
    """That a dataset belongs to a category: the index by category."""

    category: Name
    dataset: Id


DATASETS = Map("catalog.dataset", Dataset, key=("id",))
LISTINGS = Map("catalog.listing", Listing, key=("category", "dataset"))

DATASET_WITHDRAWN = code(
    150, "DATASET_WITHDRAWN", Kind.FAILED_PRECONDITION, "the dataset was withdrawn by its owner"
)
NOT_YET_PUBLISHED = code(
    151, "NOT_YET_PUBLISHED", Kind.FAILED_PRECONDITION, "the dataset was published later than that"
)
TOO_MANY_SIZES = code(
    152, "TOO_MANY_SIZES", Kind.FAILED_PRECONDITION, "the size changed too often; publish a new dataset"
)
FOREIGN_CUSTODIAN = code(
    153, "FOREIGN_CUSTODIAN", Kind.FORBIDDEN, "the custodian is a node of another organisation"
)
REPEATED_ENTRY = code(154, "REPEATED_ENTRY", Kind.INVALID_ARGUMENT, "a term or field occurs more than once")
EMPTY_RANGE = code(155, "EMPTY_RANGE", Kind.INVALID_ARGUMENT, "a field's range is half open or empty")
NOTHING_CHANGED = code(156, "NOTHING_CHANGED", Kind.INVALID_ARGUMENT, "the update changes nothing")
