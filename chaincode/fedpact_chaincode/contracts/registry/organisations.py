"""Founding, membership and nodes."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Context, Count, Event, Id, Message, Name, Nothing, Result, Text
from fedpact_chaincode.contracts.registry.records import (
    ALREADY_FOUNDED,
    BAD_FOUNDERS,
    BAD_THRESHOLD,
    NODE_NOT_REGISTERED,
    NODES,
    NOT_A_MEMBER,
    ORGANISATIONS,
    SETTINGS,
    UNKNOWN_ORGANISATION,
    Limit,
    Mspid,
    Node,
    NodeKind,
    Organisation,
    Settings,
    contract,
)
from fedpact_chaincode.errors import Rejected


class Founder(Message, frozen=True, kw_only=True):
    """A founding organisation."""

    mspid: Mspid
    name: Name


class Found(Message, frozen=True, kw_only=True):
    """Found the consortium. The threshold is that of the channel's configuration."""

    organisations: Annotated[list[Founder], msgspec.Meta(min_length=1, max_length=1000)]
    council_numerator: Count = 2
    council_denominator: Count = 3


class RegisterNode(Message, frozen=True, kw_only=True):
    """Register the calling node, or change what is known of it."""

    kind: NodeKind
    endpoint: Text = ""


class OneNode(Message, frozen=True, kw_only=True):
    """Ask for one node."""

    id: Id


class NodesAfter(Message, frozen=True, kw_only=True):
    """Ask for a page of nodes, in order of id."""

    after: Id | None = None
    limit: Limit = 100


class NodePage(Result, frozen=True, kw_only=True):
    """Some nodes, in order of id."""

    nodes: list[Node]


class Members(Result, frozen=True, kw_only=True):
    """All organisations, in order of mspid."""

    organisations: list[Organisation]


class ConsortiumFounded(Event, frozen=True, kw_only=True):
    """The consortium exists."""

    organisations: list[str]
    council_numerator: int
    council_denominator: int


class NodeRegistered(Event, frozen=True, kw_only=True):
    """A node is known, or known anew."""

    id: str
    kind: NodeKind
    endpoint: str


@contract.transaction
def found(ctx: Context, message: Found) -> Settings:
    """Found the consortium, once; the caller is the administrator of one of the founders.

    Raises
    ------
    Rejected
        ALREADY_FOUNDED, BAD_FOUNDERS, BAD_THRESHOLD, ROLE_REQUIRED.
    """
    ctx.caller.require_role("admin")
    if SETTINGS.has(ctx.state):
        raise Rejected(ALREADY_FOUNDED)
    mspids = [founder.mspid for founder in message.organisations]
    if len(set(mspids)) < len(mspids) or ctx.caller.mspid not in mspids:
        raise Rejected(BAD_FOUNDERS, caller=ctx.caller.mspid, organisations=mspids)
    numerator, denominator = message.council_numerator, message.council_denominator
    if not denominator <= 2 * numerator < 2 * denominator:
        raise Rejected(BAD_THRESHOLD, numerator=numerator, denominator=denominator)
    for founder in message.organisations:
        ORGANISATIONS.save(
            ctx.state, Organisation(mspid=founder.mspid, name=founder.name, since_ms=ctx.time_ms)
        )
    ctx.emit(
        ConsortiumFounded(organisations=mspids, council_numerator=numerator, council_denominator=denominator)
    )
    return SETTINGS.save(
        ctx.state,
        Settings(council_numerator=numerator, council_denominator=denominator, founded_ms=ctx.time_ms),
    )


@contract.transaction
def register_node(ctx: Context, message: RegisterNode) -> Node:
    """Register the caller as a node, or update its kind, endpoint and public key.

    Raises
    ------
    Rejected
        NOT_A_MEMBER, ROLE_REQUIRED (devices are registered by their organisation).
    """
    require_member(ctx)
    ctx.caller.require_role("admin", "member", "manager", "validator")
    known = NODES.get(ctx.state, ctx.caller.id)
    node = Node(
        id=ctx.caller.id,
        mspid=ctx.caller.mspid,
        kind=message.kind,
        endpoint=message.endpoint,
        public_key=ctx.caller.public_key,
        since_ms=known.since_ms if known else ctx.time_ms,
    )
    ctx.emit(NodeRegistered(id=node.id, kind=node.kind, endpoint=node.endpoint))
    return NODES.save(ctx.state, node)


@contract.query
def settings(ctx: Context, message: Nothing) -> Settings:
    """Return what the founders agreed on; RECORD_NOT_FOUND before the founding."""
    return SETTINGS.load(ctx.state)


@contract.query
def members(ctx: Context, message: Nothing) -> Members:
    """Return all organisations."""
    return Members(organisations=organisations(ctx))


@contract.query
def node(ctx: Context, message: OneNode) -> Node:
    """Return one node."""
    return require_node(ctx, message.id)


@contract.query
def nodes(ctx: Context, message: NodesAfter) -> NodePage:
    """Return a page of nodes."""
    return NodePage(nodes=list(islice(NODES.scan(ctx.state, after=message.after), message.limit)))


def organisations(ctx: Context) -> list[Organisation]:
    """Return all organisations, in order of mspid."""
    return list(ORGANISATIONS.scan(ctx.state))


def require_member(ctx: Context) -> Organisation:
    """Return the caller's organisation, or refuse (NOT_A_MEMBER)."""
    organisation = ORGANISATIONS.get(ctx.state, ctx.caller.mspid)
    if organisation is None:
        raise Rejected(NOT_A_MEMBER, caller=ctx.caller.id)
    return organisation


def require_organisation(ctx: Context, mspid: str) -> Organisation:
    """Return an organisation, or refuse (UNKNOWN_ORGANISATION)."""
    organisation = ORGANISATIONS.get(ctx.state, mspid)
    if organisation is None:
        raise Rejected(UNKNOWN_ORGANISATION, mspid=mspid)
    return organisation


def require_node(ctx: Context, identifier: str) -> Node:
    """Return a registered node, or refuse (NODE_NOT_REGISTERED)."""
    found = NODES.get(ctx.state, identifier)
    if found is None:
        raise Rejected(NODE_NOT_REGISTERED, node=identifier)
    return found
