"""Blocks: hashes against encodings made by hand, and the orderer's signature."""

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from fedpact.wire.blocks import build_block, data_hash, header_bytes, header_hash, parse_block
from fedpact.wire.commits import Update, ValidationCode, commit_hash, seal, update_bytes
from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.rwsets import Version

PREVIOUS = bytes(range(32))
DIGEST = bytes(range(32, 64))
ECDSA = ec.ECDSA(hashes.SHA256())


class Orderer:
    creator = b"\x0a\x0aOrdererMSP\x12\x04cert"

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, message):
        return self.key.sign(message, ECDSA)


# SEQUENCE (tag 30, length), INTEGER (tag 02, two's complement: a leading zero keeps it positive), then two
# OCTET STRINGs (tag 04) of 32 bytes, 34 with tag and length, 68 (0x44) together.
@pytest.mark.parametrize(
    ("number", "start"),
    [
        (0, "30 47  02 01 00"),
        (1, "30 47  02 01 01"),
        (127, "30 47  02 01 7f"),
        (128, "30 48  02 02 00 80"),
        (255, "30 48  02 02 00 ff"),
        (256, "30 48  02 02 01 00"),
        (65_535, "30 49  02 03 00 ff ff"),
        (2**63, "30 4f  02 09 00 80 00 00 00 00 00 00 00"),
        (2**64 - 1, "30 4f  02 09 00 ff ff ff ff ff ff ff ff"),
    ],
)
def test_header_bytes_are_der(number, start):
    expected = bytes.fromhex(start) + b"\x04\x20" + PREVIOUS + b"\x04\x20" + DIGEST
    assert header_bytes(number, PREVIOUS, DIGEST) == expected
    assert header_hash(number, PREVIOUS, DIGEST) == hashlib.sha256(expected).digest()


def test_header_bytes_of_the_genesis_block_and_of_long_hashes():
    assert header_bytes(0, b"", DIGEST) == bytes.fromhex("30 27  02 01 00  04 00  04 20") + DIGEST
    long = bytes(200)
    expected = bytes.fromhex("30 82 01 99  02 01 00  04 81 c8") + long + bytes.fromhex("04 81 c8") + long
    assert header_bytes(0, long, long) == expected


def test_header_hash_golden():
    """Fixed for ever: sha256 of 3047 020107 0420 00..1f 0420 20..3f."""
    assert (
        header_hash(7, PREVIOUS, DIGEST).hex()
        == "1ce115a9fbe9050550242ab653a92ffd555901c0b12efcf60f86e8ac302fc50b"
    )


def test_data_hash_is_over_the_concatenation():
    assert data_hash([b"one", b"two"]) == hashlib.sha256(b"onetwo").digest()
    assert data_hash([]) == hashlib.sha256(b"").digest()


def test_block_round_trip():
    orderer = Orderer()
    block = build_block(7, PREVIOUS, [b"one", b"two"], signer=orderer, last_config=3)
    codes = bytes([ValidationCode.VALID, ValidationCode.MVCC_READ_CONFLICT])
    seal(block, codes, b"h" * 32)
    parsed = parse_block(block.SerializeToString())
    assert (parsed.number, parsed.previous_hash, parsed.envelopes) == (7, PREVIOUS, (b"one", b"two"))
    assert parsed.data_hash == data_hash([b"one", b"two"])
    assert parsed.hash == header_hash(7, PREVIOUS, parsed.data_hash)
    assert (parsed.filter, parsed.commit_hash, parsed.last_config) == (codes, b"h" * 32, 3)
    [signature] = parsed.signatures
    assert signature.signer == Orderer.creator
    orderer.key.public_key().verify(signature.signature, signature.message, ECDSA)


def test_metadata_slots_are_fabrics():
    block = build_block(1, PREVIOUS, [b"one"], signer=Orderer(), last_config=5, nonce=b"n" * 24)
    seal(block, b"\x00", b"h" * 32)
    slots = block.metadata.metadata
    signatures = common_pb2.Metadata.FromString(slots[0])
    ordering = common_pb2.OrdererBlockMetadata.FromString(signatures.value)
    assert ordering.last_config.index == 5
    header = common_pb2.SignatureHeader.FromString(signatures.signatures[0].signature_header)
    assert (header.creator, header.nonce) == (Orderer.creator, b"n" * 24)
    last_config = common_pb2.Metadata.FromString(slots[1])
    assert common_pb2.LastConfig.FromString(last_config.value).index == 5
    assert slots[2] == b"\x00"
    assert slots[3] == b""
    assert common_pb2.Metadata.FromString(slots[4]).value == b"h" * 32


