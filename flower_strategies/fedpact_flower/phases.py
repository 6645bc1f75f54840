"""What server and clients say to each other besides models: one record of a round in every message.

=================  ====================================================  ==============================
phase              the message carries                                   the reply carries
=================  ====================================================  ==============================
train              the round; the strategy's own records                 the update; its recorded hash
query.identify     a challenge                                           ledger id and signature
query.mutual_...   the round; what to score; those models by position    scores by position
query.seal         the round; the global model's hash                    nothing
query.approve      the round; the final model                            the member's own quality
=================  ====================================================  ==============================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from flwr.app import ConfigRecord, Message, RecordDict

IDENTIFY = "query.identify"
MUTUAL_VALIDATE = "query.mutual_validate"
SEAL = "query.seal"
APPROVE = "query.approve"

ROUND = "fedpact.round"
"""Key of the round's record in a message."""
RECORDED = "fedpact.recorded"
"""Key of what a client says it recorded, in its reply to a training message."""
ANSWER = "fedpact.answer"
"""Key of the record that answers a query."""
QUESTION = "fedpact.question"
"""Key of the record that holds a query's details."""
MODEL = "fedpact.model"
"""Key of the one model of a query."""


@dataclass(frozen=True, slots=True)
class RoundCall:
    """The round that a message belongs to.

    Attributes
    ----------
    task_id : on the ledger; empty without one.
    number : of the round, from 1.
    time_ms : the server's clock; simulated clients set theirs by it.
    """

    task_id: str
    number: int
    time_ms: int

    def record(self) -> ConfigRecord:
        """Return the record that carries it."""
        return ConfigRecord({"task_id": self.task_id, "round": self.number, "time_ms": self.time_ms})

    @classmethod
    def of(cls, message: Message) -> Self | None:
        """Return the round of a message; None if it carries none."""
        record = message.content.config_records.get(ROUND)
        return None if record is None else cls._read(record)

    @classmethod
    def expected(cls, message: Message) -> Self:
        """Return the round of a message that must carry one.

        Raises
        ------
        ValueError
            It does not.
        """
        call = cls.of(message)
        if call is None:
            raise ValueError(f"a message of type {message.metadata.message_type} names no round")
        return call

    @classmethod
    def _read(cls, record: ConfigRecord) -> Self:
        return cls(str(record["task_id"]), _integer(record, "round"), _integer(record, "time_ms"))


def score_key(position: int) -> str:
    """Return the key under which a message carries the model of the participant at a position."""
    return f"{MODEL}.{position}"


def integers(record: ConfigRecord, key: str) -> list[int]:
    """Return a list of integers of a record.

    Raises
    ------
    ValueError
        Something else is there.
    """
    values = record.get(key)
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise ValueError(f"{key} is no list of integers")
    return [value for value in values if isinstance(value, int)]


def text(record: ConfigRecord, key: str) -> str:
    """Return a text of a record.

    Raises
    ------
    ValueError
        Something else is there.
    """
    value = record.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key} is no text")
    return value


def octets(record: ConfigRecord, key: str) -> bytes:
    """Return a byte string of a record.

    Raises
    ------
    ValueError
        Something else is there.
    """
    value = record.get(key)
    if not isinstance(value, bytes):
        raise ValueError(f"{key} is no byte string")
    return value


def record_in(content: RecordDict, key: str) -> ConfigRecord:
    """Return a record of a message's content; an empty one if it is not there."""
    found = content.config_records.get(key)
    return ConfigRecord() if found is None else found


def _integer(record: ConfigRecord, key: str) -> int:
    value = record[key]
    if type(value) is not int:
        raise ValueError(f"{key} is no integer")
    return value
