"""Nodes beside an ordering node: how they begin, and how a node that knows others is opened.

genesis block   from the ordering node, with a hash that the operator knows, or from a file
follower        its own database, keys, gateway and verdicts; its blocks are the ordering node's
reader          a follower without a peer: it verifies and keeps everything and answers requests for blocks
                and events, and audits; it executes nothing
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fabric_protos.common import common_pb2

from fedpact.gateway.transport import TransportError
from fedpact.ledger import ClockNs, LedgerError
from fedpact.wire.blocks import data_hash, parse_block
from fedpact_network.embedded.sites import find_site

if TYPE_CHECKING:
    from fedpact.gateway.addresses import GrpcAddress
    from fedpact.wire.bundle import Bundle
    from fedpact_network.embedded.agreed_code import Executable
    from fedpact_network.embedded.keys import NodeKeys
    from fedpact_network.embedded.ledger import EmbeddedLedger
    from fedpact_network.embedded.node import EmbeddedNode, NodeSettings
    from fedpact_network.embedded.store import Store


class JoinError(LedgerError):
    """A node cannot join.

    Attributes
    ----------
    code : stable. `OTHER_GENESIS`: the genesis block does not have the hash that was given. `BAD_GENESIS`: it
        is none. `NO_GENESIS`: no node delivered it. `KEYS_UNUSABLE`: nobody among them can join.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Peering:
    """Which other nodes a node knows.

    Attributes
    ----------
    follow : the ordering node and others that deliver its blocks; None: this node orders.
    peers : MSP id -> nodes that play its peer, in the order in which they are asked.
    """

    follow: GrpcAddress | None = None
    peers: Mapping[str, GrpcAddress] = field(default_factory=dict)


def keys_of(url: str, wallet: Path) -> NodeKeys:
    """Sort the identities of a wallet: whose certificate says `peer` is one; without any, the first reads.

    Raises
    ------
    JoinError
        KEYS_UNUSABLE, for the ledger at `url`.
    """
    from cryptography.x509.oid import NameOID

    from fedpact.identity import Wallet
    from fedpact_network.embedded.keys import NodeKeys

    kept = Wallet(wallet)
    try:
        identities = [kept.get(label) for label in kept.list()]
        peers = [
            identity
            for identity in identities
            if any(
                unit.value == "peer"
                for unit in identity.certificate.subject.get_attributes_for_oid(
                    NameOID.ORGANIZATIONAL_UNIT_NAME
                )
            )
        ]
        return NodeKeys.of(peers, reader=None if peers else next(iter(identities), None))
    except ValueError as error:  # an IdentityError is one
        raise JoinError("KEYS_UNUSABLE", url, str(error)) from error


def fetch_genesis(
    nodes: GrpcAddress, channel_id: str, keys: NodeKeys, clock_ns: ClockNs = time.time_ns
) -> bytes:
    """Fetch the serialised genesis block of a channel; it is not to be trusted before its hash is compared.

    Raises
    ------
    JoinError
        NO_GENESIS.
    """
    from fedpact_network.peering.block_source import BlockSource

    source = BlockSource(nodes, channel_id, keys.speaker, clock_ns)
    try:
        return source.block(0).data
    except TransportError as error:
        raise JoinError("NO_GENESIS", nodes.url, str(error)) from error
    finally:
        source.close()


def check_genesis(url: str, block: bytes, expected_hash: str) -> Bundle:
    """Return what a genesis block configures, if the hash (hexadecimal) of its header is the one expected.

    Parameters
    ----------
    url : of the ledger that is to begin with it.
    block : serialised `common.Block`.
    expected_hash : hexadecimal; empty where the block itself is trusted.

    Raises
    ------
    JoinError
        OTHER_GENESIS, BAD_GENESIS.
    """
    from fedpact.wire.bundle import Bundle

    try:
        parsed = parse_block(block)
        if parsed.number or data_hash(parsed.envelopes) != parsed.data_hash:
            raise JoinError("BAD_GENESIS", url, "this is not the first block of a channel")
        if expected_hash and parsed.hash.hex() != expected_hash.lower():
            raise JoinError("OTHER_GENESIS", url, f"the genesis block has the hash {parsed.hash.hex()}")
        return Bundle.from_block(common_pb2.Block.FromString(block))
    except JoinError:
        raise
    except ValueError as error:  # a WireError and its kin are
        raise JoinError("BAD_GENESIS", url, str(error)) from error


def join_ledger(url: str, genesis: bytes, genesis_hash: str, keys: NodeKeys) -> Bundle:
    """Create the ledger of a follower: its database with the genesis block, its keys beside it.

    Parameters
    ----------
    url : as for `fedpact_network.embedded.sites.find_site`.
    genesis : serialised genesis block.
    genesis_hash : hash of its header, hexadecimal, from a source that the operator trusts; empty where
        the block came from there itself.
    keys : its peers, or its reader. They need not be members yet: a later block may bring that.

    Raises
    ------
    JoinError
        OTHER_GENESIS, BAD_GENESIS.
    LedgerError
        LEDGER_EXISTS, LEDGER_BUSY, DATABASE_UNREACHABLE.
    """
    from fedpact_network.embedded.recovery import plant
    from fedpact_network.embedded.store import Store

    bundle = check_genesis(url, genesis, genesis_hash)
    if keys.orderer is not None:
        raise JoinError("KEYS_UNUSABLE", url, "a node with an orderer's identity follows nobody")
    site = find_site(url)
    store = Store(site.create())
    try:
        keys.save(site.keys)
        plant(store, genesis)
    except BaseException:
        store.discard()
        raise
    store.close()
    return bundle


def open_node(
    url: str,
    peering: Peering,
    *,
    clock_ns: ClockNs = time.time_ns,
    chaincodes: Mapping[str, Executable] | None = None,
    require_definitions: bool = False,
) -> EmbeddedLedger:
    """Open a ledger whose node knows others.

    Parameters
    ----------
    url, clock_ns, chaincodes, require_definitions : as for `EmbeddedBackend.open`.
    peering : the others.

    Raises
    ------
    LedgerError
        As `EmbeddedBackend.open`.
    """
    from fedpact_network.embedded.backend import hold, run
    from fedpact_network.peering.neighbours import Neighbours

    site = find_site(url)

    def start(store: Store, settings: NodeSettings) -> EmbeddedNode:
        if peering.follow is not None and settings.keys.orderer is not None:
            raise LedgerError("KEYS_UNUSABLE", url, "a node with an orderer's identity follows nobody")
        return Neighbours(store, settings, peering).node

    return run(
        site,
        hold(site),
        clock_ns,
        chaincodes,
        start=start,
        orders=peering.follow is None,
        require_definitions=require_definitions,
    )