@pytest.mark.parametrize(
    "alter",
    [
        lambda block: setattr(block.header, "number", 8),
        lambda block: setattr(block.header, "previous_hash", DIGEST),
        lambda block: setattr(block.header, "data_hash", PREVIOUS),
        lambda block: _alter_wrapper(block, lambda wrapper: setattr(wrapper, "value", b"\x0a\x02\x08\x09")),
        lambda block: _alter_wrapper(
            block,
            lambda wrapper: setattr(
                wrapper.signatures[0],
                "signature_header",
                common_pb2.SignatureHeader(creator=b"other").SerializeToString(),
            ),
        ),
    ],
    ids=["number", "previous hash", "data hash", "last configuration", "signer"],
)
def test_the_orderers_signature_covers(alter):
    orderer = Orderer()
    block = build_block(7, PREVIOUS, [b"one"], signer=orderer, last_config=3)
    alter(block)
    [signature] = parse_block(block.SerializeToString()).signatures
    with pytest.raises(InvalidSignature):
        orderer.key.public_key().verify(signature.signature, signature.message, ECDSA)


def _alter_wrapper(block, alter):
    wrapper = common_pb2.Metadata.FromString(block.metadata.metadata[0])
    alter(wrapper)
    block.metadata.metadata[0] = wrapper.SerializeToString()


def test_a_genesis_block_is_unsigned_and_has_no_verdicts():
    parsed = parse_block(build_block(0, b"", [b"config"]).SerializeToString())
    assert (parsed.number, parsed.previous_hash, parsed.signatures) == (0, b"", ())
    assert (parsed.filter, parsed.commit_hash) == (b"", b"")


def test_a_block_without_metadata_parses():
    block = common_pb2.Block(header=common_pb2.BlockHeader(number=2))
    assert parse_block(block.SerializeToString()).filter == b""


@pytest.mark.parametrize("slot", [0, 4])
def test_malformed_metadata_is_refused(slot):
    block = build_block(1, PREVIOUS, [b"one"], signer=Orderer())
    block.metadata.metadata[slot] = b"\xff"
    with pytest.raises(WireError) as caught:
        parse_block(block.SerializeToString())
    assert caught.value.code is WireCode.BAD_BLOCK


def test_validation_codes_are_fabrics():
    assert {code.name: code.value for code in ValidationCode} == dict(
        transaction_pb2.TxValidationCode.items()
    )


def _fabrics_updates():
    """Fabric's `txmgr.Updates`, declared from its .proto for an encoding by protobuf itself."""
    file = descriptor_pb2.FileDescriptorProto(name="updates_test.proto", package="txmgr", syntax="proto3")
    write = file.message_type.add(name="KVWrite")
    fields = ["namespace:9", "collection:9", "key:12", "isDelete:8", "value:12", "version_bytes:12"]
    for number, field in enumerate(fields, 1):
        name, kind = field.split(":")
        write.field.add(name=name, number=number, type=int(kind), label=1)
    updates = file.message_type.add(name="Updates")
    updates.field.add(name="kvwrites", number=1, type=11, label=3, type_name=".txmgr.KVWrite")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("txmgr.Updates"))


def test_update_bytes_are_fabrics_message():
    expected = _fabrics_updates()()
    add = expected.kvwrites.add
    add(namespace="a", key=b"k1", value=b"v" * 300, version_bytes=b"\x01\x07\x00")
    add(key=b"k2", isDelete=True, version_bytes=b"\x01\x07\x02\x01\x00")
    add(namespace="b", key=b"k1", value=b"x", version_bytes=b"\x01\x07\x01\xff")
    updates = [
        Update("b", "k1", b"x", Version(7, 255)),
        Update("", "CHANNEL_CONFIG_ENV_BYTES", b"left out", Version(7, 0)),
        Update("a", "k2", None, Version(7, 256)),
        Update("a", "k1", b"v" * 300, Version(7, 0)),
    ]
    assert update_bytes(updates) == expected.SerializeToString()


def test_commit_hash_golden():
    """varint(300) = ac 02; then 300 codes, the updates, the previous hash."""
    codes = bytes(300)
    update = bytes.fromhex("0a 0f  0a 02 6e 73  1a 01 6b  2a 01 76  32 03 01 01 00")
    previous = b"p" * 32
    expected = hashlib.sha256(b"\xac\x02" + codes + update + previous).digest()
    assert commit_hash(previous, codes, [Update("ns", "k", b"v", Version(1, 0))]) == expected


def test_commit_hash_of_an_empty_first_block():
    assert commit_hash(b"", b"\x0b", []) == hashlib.sha256(b"\x01\x0b").digest()


@given(st.permutations([Update(n, k, b"v", Version(1, 2)) for n in "ab" for k in "xyz"]))
def test_commit_hash_does_not_depend_on_the_order_of_updates(updates):
    assert commit_hash(b"", b"\0", updates) == commit_hash(b"", b"\0", sorted(updates))
