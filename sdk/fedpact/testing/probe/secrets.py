"""Private data: values in collections, which come in as transient data and never go on the ledger."""

from __future__ import annotations

from fedpact.testing.probe.cells import Content, Key, Rows, Span
from fedpact_chaincode.contract import Context, Contract, Id, Message, Result
from fedpact_chaincode.errors import MALFORMED_MESSAGE, Rejected

contract = Contract("secrets", "Values in collections of private data")

VALUE = "value"
"""The name of the transient value."""


class Place(Message, frozen=True, kw_only=True):
    """Name a private key."""

    collection: Id
    key: Key


class PrivateSpan(Span, frozen=True, kw_only=True):
    """A range of private keys."""

    collection: Id


class Policy(Message, frozen=True, kw_only=True):
    """An endorsement policy of a private key, hex; empty for the collection's."""

    collection: Id
    key: Key
    policy: Content


class Found(Result, frozen=True, kw_only=True):
    """A value, hash (hex) or policy (hex); None where there is none."""

    value: str | None


@contract.transaction
def put(ctx: Context, message: Place) -> None:
    """Write the transient value."""
    value = ctx.transient.get(VALUE)
    if not value:
        raise Rejected(MALFORMED_MESSAGE, reason="no transient value")
    ctx.private(message.collection).put(message.key, value)


@contract.transaction
def remove(ctx: Context, message: Place) -> None:
    """Remove a private key."""
    ctx.private(message.collection).delete(message.key)


@contract.transaction
def purge(ctx: Context, message: Place) -> None:
    """Remove a private key with all its past."""
    ctx.private(message.collection).purge(message.key)


@contract.transaction
def copy(ctx: Context, message: Place) -> None:
    """Write a private value once more under the key with an apostrophe: a private read and a write."""
    private = ctx.private(message.collection)
    value = private.get(message.key)
    if value is not None:
        private.put(message.key + "'", value)


@contract.transaction
def publish(ctx: Context, message: Place) -> None:
    """Write the hash of a private value under its plain public key, which any node can execute."""
    digest = ctx.private(message.collection).hash(message.key)
    if digest is None:
        ctx.state.delete(message.key)
    else:
        ctx.state.put(message.key, digest.hex().encode())


@contract.transaction
def protect(ctx: Context, message: Policy) -> None:
    """Give a private key its own endorsement policy."""
    ctx.private(message.collection).set_validation_parameter(message.key, bytes.fromhex(message.policy))


@contract.query
def read(ctx: Context, message: Place) -> Found:
    """Return a private value."""
    value = ctx.private(message.collection).get(message.key)
    return Found(value=None if value is None else value.decode())


@contract.query
def digest(ctx: Context, message: Place) -> Found:
    """Return the hash of a private value."""
    found = ctx.private(message.collection).hash(message.key)
    return Found(value=None if found is None else found.hex())


@contract.query
def span(ctx: Context, message: PrivateSpan) -> Rows:
    """Return the private rows of a range that this node holds."""
    found = ctx.private(message.collection).range(message.start, message.end)
    return Rows(rows=[(key, value.decode()) for key, value in found])


@contract.query
def protection(ctx: Context, message: Place) -> Found:
    """Return a private key's own endorsement policy."""
    found = ctx.private(message.collection).validation_parameter(message.key)
    return Found(value=None if found is None else found.hex())
