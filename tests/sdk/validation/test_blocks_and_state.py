"""What valid transactions leave, who owns an id, what expires, and configurations."""

import datetime

import pytest
from fabric_protos.common import common_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sdk.validation.conftest import Rows, parameter, row

from fedpact.validation import (
    BlockError,
    ChannelRules,
    ConfigTransaction,
    Examined,
    StateUpdate,
    check_link,
    examine,
    parse,
    signature_fault,
    validate_block,
)
from fedpact.wire.blocks import build_block, parse_block
from fedpact.wire.chaincode_terms import ChaincodeTerms, CollectionTerms
from fedpact.wire.commits import Update, ValidationCode, update_bytes
from fedpact.wire.config_update import compute_update, config_envelope, sign_update, update_envelope, updated
from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.rwsets import (
    CollectionRwset,
    HashedMetadataWrite,
    HashedWrite,
    MetadataWrite,
    NamespaceRwset,
    Row,
    Version,
    Write,
    encode_metadata,
    hash_of,
    hashed_namespace,
)

VALID = ValidationCode.VALID
POLICY = "OR('Org1MSP.peer')"
PEERS = "'Org1MSP.peer', 'Org2MSP.peer'"
SPACE = hashed_namespace("kv", "secrets")
K = hash_of("k")


def kv(*writes, metadata=(), collections=()):
    return NamespaceRwset(
        "kv", writes=tuple(writes), metadata=tuple(metadata), collections=tuple(collections)
    )


def hashed(*writes, metadata=()):
    return kv(collections=(CollectionRwset("secrets", writes=writes, metadata=tuple(metadata)),))


def applied(rows, *rwsets):
    update = StateUpdate(rows, 7)
    update.apply(rwsets, 3)
    return update


def test_a_write_keeps_the_keys_metadata_and_metadata_keep_the_value():
    rows = Rows({("kv", "a"): row(b"1", POLICY), ("kv", "b"): row(b"1")})
    update = applied(rows, kv(Write("a", b"2"), metadata=[MetadataWrite("b", parameter(POLICY))]))
    kept = encode_metadata(parameter(POLICY))
    assert dict(update.rows()) == {
        ("kv", "a"): Row(b"2", Version(7, 3), kept),
        ("kv", "b"): Row(b"1", Version(7, 3), kept),
    }
    assert update.changes == [("kv", "a", 3)]  # metadata alone is no change of a value


def test_metadata_of_an_absent_key_are_ignored():
    assert dict(applied(Rows(), kv(metadata=[MetadataWrite("a", parameter(POLICY))])).rows()) == {}
    removed = Rows({("kv", "a"): row(b"1")})
    update = StateUpdate(removed, 7)
    update.apply([kv(Write("a", None))], 0)
    update.apply([kv(metadata=[MetadataWrite("a", parameter(POLICY))])], 1)
    assert dict(update.rows()) == {("kv", "a"): None}


def test_a_removal_takes_the_metadata_along():
    rows = Rows({("kv", "a"): row(b"1", POLICY)})
    update = applied(rows, kv(Write("a", None), metadata=[MetadataWrite("a", parameter(POLICY))]))
    assert dict(update.rows()) == {("kv", "a"): None}
    update.apply([kv(Write("a", b"2"))], 4)
    assert dict(update.rows()) == {("kv", "a"): Row(b"2", Version(7, 4))}


def test_hashed_rows_are_rows_of_their_namespace():
    rows = Rows({(SPACE, K.hex()): row(b"old")})
    other = HashedWrite(hash_of("l"), hash_of(b"v"))
    update = applied(rows, hashed(HashedWrite(K, None, True), other))
    assert dict(update.rows()) == {
        (SPACE, K.hex()): None,
        (SPACE, hash_of("l").hex()): Row(hash_of(b"v"), Version(7, 3)),
    }
    assert [(key.key_hash, position) for key, position in update.purges] == [(K, 3)]
    assert update.changes == []


KEY = st.sampled_from(["a", "b", "c"])
ENTRIES = st.sampled_from([(), (("x", b"1"),), (("x", b"2"), ("y", b"3"))])
STEP = st.tuples(
    st.dictionaries(KEY, st.one_of(st.none(), st.sampled_from([b"1", b"2"])), max_size=2),
    st.dictionaries(KEY, ENTRIES, max_size=2),
    st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=10), st.booleans())
