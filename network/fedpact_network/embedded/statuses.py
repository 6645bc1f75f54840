"""How a Fabric peer's gateway says no: a status and a text for every refusal, by what was asked.

The peers' own answers travel beside, in `ErrorDetail`s. What Fabric has no refusal for gets the status of its
nearest one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from fedpact.gateway.transport import Status, TransportError
from fedpact_network.embedded.errors import Refusal, RefusalCode

log = logging.getLogger(__name__)

Texts = Mapping[RefusalCode, tuple[Status, str]]
"""Status and text of each refusal; `{message}` stands for the node's own words."""

_C = RefusalCode
_UNDERIVABLE = "no combination of peers can be derived which satisfy the endorsement policy: {message}"
_TOO_FEW = "failed to collect enough transaction endorsements, see attached details for more info"
_ENDORSE_FAILED = (Status.ABORTED, "failed to endorse transaction, see attached details for more info")
_EVALUATE_FAILED = (Status.FAILED_PRECONDITION, "evaluate call to endorser returned error: {message}")
_ORDERER_FAILED = (Status.UNAVAILABLE, "no orderers could successfully process transaction")


def _orderer_refused(status: str) -> tuple[Status, str]:
    return (
        Status.ABORTED,
        f"received unsuccessful response from orderer: status={status}, info={{message}}",
    )


ANY: Texts = MappingProxyType(
    {
        _C.MALFORMED: (Status.INVALID_ARGUMENT, "{message}"),
        _C.UNKNOWN_CHANNEL: (Status.NOT_FOUND, "{message}"),
        _C.UNKNOWN_CHAINCODE: (Status.FAILED_PRECONDITION, "{message}"),
        _C.NOT_DEFINED: (Status.FAILED_PRECONDITION, "{message}"),
        _C.OTHER_CODE_AGREED: (Status.FAILED_PRECONDITION, "{message}"),
        _C.ACCESS_DENIED: (Status.PERMISSION_DENIED, "{message}"),
        _C.POLICY_UNSATISFIED: (Status.PERMISSION_DENIED, "{message}"),
        _C.CLOCK_OFF: (Status.FAILED_PRECONDITION, "{message}"),
        _C.DUPLICATE: (Status.ALREADY_EXISTS, "{message}"),
        _C.TOO_LARGE: (Status.INVALID_ARGUMENT, "{message}"),
        _C.NO_ENDORSERS: (Status.FAILED_PRECONDITION, "{message}"),
        _C.CONTRACT_REFUSED: (Status.UNKNOWN, "{message}"),
        _C.ENDORSERS_FAILED: (Status.ABORTED, _TOO_FEW),
        _C.NOT_DISSEMINATED: (Status.ABORTED, "{message}"),
        _C.RESULTS_DIFFER: (Status.ABORTED, "failed to assemble transaction: {message}"),
        _C.CONFIG_REFUSED: (Status.INVALID_ARGUMENT, "{message}"),
        _C.NOT_COMMITTED_YET: (Status.DEADLINE_EXCEEDED, "context deadline exceeded"),
        _C.ORDERERS_FAILED: _ORDERER_FAILED,
        _C.OVERLOADED: (Status.RESOURCE_EXHAUSTED, "{message}"),
        _C.STOPPED: (Status.UNAVAILABLE, "{message}"),
    }
)
"""Where an operation has no text of its own; also for requests of events and of a commit's status."""

EVALUATE: Texts = MappingProxyType(
    {
        **ANY,
        _C.MALFORMED: (Status.INVALID_ARGUMENT, "failed to unpack transaction proposal: {message}"),
        _C.UNKNOWN_CHANNEL: (Status.UNAVAILABLE, "failed to get config for channel: {message}"),
        _C.UNKNOWN_CHAINCODE: (Status.FAILED_PRECONDITION, "no peers available to evaluate: {message}"),
        _C.ACCESS_DENIED: _EVALUATE_FAILED,
        _C.POLICY_UNSATISFIED: _EVALUATE_FAILED,
        _C.CLOCK_OFF: _EVALUATE_FAILED,
        _C.DUPLICATE: _EVALUATE_FAILED,
        _C.CONTRACT_REFUSED: (Status.UNKNOWN, "evaluate call to endorser returned error: {message}"),
    }
)

ENDORSE: Texts = MappingProxyType(
    {
        **ANY,
        _C.UNKNOWN_CHANNEL: (Status.FAILED_PRECONDITION, _UNDERIVABLE),
        _C.UNKNOWN_CHAINCODE: (Status.FAILED_PRECONDITION, _UNDERIVABLE),
        _C.NO_ENDORSERS: (Status.FAILED_PRECONDITION, _UNDERIVABLE),
        _C.ACCESS_DENIED: _ENDORSE_FAILED,
        _C.POLICY_UNSATISFIED: _ENDORSE_FAILED,
        _C.CLOCK_OFF: _ENDORSE_FAILED,
        _C.CONTRACT_REFUSED: _ENDORSE_FAILED,
        _C.DUPLICATE: _ENDORSE_FAILED,
        _C.TOO_LARGE: _ENDORSE_FAILED,
        _C.NOT_DISSEMINATED: _ENDORSE_FAILED,
    }
)

ENDORSE_NAMED: Texts = MappingProxyType(
    {**ENDORSE, _C.NO_ENDORSERS: (Status.UNAVAILABLE, "failed to find any endorsing peers: {message}")}
)
"""Where the client names the organisations that are to endorse."""

SUBMIT: Texts = MappingProxyType(
    {
        **ANY,
        _C.UNKNOWN_CHANNEL: (Status.FAILED_PRECONDITION, "failed to get config for channel: {message}"),
        _C.MALFORMED: _orderer_refused("BAD_REQUEST"),
        _C.TOO_LARGE: _orderer_refused("BAD_REQUEST"),
        _C.DUPLICATE: _orderer_refused("BAD_REQUEST"),
        _C.CONFIG_REFUSED: _orderer_refused("BAD_REQUEST"),
        _C.ACCESS_DENIED: _orderer_refused("FORBIDDEN"),
        _C.POLICY_UNSATISFIED: _orderer_refused("FORBIDDEN"),
        _C.OVERLOADED: _ORDERER_FAILED,
        _C.STOPPED: _ORDERER_FAILED,
    }
)

FOLLOW: Texts = MappingProxyType({**ANY, _C.UNKNOWN_CHANNEL: (Status.PERMISSION_DENIED, "{message}")})
"""Requests of a commit's status and of events: who may ask is a matter of the channel's policies."""

VERDICT: Texts = MappingProxyType({**ANY, _C.OVERLOADED: (Status.UNAVAILABLE, "{message}")})
"""Waiting for the verdict on what was taken: no answer may sound as if it had not been."""


def transport_error(refusal: Refusal, texts: Texts = ANY) -> TransportError:
    """Return what a client is told."""
    status, text = texts[refusal.code]
    return TransportError(status, text.format(message=refusal.message), refusal.answers)


@contextmanager
def answering(texts: Texts = ANY) -> Iterator[None]:
    """Turn refusals, and whatever should not happen, into `TransportError`."""
    try:
        yield
    except Refusal as refusal:
        raise transport_error(refusal, texts) from refusal
    except TransportError:
        raise
    except Exception as error:
        log.exception("a call failed inside the node")
        raise TransportError(Status.INTERNAL, f"the node failed: {type(error).__name__}") from error
