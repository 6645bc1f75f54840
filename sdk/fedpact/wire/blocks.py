"""Blocks: what is chained, what the orderer signs, what the committer adds.

The header hash is sha256 over the ASN.1 (DER) sequence {number, previous hash, data hash}, the data hash is
sha256 over the concatenated envelopes, as in Fabric's `protoutil`. Metadata slots: 0 SIGNATURES (the
orderer's, in `common.Metadata`), 1 LAST_CONFIG, 2 TRANSACTIONS_FILTER (one validation code a transaction),
4 COMMIT_HASH (`common.Metadata.value`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fabric_protos.common import common_pb2

from fedpact.wire.errors import WireCode, read
from fedpact.wire.proposals import NONCE_BYTES

SIGNATURES: int = common_pb2.SIGNATURES
LAST_CONFIG: int = common_pb2.LAST_CONFIG
TRANSACTIONS_FILTER: int = common_pb2.TRANSACTIONS_FILTER
COMMIT_HASH: int = common_pb2.COMMIT_HASH
SLOTS = 5


class BlockSigner(Protocol):
    """Who signs blocks; an `Identity` is one."""

    @property
    def creator(self) -> bytes:
        """Serialised identity of the orderer."""

    def sign(self, message: bytes, /) -> bytes:
        """Sign a message."""


class BlockSignature(NamedTuple):
    """A signature on a block: who, over what, and the signature."""

    signer: bytes
    message: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ParsedBlock:
    """A block as an auditor reads it; hashes and signatures are not checked yet.

    Attributes
    ----------
    number : height of the block, 0 is the genesis block.
    previous_hash : header hash of the block before; empty in the genesis block.
    data_hash : claimed hash of the envelopes.
    envelopes : serialised envelopes in order.
    filter : one byte a transaction; empty before it was validated.
    commit_hash : the committer's running hash; empty where there is none.
    last_config : number of the configuration block in force, as the orderer signed it.
    signatures : the orderers' signatures with the exact bytes they cover.
    """

    number: int
    previous_hash: bytes
    data_hash: bytes
    envelopes: tuple[bytes, ...]
    filter: bytes
    commit_hash: bytes
    last_config: int
    signatures: tuple[BlockSignature, ...]

    @property
    def hash(self) -> bytes:
        """Header hash, computed from the header's fields."""
        return header_hash(self.number, self.previous_hash, self.data_hash)


def header_bytes(number: int, previous_hash: bytes, data_hash: bytes) -> bytes:
    """Return the DER encoding of SEQUENCE {INTEGER, OCTET STRING, OCTET STRING}."""
    integer = number.to_bytes(number.bit_length() // 8 + 1, "big")
    body = _der(0x02, integer) + _der(0x04, previous_hash) + _der(0x04, data_hash)
    return _der(0x30, body)


def header_hash(number: int, previous_hash: bytes, data_hash: bytes) -> bytes:
    """Return the hash that the next block refers to."""
    return hashlib.sha256(header_bytes(number, previous_hash, data_hash)).digest()


def data_hash(envelopes: Sequence[bytes]) -> bytes:
    """Return sha256 over the concatenated envelopes."""
    return hashlib.sha256(b"".join(envelopes)).digest()


def build_block(
    number: int,
    previous_hash: bytes,
    envelopes: Sequence[bytes],
    *,
    signer: BlockSigner | None = None,
    last_config: int = 0,
    nonce: bytes | None = None,
) -> common_pb2.Block:
    """Cut a block; `commits.seal` adds what the committer knows.

    Parameters
    ----------
    number : height.
    previous_hash : header hash of the block before; empty for the genesis block.
    envelopes : serialised envelopes in order.
    signer : the orderer; None leaves the block unsigned, as a genesis block is.
    last_config : number of the configuration block in force.
    nonce : of the signature header; drawn from the operating system unless given.

    Notes
    -----
    The orderer signs value || signature header || header bytes, where value is the serialised
    `OrdererBlockMetadata` beside the signature.
    """
    digest = data_hash(envelopes)
    block = common_pb2.Block(
        header=common_pb2.BlockHeader(number=number, previous_hash=previous_hash, data_hash=digest),
        data=common_pb2.BlockData(data=envelopes),
        metadata=common_pb2.BlockMetadata(metadata=[b""] * SLOTS),
    )
    config = common_pb2.LastConfig(index=last_config)
    value: bytes = common_pb2.OrdererBlockMetadata(last_config=config).SerializeToString()
    wrapper = common_pb2.Metadata(value=value)
    if signer is not None:
        nonce = os.urandom(NONCE_BYTES) if nonce is None else nonce
        header: bytes = common_pb2.SignatureHeader(creator=signer.creator, nonce=nonce).SerializeToString()
        message = value + header + header_bytes(number, previous_hash, digest)
        wrapper.signatures.add(signature_header=header, signature=signer.sign(message))
    slots = block.metadata.metadata
    slots[SIGNATURES] = wrapper.SerializeToString()
    slots[LAST_CONFIG] = common_pb2.Metadata(value=config.SerializeToString()).SerializeToString()
    return block


def parse_block(data: bytes) -> ParsedBlock:
    """Parse a serialised `common.Block`; its envelopes stay serialised.

    Raises
    ------
    WireError
        BAD_BLOCK.
    """
    block = read(common_pb2.Block, data, WireCode.BAD_BLOCK)
    header = block.header
    slots = [*block.metadata.metadata, *[b""] * SLOTS]
    number, previous, digest = header.number, header.previous_hash, header.data_hash
    wrapper = read(common_pb2.Metadata, slots[SIGNATURES], WireCode.BAD_BLOCK)
    orderer = read(common_pb2.OrdererBlockMetadata, wrapper.value, WireCode.BAD_BLOCK)
    covered = header_bytes(number, previous, digest)
    signatures = []
    for item in wrapper.signatures:
        signer = read(common_pb2.SignatureHeader, item.signature_header, WireCode.BAD_BLOCK).creator
        message = wrapper.value + item.signature_header + covered
        signatures.append(BlockSignature(signer, message, item.signature))
    return ParsedBlock(
        number,
        previous,
        digest,
        tuple(block.data.data),
        slots[TRANSACTIONS_FILTER],
        read(common_pb2.Metadata, slots[COMMIT_HASH], WireCode.BAD_BLOCK).value,
        orderer.last_config.index,
        tuple(signatures),
    )


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
