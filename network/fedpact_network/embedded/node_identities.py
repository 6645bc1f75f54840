"""The identities of a ledger's node, seen and replaced while no node needs them: certificates expire.

They are read and checked by the configuration that is stored, so this works where the node does not start.
A running node keeps those that it was started with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from fedpact.identity import Identity, IdentityError
from fedpact.ledger import LedgerError
from fedpact.wire.blocks import parse_block
from fedpact.wire.bundle import Bundle
from fedpact.wire.membership import Membership
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.keys import NodeKeys
from fedpact_network.embedded.sites import find_site


class NodeIdentity(NamedTuple):
    """One of a node's identities.

    Attributes
    ----------
    plays : ``peer``, ``orderer``, or ``reader``: who asks other nodes for blocks.
    id : ``<mspid>/<name>``.
    not_before_s, not_after_s : when its certificate is valid, seconds since 1970.
    fault : why it cannot play that now; empty where it can.
    """

    plays: str
    id: str
    not_before_s: float
    not_after_s: float
    fault: str


def identities(url: str, *, at_s: float | None = None) -> tuple[NodeIdentity, ...]:
    """Return a node's identities: peers by organisation, then the orderer, then the reader.

    Parameters
    ----------
    url : the ledger's.
    at_s : the moment at which they are judged, seconds since 1970; default now.

    Raises
    ------
    LedgerError
        KEYS_UNUSABLE where they cannot be read; as `EmbeddedBackend.inspect`.
    """
    membership, keys = _membership(url), _load(url)
    moment_s = time.time() if at_s is None else at_s
    return tuple(_judged(plays, known, membership, moment_s) for plays, known in _all(keys))


def replace_identity(url: str, identity: Identity, *, at_s: float | None = None) -> NodeIdentity:
    """Put another identity of the same organisation in a peer's or the orderer's place.

    Parameters
    ----------
    url : the ledger's.
    identity : its certificate says whether it is a peer or an orderer; its key is in memory.
    at_s : the moment at which it must be valid, seconds since 1970; default now.

    Raises
    ------
    LedgerError
        KEYS_UNUSABLE: it is no valid peer or orderer of the channel, or the node plays none of this
        organisation; nothing was changed. As `EmbeddedBackend.inspect`.
    """
    membership, keys = _membership(url), _load(url)
    moment_s = time.time() if at_s is None else at_s
    try:
        units = membership.identify(identity.creator, moment_s).ou
        orders = "orderer" in units and keys.orderer is not None and keys.orderer.mspid == identity.mspid
        if not orders and not ("peer" in units and identity.mspid in keys.peers):
            raise ValueError(f"the node plays no peer or orderer that {identity.id} could be instead")
    except ValueError as error:  # an IdentityError is one
        raise LedgerError("KEYS_UNUSABLE", url, str(error)) from error
    NodeKeys.put(find_site(url).keys, identity, orders=orders)
    return _judged("orderer" if orders else "peer", identity, membership, moment_s)


def _membership(url: str) -> Membership:
    """Return who belongs to the channel by the configuration that is stored last."""
    with closing(EmbeddedBackend.inspect(url)) as ledger:
        try:
            newest = parse_block(next(ledger.blocks(ledger.height() - 1)))
            block = common_pb2.Block.FromString(next(ledger.blocks(newest.last_config)))
            return Bundle.from_block(block).membership()
        except (ValueError, StopIteration, DecodeError) as error:
            text = f"the configuration in force cannot be read: {error}"
            raise LedgerError("LEDGER_DAMAGED", url, text) from error


def _load(url: str) -> NodeKeys:
    try:
        return NodeKeys.load(find_site(url).keys)
    except ValueError as error:
        raise LedgerError("KEYS_UNUSABLE", url, f"the node's keys: {error}") from error


def _all(keys: NodeKeys) -> Iterator[tuple[str, Identity]]:
    for mspid in sorted(keys.peers):
        yield "peer", keys.peers[mspid]
    for plays, identity in (("orderer", keys.orderer), ("reader", keys.reader)):
        if identity is not None:
            yield plays, identity


def _judged(plays: str, identity: Identity, membership: Membership, at_s: float) -> NodeIdentity:
    fault = ""
    try:
        member = membership.identify(identity.creator, at_s)
        if plays != "reader" and plays not in member.ou:
            fault = f"its certificate does not say {plays}"
    except IdentityError as error:
        fault = str(error)
    certificate = identity.certificate
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return NodeIdentity(plays, identity.id, begin.timestamp(), end.timestamp(), fault)
