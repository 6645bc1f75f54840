"""Making a ledger, and trusting one that lies on the disk only as far as it can be checked quickly.

A block is one database transaction, so there is nothing to repair after a kill: what was acknowledged is
there, and nothing else is. `recover` checks the ends of the chain; `fedpact audit` checks everything.
"""

from __future__ import annotations

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from fedpact.wire.blocks import ParsedBlock, data_hash, parse_block
from fedpact.wire.bundle import Bundle
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import ChannelConfig
from fedpact.wire.errors import WireError
from fedpact.wire.state_hash import StateHash, digest_of_residue
from fedpact_network.embedded.store import BlockRecord, Store, Tip


class DamagedLedgerError(Exception):
    """The database does not hold together; the text says where."""


def found(store: Store, config: ChannelConfig) -> None:
    """Make the tables of a new ledger and store its genesis block."""
    plant(store, config.to_genesis_block().SerializeToString())


def plant(store: Store, genesis: bytes) -> None:
    """Make the tables of a new ledger and store its genesis block, as serialised.

    Raises
    ------
    WireError
        BAD_BLOCK.
    """
    residue = StateHash().residue()
    parsed = parse_block(genesis)
    store.create(BlockRecord(Tip(0, parsed.hash, digest_of_residue(residue), residue, genesis)))


def recover(store: Store) -> Bundle:
    """Upgrade an older layout, check the last block and read the configuration that is in force.

    Raises
    ------
    DamagedLedgerError
        If the blocks do not hold together.
    LayoutError
        If the tables are not those of a ledger that this version can work with.
    """
    store.upgrade()
    tip = store.tip()
    if tip is None:
        raise DamagedLedgerError("there is no genesis block")
    _check(tip, store)
    try:
        return Bundle.from_block(common_pb2.Block.FromString(store.block(_last_config(tip, store))))
    except (ValueError, DecodeError) as error:
        raise DamagedLedgerError(f"the configuration cannot be read: {error}") from error


def _last_config(tip: Tip, store: Store) -> int:
    """Return the block of the configuration in force; an orderer may have named one that was not valid."""
    number = _parse(tip.data, tip.number).last_config
    while number:
        block = _parse(store.block(number), number)
        if block.filter == bytes([ValidationCode.VALID]):
            break
        number = min(number - 1, _parse(store.block(number - 1), number - 1).last_config)
    return number


def _check(tip: Tip, store: Store) -> None:
    block = _parse(tip.data, tip.number)
    if block.number != tip.number or block.hash != tip.header_hash:
        raise DamagedLedgerError(f"block {tip.number} does not have its hash")
    if data_hash(block.envelopes) != block.data_hash:
        raise DamagedLedgerError(f"the transactions of block {tip.number} do not have their hash")
    if tip.number:
        before = _parse(store.block(tip.number - 1), tip.number - 1)
        if before.hash != block.previous_hash:
            raise DamagedLedgerError(f"block {tip.number} does not follow block {tip.number - 1}")
    try:
        StateHash(tip.state_residue)
    except ValueError as error:
        raise DamagedLedgerError("the state hash cannot be continued") from error
    if digest_of_residue(tip.state_residue) != tip.state_hash:
        raise DamagedLedgerError("the state hash does not belong to the last block")


def _parse(data: bytes, number: int) -> ParsedBlock:
    try:
        return parse_block(data)
    except WireError as error:
        raise DamagedLedgerError(f"block {number} cannot be read") from error
