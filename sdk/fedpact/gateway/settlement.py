"""From an endorsed transaction to a certain outcome.

A call that timed out after submitting did not fail: its outcome is unknown. The same signed envelope may be
looked up and sent again as often as needed, because its transaction id makes it idempotent; a new proposal
could do the same thing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from fedpact.gateway.commit import Commit, Result
from fedpact.gateway.connection import Connection
from fedpact.gateway.errors import CommitStatusError, OutcomeUnknown, SubmitError
from fedpact.gateway.transaction import Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")


def submit(connection: Connection, transaction: Transaction) -> Commit:
    """Submit without waiting for the verdict; send the same envelope again while it is undecided.

    Raises
    ------
    SubmitError
        The orderer refused; nothing was changed.
    OutcomeUnknown
        All attempts ended undecided.
    """
    return _insist(connection, transaction, transaction.submit, transaction.submit)


def settle(connection: Connection, transaction: Transaction) -> Result:
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

    def first() -> Result:
        return transaction.submit().result()

    def again() -> Result:
        return _find(connection, transaction)

    return _insist(connection, transaction, first, again)


def resume(connection: Connection, transaction: Transaction) -> Result:
    """Go on with a transaction whose outcome is unknown: look it up first.

    Raises
    ------
    CommitError
        The transaction is invalid.
    OutcomeUnknown
        All attempts ended without a verdict.
    """

    def attempt() -> Result:
        return _find(connection, transaction)

    try:
        return _insist(connection, transaction, attempt, attempt)
    except SubmitError as error:  # an earlier process may have submitted it: a refusal now does not tell
        raise OutcomeUnknown(transaction.transaction_id, transaction.to_bytes(), error) from error


def _find(connection: Connection, transaction: Transaction) -> Result:
    """Look the transaction up; only if there is no verdict, send its envelope again and wait."""
    try:
        return transaction.commit().result(timeout_s=connection.deadlines.lookup_s)
    except CommitStatusError as error:
        if not error.undecided:
            raise
    return transaction.submit().result()


def _insist(
    connection: Connection, transaction: Transaction, first: Callable[[], T], again: Callable[[], T]
) -> T:
    doubt: SubmitError | CommitStatusError
    try:
        return first()
    except SubmitError as error:
        if not error.undecided:
            raise
        doubt = error
    except CommitStatusError as error:
        doubt = error
    for attempt in range(1, connection.retries.resends + 1):
        if not doubt.undecided:
            break  # a refusal now does not tell whether an earlier attempt has arrived
        log.info("transaction %s: outcome unknown after %s", transaction.transaction_id, doubt.status)
        connection.retries.pause(attempt)
        try:
            return again()
        except (SubmitError, CommitStatusError) as error:
            doubt = error
    raise OutcomeUnknown(transaction.transaction_id, transaction.to_bytes(), doubt) from doubt
