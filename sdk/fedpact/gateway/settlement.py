"""Flows from a proposal, or an endorsed transaction, to a certain outcome.

A call that timed out after submitting did not fail: its outcome is unknown. The same signed envelope may be
looked up and sent again as often as needed, because its transaction id makes it idempotent; a new proposal
could do the same thing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from fedpact.gateway.commit import Result
from fedpact.gateway.connection import Terms
from fedpact.gateway.errors import CommitError, CommitStatusError, OutcomeUnknown, SubmitError
from fedpact.gateway.flows import Flow, Pause
from fedpact.gateway.proposal import ProposalStage
from fedpact.gateway.transaction import TransactionStage

log = logging.getLogger(__name__)

T = TypeVar("T")


def commit(terms: Terms, function: str, propose: Callable[[], ProposalStage]) -> Flow[Result]:
    """Execute a function and wait until it is committed; a conflict leads to a new proposal.

    Parameters
    ----------
    terms : who acts, how patiently.
    function : its name, for the log.
    propose : makes a new proposal.

    Raises
    ------
    Rejected, EndorseError, SubmitError
        Nothing was changed.
    CommitError
        The transaction is invalid, or still conflicted after all retries.
    OutcomeUnknown
        All attempts ended without a verdict.
    """
    conflicts = 0
    while True:
        prepared = yield from propose().endorsing()
        try:
            result = yield from settle(terms, TransactionStage(terms, prepared))
        except CommitError as error:
            conflicts += 1
            if not error.conflict or conflicts > terms.retries.conflicts:
                raise
            log.info("transaction %s %s: %s, again", error.transaction_id, function, error.code.name)
            yield Pause(terms.retries.wait_s(conflicts))
        else:
            log.info("transaction %s %s: block %d", result.transaction_id, function, result.block_number)
            return result


def hand_over(terms: Terms, proposal: ProposalStage) -> Flow[TransactionStage]:
    """Have a proposal endorsed and submit it; send the same envelope again while it is undecided.

    Raises
    ------
    Rejected, EndorseError, SubmitError
        Nothing was changed.
    OutcomeUnknown
        All attempts ended undecided.
    """
    transaction = TransactionStage(terms, (yield from proposal.endorsing()))
    yield from _insist(terms, transaction, transaction.submitting, transaction.submitting)
    return transaction


def settle(terms: Terms, transaction: TransactionStage) -> Flow[Result]:
    """Submit and wait for the verdict; look up and send the same envelope again while the outcome is unknown.

    Raises
    ------
    SubmitError
        The orderer refused; nothing was changed.
    CommitError
        The transaction is invalid.
    OutcomeUnknown
        All attempts ended without a verdict.
    """

    def again() -> Flow[Result]:
        return _find(terms, transaction)

    return _insist(terms, transaction, transaction.committing, again)


def resume(terms: Terms, transaction: TransactionStage) -> Flow[Result]:
    """Go on with a transaction whose outcome is unknown: look it up first.

    Raises
    ------
    CommitError
        The transaction is invalid.
    OutcomeUnknown
        All attempts ended without a verdict.
    """

    def attempt() -> Flow[Result]:
        return _find(terms, transaction)

    try:
        return (yield from _insist(terms, transaction, attempt, attempt))
    except SubmitError as error:  # an earlier process may have submitted it: a refusal now does not tell
        raise OutcomeUnknown(transaction.transaction_id, transaction.to_bytes(), error) from error


def _find(terms: Terms, transaction: TransactionStage) -> Flow[Result]:
    """Look the transaction up; only if there is no verdict, send its envelope again and wait."""
    commit = transaction.stage_of_commit()
    try:
        return (yield from commit.concluding(terms.deadlines.lookup_s))
    except CommitStatusError as error:
        if not error.undecided:
            raise
    return (yield from transaction.committing())


def _insist(
    terms: Terms,
    transaction: TransactionStage,
    first: Callable[[], Flow[T]],
    again: Callable[[], Flow[T]],
) -> Flow[T]:
    doubt: SubmitError | CommitStatusError
    try:
        return (yield from first())
    except SubmitError as error:
        if not error.undecided:
            raise
        doubt = error
    except CommitStatusError as error:
        doubt = error
    for attempt in range(1, terms.retries.resends + 1):
        if not doubt.undecided:
            break  # a refusal now does not tell whether an earlier attempt has arrived
        log.info("transaction %s: outcome unknown after %s", transaction.transaction_id, doubt.status)
        yield Pause(terms.retries.wait_s(attempt))
        try:
            return (yield from again())
        except (SubmitError, CommitStatusError) as error:
            doubt = error
    raise OutcomeUnknown(transaction.transaction_id, transaction.to_bytes(), doubt) from doubt
