"""What is kept of sharing: grants, requests, cached models, deliveries."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Contract, Count, Digest, Id, Name, Nanos, Text, TimeMs
from fedpact_chaincode.contracts.registry import Mspid, PublicKey
from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.state import Map, Record

contract = Contract("sharing", "Who may learn from which data; requests, cached models, deliveries (Lu II.B)")

Datasets = Annotated[
    tuple[Id, ...], msgspec.Meta(min_length=1, max_length=10_000, description="ids of datasets, in order")
]


class GrantStatus(StrEnum):
    """A grant is active until its owner revokes it, or until it expires."""

    ACTIVE = "active"
    REVOKED = "revoked"


class Outcome(StrEnum):
    """How a request was answered: by a model that was there, or why by none."""

    HIT = "hit"
    UNKNOWN = "unknown"
    TOO_OLD = "too_old"
    NOT_GRANTED = "not_granted"


class Grant(Record, frozen=True, kw_only=True):
    """An owner's consent: the requester may have models trained on the dataset, for one purpose.

    Attributes
    ----------
    dataset_id : whose owner consents.
    requester : mspid of the organisation that may request.
    purpose : the category of the tasks that are covered.
    conditions : what the owner asks of the requester, in words.
    expires_ms : the first millisecond that is not covered.
    status : see `GrantStatus`.
    granted_by, granted_ms : who consented to this version, and when.
    changed_ms : its latest change.
    """

    dataset_id: Id
    requester: Mspid
    purpose: Name
    conditions: Text
    expires_ms: TimeMs
    status: GrantStatus
    granted_by: Id
    granted_ms: TimeMs
    changed_ms: TimeMs


class CachedModel(Record, frozen=True, kw_only=True):
    """The result of a completed task: it can answer the same request again (Lu II.B).

    Attributes
    ----------
    fingerprint : of the request that it answers, canonical.
    task_id : what it was trained by.
    requester : mspid of the organisation that asked for it first.
    category : the task's.
    model, location : SHA-256 of the model, and where it rests (encrypted).
    datasets : what it was trained on.
    quality_nano : approved accuracy or MAE, 1e-9.
    completed_ms : when it was approved.
    """

    fingerprint: Digest
    task_id: Id
    requester: Mspid
    category: Name
    model: Digest
    location: Text
    datasets: Datasets
    quality_nano: Nanos
    completed_ms: TimeMs

    @property
    def providers(self) -> list[str]:
        """Mspids of the organisations whose data it was trained on, in order."""
        return sorted({dataset.partition("/")[0] for dataset in self.datasets})


class Request(Record, frozen=True, kw_only=True):
    """A sharing request and its immediate answer.

    Attributes
    ----------
    id : `mspid/name`.
    requester : mspid of who asks; `requested_by` its caller, for whose `public_key` a model is encrypted.
    fingerprint : canonical hash of what is asked for.
    category : of the data, and the purpose that grants must cover.
    max_age_ms : age at which a cached model is of no use any more.
    outcome : see `Outcome`.
    task_id, model, location : of the cached model, on a hit.
    hits, misses : requests with this fingerprint up to and including this one.
    time_ms : when.
    """

    id: Id
    requester: Mspid
    requested_by: Id
    public_key: PublicKey
    fingerprint: Digest
    category: Name
    max_age_ms: Count
    outcome: Outcome
    task_id: Id | None
    model: Digest | None
    location: Text | None
    hits: Count
    misses: Count
    time_ms: TimeMs


class Tally(Record, frozen=True, kw_only=True):
    """How often a fingerprint was asked for."""

    fingerprint: Digest
    hits: Count = 0
    misses: Count = 0


class Delivery(Record, frozen=True, kw_only=True):
    """A sharing transaction: that a model was handed to who asked for it (Lu, Fig. 4).

    Attributes
    ----------
    request_id : what it answers.
    requester : mspid of who received it.
    holder : who handed it over.
    providers, datasets : whose data, and which, the model was trained on.
    category, fingerprint : of the request.
    task_id, model : what was handed over.
    note : how it can be opened, as the place of the wrapped key; nothing secret.
    time_ms : when.
    """

    request_id: Id
    requester: Mspid
    holder: Id
    providers: tuple[Mspid, ...]
    datasets: Datasets
    category: Name
    fingerprint: Digest
    task_id: Id
    model: Digest
    note: Text
    time_ms: TimeMs


GRANTS = Map("sharing.grant", Grant, key=("dataset_id", "requester", "purpose"))
CACHE = Map("sharing.cache", CachedModel, key=("fingerprint", "task_id"))
REQUESTS = Map("sharing.request", Request, key=("id",))
TALLIES = Map("sharing.tally", Tally, key=("fingerprint",))
DELIVERIES = Map("sharing.delivery", Delivery, key=("request_id",))

NOT_GRANTED = code(
    250,
    "NOT_GRANTED",
    Kind.FORBIDDEN,
    "the owner has not granted the dataset to the requester for that purpose",
)
GRANT_EXPIRED = code(251, "GRANT_EXPIRED", Kind.FORBIDDEN, "the grant has expired")
GRANT_REVOKED = code(252, "GRANT_REVOKED", Kind.FORBIDDEN, "the grant was revoked by the owner")
EXPIRY_PASSED = code(253, "EXPIRY_PASSED", Kind.INVALID_ARGUMENT, "the grant would expire before it begins")
NOT_THE_HOLDER = code(
    254,
    "NOT_THE_HOLDER",
    Kind.FORBIDDEN,
    "the caller's organisation neither trained the model nor asked for it",
)
NOT_THE_ANSWER = code(255, "NOT_THE_ANSWER", Kind.INVALID_ARGUMENT, "the model does not answer the request")
DELIVERED_ALREADY = code(256, "DELIVERED_ALREADY", Kind.CONFLICT, "the request has been answered")