def test_blocks_leave_what_their_transactions_leave_one_by_one(steps, private):
    """Against a second implementation that applies each transaction straight to the rows."""
    rows, model = Rows(), {}
    update, number, position = StateUpdate(rows, 1), 1, 0
    for values, metadata, ends in steps:
        version = Version(number, position)
        for key, value in values.items():
            old = model.pop(key, None)
            if value is not None:
                kept = old.metadata if old else b""
                entries = metadata.get(key)
                written = kept if entries is None else encode_metadata(entries) if entries else b""
                model[key] = Row(value, version, written)
        for key, entries in metadata.items():
            if key not in values and key in model:
                model[key] = Row(model[key].value, version, encode_metadata(entries) if entries else b"")
        if private:
            writes = tuple(HashedWrite(key.encode(), value) for key, value in values.items())
            entries = tuple(HashedMetadataWrite(key.encode(), e) for key, e in metadata.items())
            update.apply([hashed(*writes, metadata=entries)], position)
        else:
            public = (MetadataWrite(key, e) for key, e in metadata.items())
            update.apply([kv(*map(Write, values, values.values()), metadata=public)], position)
        position += 1
        if ends:
            rows.update({place: r for place, r in update.rows() if r is not None})
            for place in [place for place, r in update.rows() if r is None]:
                rows.pop(place, None)
            number, position = number + 1, 0
            update = StateUpdate(rows, number)
    found = {place: update.latest(place) for place in {*rows, *update.updates}}
    name = (lambda key: (SPACE, key.encode().hex())) if private else (lambda key: ("kv", key))
    assert {place: r for place, r in found.items() if r is not None} == {
        name(key): r for key, r in model.items()
    }


def test_private_rows_go_after_their_blocks_unless_written_again(channel):
    secrets = CollectionTerms(name="secrets", policy="OR('Org1MSP.member')", block_to_live=2)
    channel.define(
        ChaincodeTerms(
            name="kv",
            sequence=1,
            version="1",
            policy="/Channel/Application/Endorsement",
            collections=(secrets,),
        )
    )
    first, other = HashedWrite(K, hash_of(b"1")), HashedWrite(hash_of("l"), hash_of(b"1"))
    block = channel.block(channel.transaction(hashed(first, other)))
    assert {expiry.block for expiry in block.state.expiries} == {1 + 2 + 1}
    assert channel.judge(kv(Write("a", b"1"))) is VALID
    assert channel.judge(hashed(HashedWrite(K, hash_of(b"2")))) is VALID
    assert channel.height == 4
    # the transaction that is judged with the expiry still sees the row
    seen = kv(collections=(CollectionRwset("secrets", writes=(HashedWrite(hash_of("m"), K),)),))
    block = channel.block(channel.transaction(seen))
    assert [key.key_hash for key in block.state.expired] == [other.key_hash]
    assert (SPACE, K.hex()) in channel.rows
    assert (SPACE, other.key_hash.hex()) not in channel.rows
    assert not [u for u in block.state.updates.values() if u.key == other.key_hash.hex()]  # not in the hash
    channel.judge(kv(Write("a", b"2")))
    channel.judge(kv(Write("a", b"2")))
    assert not [place for place in channel.rows if place[0] == SPACE and place[1] == K.hex()]


@pytest.mark.parametrize("lives", [2**62, 2**64 - 1])
def test_a_block_to_live_that_no_chain_reaches_is_for_ever(channel, lives):
    secrets = CollectionTerms(name="secrets", policy="OR('Org1MSP.member')", block_to_live=lives)
    channel.define(
        ChaincodeTerms(
            name="kv",
            sequence=1,
            version="1",
            policy="/Channel/Application/Endorsement",
            collections=(secrets,),
        )
    )
    assert channel.block(channel.transaction(hashed(HashedWrite(K, K)))).state.expiries == []


def test_an_id_belongs_to_the_first_that_its_creator_signed(channel):
    refused = channel.transaction(kv(Write("a", b"1")), by=[], tx_id="one")
    again = channel.transaction(kv(Write("a", b"2")), tx_id="one")
    forged = again[0], Examined(ValidationCode.BAD_CREATOR_SIGNATURE)
    block = channel.block(forged, refused, again)
    assert block.codes == (
        ValidationCode.BAD_CREATOR_SIGNATURE,
        ValidationCode.ENDORSEMENT_POLICY_FAILURE,
        ValidationCode.DUPLICATE_TXID,
    )
    assert block.owners == (("one", 1),)
    assert channel.block(again).codes == (ValidationCode.DUPLICATE_TXID,)
    assert channel.block(again).owners == ()


def test_a_namespace_that_holds_hashes_cannot_be_called(channel):
    parsed, _ = channel.transaction(NamespaceRwset(SPACE, writes=(Write(K.hex(), b"x"),)))
    assert examine(parsed, channel.rules, authentic=False).code is ValidationCode.BAD_CREATOR_SIGNATURE
    from fedpact.validation.examination import _fault

    assert _fault(parsed, "channel") is ValidationCode.ILLEGAL_WRITESET


def test_the_time_of_a_block_is_that_of_its_valid_transactions(channel):
    assert channel.block(channel.transaction(kv(Write("a", b"1")))).time_ns == 5
    assert channel.block(channel.transaction(kv(Write("a", b"1")), by=[])).time_ns == 0


def configured(channel, admins=("Org1MSP", "Org2MSP"), **batch):
    """A CONFIG envelope that changes the batch's size."""
    from fabric_protos.orderer import configuration_pb2

    group = type(channel.bundle.config.channel_group)()
    group.CopyFrom(channel.bundle.config.channel_group)
    value = group.groups["Orderer"].values["BatchSize"]
    size = configuration_pb2.BatchSize.FromString(value.value)
    size.max_message_count = 7
    value.value = size.SerializeToString()
    update = compute_update(channel.bundle, group)
    people = [channel.authorities[mspid].issue("boss", role=None, ou="admin") for mspid in admins]
    signed = update_envelope(update, [sign_update(update, person) for person in people], people[0])
    orderer = channel.authorities["Org1MSP"].issue("orderer0", role=None, ou="orderer")
    config = updated(channel.bundle, signed)
    return config_envelope(config, signed, orderer)


