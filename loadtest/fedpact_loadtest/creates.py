"""The benchmark's chaincode: one transaction that reads an absent key, writes it, and publishes one event."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.contract import Context, Contract, Event, Id, Message
from fedpact_chaincode.errors import RECORD_EXISTS, Rejected

NAME = "benchmark"
"""The chaincode's name on the channel: the namespace of its state."""
CREATE = f"{NAME}:create"
MAX_VALUE_BYTES = 64 << 10

contract = Contract(NAME, "Values under new keys, for measuring a ledger.")


class Create(Message, frozen=True, kw_only=True):
    """Write a value under a key that does not exist yet.

    Attributes
    ----------
    key : the new key.
    value : ASCII text; it is stored as it is, without a record around it.
    """

    key: Id
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_VALUE_BYTES, pattern=r"^[ -~]+\Z")]


class Created(Event, frozen=True, kw_only=True):
    """A value was written."""

    key: str


@contract.transaction
def create(ctx: Context, message: Create) -> None:
    """Write a value; refuse (RECORD_EXISTS) a key that is there."""
    if ctx.state.get(message.key) is not None:
        raise Rejected(RECORD_EXISTS, record=NAME, key=[message.key])
    ctx.state.put(message.key, message.value.encode())
    ctx.emit(Created(key=message.key))


def chaincode() -> Chaincode:
    """Return the chaincode, for a node and for the audit."""
    return Chaincode([contract])


def message(key: str, value: str) -> bytes:
    """Return the argument of `CREATE`."""
    return msgspec.json.encode(Create(key=key, value=value))
