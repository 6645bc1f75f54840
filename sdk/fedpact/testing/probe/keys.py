"""Public keys as Fabric treats them: pages, composite keys, endorsement policies of single keys."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fedpact.testing.probe.cells import Content, Key, Span
from fedpact_chaincode.composite_keys import create_composite_key, partial_range, split_composite_key
from fedpact_chaincode.contract import Context, Contract, Message, Result

Attributes = Annotated[list[Annotated[str, msgspec.Meta(max_length=160)]], msgspec.Meta(max_length=16)]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=1_000)]

contract = Contract("keys", "Pages, composite keys, policies of keys")


class PageOf(Span, frozen=True, kw_only=True):
    """A page of a range."""

    size: PageSize
    bookmark: Key = ""


class Composite(Message, frozen=True, kw_only=True):
    """A composite key, and the value to write there; None removes it."""

    kind: Key
    attributes: Attributes
    value: Content | None = None


class Partial(Message, frozen=True, kw_only=True):
    """The first parts of composite keys, and which page of them; size 0: all at once."""

    kind: Key
    attributes: Attributes
    size: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0
    bookmark: Key = ""


class KeyPolicy(Message, frozen=True, kw_only=True):
    """A key, and its endorsement policy, hex; empty for the chaincode's."""

    key: Key
    policy: Content = ""


class Page(Result, frozen=True, kw_only=True):
    """Rows in the order of their keys, and the bookmark of the page after them; empty after the last."""

    rows: list[tuple[str, str]]
    bookmark: str


class Parts(Result, frozen=True, kw_only=True):
    """Composite keys in their parts, with their values, and the bookmark of the page after them."""

    rows: list[tuple[str, list[str], str]]
    bookmark: str


class Protection(Result, frozen=True, kw_only=True):
    """A key's endorsement policy, hex; None where the chaincode's counts."""

    policy: str | None


@contract.query
def page(ctx: Context, message: PageOf) -> Page:
    """Return a page of a range."""
    rows, bookmark = ctx.state.page(message.start, message.end, message.size, message.bookmark)
    return Page(rows=[(key, value.decode()) for key, value in rows], bookmark=bookmark)


@contract.transaction
def page_and_write(ctx: Context, message: PageOf) -> None:
    """Refused (READS_WITHOUT_PROTECTION): who reads pages writes nothing."""
    rows, _ = ctx.state.page(message.start, message.end, message.size, message.bookmark)
    ctx.state.put("paged", f"{len(rows)}".encode())


@contract.transaction
def write(ctx: Context, message: Composite) -> None:
    """Write or remove a composite key."""
    key = create_composite_key(message.kind, message.attributes)
    if message.value is None:
        ctx.state.delete(key)
    else:
        ctx.state.put(key, message.value.encode())


@contract.query
def partial(ctx: Context, message: Partial) -> Parts:
    """Return the composite keys that begin with these parts."""
    start, end = partial_range(message.kind, message.attributes)
    if message.size:
        rows, bookmark = ctx.state.page(start, end, message.size, message.bookmark)
    else:
        rows, bookmark = list(ctx.state.range(start, end)), ""
    found = []
    for key, value in rows:
        kind, attributes = split_composite_key(key)
        found.append((kind, list(attributes), value.decode()))
    return Parts(rows=found, bookmark=bookmark)


@contract.transaction
def protect(ctx: Context, message: KeyPolicy) -> None:
    """Give a key its own endorsement policy."""
    ctx.state.set_validation_parameter(message.key, bytes.fromhex(message.policy))


@contract.query
def protection(ctx: Context, message: KeyPolicy) -> Protection:
    """Return a key's own endorsement policy."""
    found = ctx.state.validation_parameter(message.key)
    return Protection(policy=None if found is None else found.hex())