def judged(channel, *envelopes):
    parsed = [parse(envelope) for envelope in envelopes]
    return channel.block(*[(item, examine(item, channel.rules)) for item in parsed])


def test_a_configuration_puts_new_rules_in_force(channel):
    envelope = configured(channel)
    assert isinstance(parse(envelope), ConfigTransaction)
    before = channel.rules
    block = judged(channel, envelope)
    assert block.codes == (VALID,)
    assert (block.bundle.batch.max_messages, block.bundle.sequence) == (7, 1)
    assert channel.rules is not before
    assert channel.rules.bundle.block_number == 1
    assert judged(channel, envelope).codes == (ValidationCode.INVALID_CONFIG_TRANSACTION,)  # once only


def test_a_configuration_stands_alone(channel):
    envelope = configured(channel)
    beside = channel.transaction(kv(Write("a", b"1")))
    parsed = parse(envelope)
    block = channel.block((parsed, examine(parsed, channel.rules)), beside)
    assert block.codes == (ValidationCode.INVALID_CONFIG_TRANSACTION, VALID)
    assert block.bundle is None


def test_an_altered_configuration(channel):
    envelope = bytearray(configured(channel))
    envelope[-1] ^= 1
    assert judged(channel, bytes(envelope)).codes == (ValidationCode.INVALID_CONFIG_TRANSACTION,)
    assert channel.rules.bundle is channel.bundle


def test_other_types_are_unknown():
    header = common_pb2.ChannelHeader(type=common_pb2.MESSAGE).SerializeToString()
    payload = common_pb2.Payload(header=common_pb2.Header(channel_header=header)).SerializeToString()
    parsed = parse(common_pb2.Envelope(payload=payload).SerializeToString())
    assert isinstance(parsed, WireError)
    assert parsed.code is WireCode.UNKNOWN_TX_TYPE
    assert isinstance(parse(b"\xff\xff"), WireError)


def test_a_blocks_signature_and_link(channel):
    now_s = datetime.datetime.now(datetime.UTC).timestamp()
    orderer = channel.authorities["Org2MSP"].issue("orderer0", role=None, ou="orderer")
    client = channel.authorities["Org2MSP"].issue("client", role=None, ou="client")

    envelope = common_pb2.Envelope(payload=b"p", signature=b"s").SerializeToString()

    def block(signer, previous=b"p" * 32):
        return parse_block(build_block(4, previous, [envelope], signer=signer).SerializeToString())

    assert signature_fault(block(orderer), channel.rules, now_s) == ""
    assert "no signature" in signature_fault(block(None), channel.rules, now_s)
    assert "cannot sign" in signature_fault(block(client), channel.rules, now_s)
    assert signature_fault(block(orderer), channel.rules, 1.0)
    assert signature_fault(block(orderer), channel.rules, 0.0) == ""
    assert "cannot sign" in signature_fault(block(client), channel.rules, 0.0)
    check_link(block(orderer), number=4, previous_hash=b"p" * 32)
    for number, previous in ((5, b"p" * 32), (4, b"q" * 32)):
        with pytest.raises(BlockError):
            check_link(block(orderer), number=number, previous_hash=previous)
    changed = build_block(4, b"p" * 32, [envelope], signer=orderer)
    changed.data.data.append(b"y")
    with pytest.raises(BlockError):
        check_link(parse_block(changed.SerializeToString()), number=4, previous_hash=b"p" * 32)


def test_the_commit_hash_names_collections_as_fabric_does():
    """Field by field: namespace and collection on the first write of their group, the raw hash as key."""
    version = Version(1, 2)
    updates = [
        Update(hashed_namespace("cc", "b"), K.hex(), b"h", version),
        Update(hashed_namespace("cc", "a"), K.hex(), None, version),
        Update("cc", "x", b"1", version),
        Update("bb", "y", b"2", version),
    ]

    def write(*fields):
        body = b"".join(bytes((n << 3 | 2, len(v))) + v for n, v in fields if n != 4)
        return body

    def wrapped(body):
        return bytes((10, len(body))) + body

    ver = (6, bytes((1, 1, 1, 2)))
    expected = [
        write((1, b"bb"), (3, b"y"), (5, b"2"), ver),
        write((1, b"cc"), (3, b"x"), (5, b"1"), ver),
        write((2, b"a"), (3, K)) + b"\x20\x01" + write(ver),
        write((2, b"b"), (3, K), (5, b"h"), ver),
    ]
    assert update_bytes(updates) == b"".join(map(wrapped, expected))


def test_rules_of_another_configuration_start_without_memory(channel):
    rules = ChannelRules(channel.bundle)
    assert rules.definition(channel.rows, "kv") is None
    validated = validate_block(1, [], rules, channel.rows)
    assert validated.successor(rules) is rules
