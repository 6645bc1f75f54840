"""Whose endorsements are needed: the channel's rule, a definition's, a collection's, a single key's."""

import pytest
from tests.sdk.validation.conftest import parameter, row

from fedpact.wire.chaincode_terms import ChaincodeTerms, CollectionTerms, OwnPolicy
from fedpact.wire.commits import ValidationCode
from fedpact.wire.definitions import LIFECYCLE
from fedpact.wire.rwsets import (
    CollectionRwset,
    HashedMetadataWrite,
    HashedRead,
    HashedWrite,
    MetadataWrite,
    NamespaceRwset,
    Read,
    Row,
    Version,
    Write,
    hash_of,
    hashed_namespace,
)
from fedpact_chaincode.lifecycle.layout import NAMESPACES, metadata_key

VALID, FAILED = ValidationCode.VALID, ValidationCode.ENDORSEMENT_POLICY_FAILURE
ONE, TWO, THREE = "Org1MSP", "Org2MSP", "Org3MSP"
K, L = hash_of("k"), hash_of("l")


def put(key, value=b"v", **parts):
    return NamespaceRwset("kv", writes=(Write(key, value),), **parts)


def guard(key, policy, **parts):
    entries = parameter(policy) if policy else ()
    return NamespaceRwset("kv", metadata=(MetadataWrite(key, entries),), **parts)


def secret(*writes, name="secrets", **parts):
    return NamespaceRwset("kv", collections=(CollectionRwset(name, writes=writes, **parts),))


def hashed_put(key=K):
    return HashedWrite(key, hash_of(b"v"))


def terms(policy="/Channel/Application/Endorsement", version="1", **changes):
    return ChaincodeTerms(name="kv", sequence=1, version=version, policy=policy, **changes)


def test_an_undefined_chaincode_has_the_channels_policy_and_any_version(channel):
    assert channel.judge(put("a"), by=[ONE, TWO], version="whatever") is VALID
    assert channel.judge(put("a"), by=[ONE]) is FAILED
    assert channel.judge(NamespaceRwset("kv", reads=(Read("x", None),)), by=[ONE]) is FAILED
    assert channel.judge(by=[ONE]) is FAILED  # nothing at all is endorsed too


def test_a_defined_chaincode_has_its_policy(channel):
    channel.define(terms(f"AND('{ONE}.peer', '{THREE}.peer')"))
    assert channel.judge(put("a"), by=[ONE, TWO]) is FAILED
    assert channel.judge(put("a"), by=[ONE, THREE]) is VALID


def test_a_defined_chaincode_has_its_version(channel):
    channel.define(terms(version="2.0"))
    assert channel.judge(put("a"), version="1") is ValidationCode.EXPIRED_CHAINCODE
    assert channel.judge(put("a"), version="1", by=[]) is ValidationCode.EXPIRED_CHAINCODE
    assert channel.judge(put("a"), version="2.0") is VALID


def test_rows_that_are_no_definition(channel):
    channel.rows[LIFECYCLE, metadata_key(NAMESPACES, "kv")] = row(b"\xff")
    assert channel.judge(put("a")) is ValidationCode.INVALID_CHAINCODE


def test_lifecycle_has_the_channels_lifecycle_policy(channel):
    write = NamespaceRwset(LIFECYCLE, writes=(Write("x", b"v"),))
    assert channel.judge(write, by=[ONE, TWO], version="syscc") is VALID
    assert channel.judge(write, by=[ONE], version="syscc") is FAILED
    assert channel.judge(write, version="1") is ValidationCode.EXPIRED_CHAINCODE


def test_a_new_definition_counts_from_the_next_block_on(channel):
    channel.define(terms(f"OR('{ONE}.peer')"))
    assert channel.judge(put("a"), by=[ONE]) is VALID
    before = {place: r for place, r in channel.rows.items() if place[0] == LIFECYCLE}
    channel.define(terms(f"OR('{TWO}.peer')"))
    after = {place: r for place, r in channel.rows.items() if place[0] == LIFECYCLE}
    channel.rows.update(before)
    channel.rules.forget_definitions()
    writes = tuple(Write(key, r.value) for (_, key), r in after.items())
    new = channel.transaction(NamespaceRwset(LIFECYCLE, writes=writes), version="syscc")
    block = channel.block(new, channel.transaction(put("a"), by=[ONE]))
    assert block.codes == (VALID, VALID)
    assert channel.judge(put("a"), by=[ONE]) is FAILED
    assert channel.judge(put("a"), by=[TWO]) is VALID


def test_a_keys_own_policy_takes_the_chaincodes_place(channel):
    channel.rows["kv", "a"] = row(b"1", f"OR('{THREE}.peer')")
    assert channel.judge(put("a"), by=[ONE, TWO]) is FAILED
    assert channel.judge(put("a"), by=[THREE]) is VALID  # the chaincode's policy is not asked
    both = NamespaceRwset("kv", writes=(Write("a", b"2"), Write("b", b"2")))
    assert channel.judge(both, by=[THREE]) is FAILED
    assert channel.judge(both, by=[ONE, THREE]) is VALID
    assert channel.judge(both, by=[ONE, TWO]) is FAILED


def test_a_removal_needs_the_keys_policy_too_and_ends_it(channel):
    channel.rows["kv", "a"] = row(b"1", f"OR('{THREE}.peer')")
    assert channel.judge(put("a", None), by=[ONE, TWO]) is FAILED
    assert channel.judge(put("a", None), by=[THREE]) is VALID
    assert channel.judge(put("a"), by=[ONE, TWO]) is VALID
    assert channel.rows["kv", "a"].metadata == b""


def test_metadata_needs_the_policy_that_is_there(channel):
    channel.rows["kv", "a"] = row(b"1")
    assert channel.judge(guard("a", f"OR('{THREE}.peer')"), by=[THREE]) is FAILED
    assert channel.judge(guard("a", f"OR('{THREE}.peer')"), by=[ONE, TWO]) is VALID
    assert channel.judge(guard("a", f"OR('{ONE}.peer')"), by=[ONE, TWO]) is FAILED
    assert channel.judge(guard("a", ""), by=[THREE]) is VALID
    assert channel.judge(put("a"), by=[ONE, TWO]) is VALID


@pytest.mark.parametrize("metadata", [b"\xff\xff", Row(b"", Version(1, 0)).value])
def test_what_cannot_be_read_as_a_policy_is_satisfied_by_nobody(channel, metadata):
    channel.rows["kv", "a"] = Row(b"1", Version(1, 0), metadata)
    assert channel.judge(put("a")) is (FAILED if metadata else VALID)
    entries = (("VALIDATION_PARAMETER", b"\xff\xff"),)
    changed = NamespaceRwset("kv", metadata=(MetadataWrite("b", entries),), writes=(Write("b", b"1"),))
    assert channel.judge(changed) is VALID
    assert channel.judge(put("b")) is FAILED


def test_a_policy_changed_earlier_in_the_block_invalidates_what_follows(channel):
    channel.rows["kv", "a"] = row(b"1")
    change = channel.transaction(guard("a", f"OR('{THREE}.peer')"))
    block = channel.block(
        channel.transaction(put("a")), change, channel.transaction(put("a")), channel.transaction(put("b"))
    )
    assert block.codes == (VALID, VALID, FAILED, VALID)
    assert channel.judge(put("a"), by=[THREE]) is VALID


def test_a_change_that_is_refused_or_in_conflict(channel):
    """Without enough endorsements it is none; one in conflict counts all the same, as in Fabric."""
    channel.rows["kv", "a"] = row(b"1")
    refused = channel.transaction(guard("a", f"OR('{THREE}.peer')"), by=[ONE])
    assert channel.block(refused, channel.transaction(put("a"))).codes == (FAILED, VALID)
    stale = channel.transaction(guard("a", f"OR('{THREE}.peer')", reads=(Read("a", Version(9, 9)),)))
    codes = channel.block(stale, channel.transaction(put("a"))).codes
    assert codes == (ValidationCode.MVCC_READ_CONFLICT, FAILED)


def test_collections_need_the_chaincodes_policy_or_their_own(channel):
    own = OwnPolicy(signature_policy=f"OR('{THREE}.peer')")
    collections = (
        CollectionTerms(name="secrets", policy=f"OR('{ONE}.member')"),
        CollectionTerms(name="own", policy=f"OR('{ONE}.member')", endorsement_policy=own),
    )
    channel.define(terms(f"AND('{ONE}.peer', '{TWO}.peer')", collections=collections))
    assert channel.judge(secret(hashed_put()), by=[ONE, TWO]) is VALID
    assert channel.judge(secret(hashed_put()), by=[THREE]) is FAILED
    assert channel.judge(secret(hashed_put(), name="own"), by=[THREE]) is VALID
    assert channel.judge(secret(hashed_put(), name="own"), by=[ONE, TWO]) is FAILED
    removal = secret(HashedWrite(K, None, True), name="own")
    assert channel.judge(removal, by=[ONE, TWO]) is FAILED
    assert channel.judge(removal, by=[THREE]) is VALID
    public = NamespaceRwset(
        "kv", writes=(Write("a", b"v"),), collections=secret(hashed_put(), name="own").collections
    )
    assert channel.judge(public, by=[THREE]) is FAILED  # the public write needs the chaincode's
    assert channel.judge(public, by=[ONE, TWO, THREE]) is VALID


def test_an_undefined_collection(channel):
    assert channel.judge(secret(hashed_put())) is ValidationCode.INVALID_WRITESET
    channel.define(terms(collections=(CollectionTerms(name="other", policy=f"OR('{ONE}.member')"),)))
    assert channel.judge(secret(hashed_put())) is ValidationCode.INVALID_WRITESET
    metadata = secret(metadata=(HashedMetadataWrite(K, ()),))
    assert channel.judge(metadata, by=[]) is ValidationCode.INVALID_WRITESET
    assert channel.judge(secret(hashed_put(), name="_implicit_org_NoMSP")) is ValidationCode.INVALID_WRITESET


def test_an_implicit_collection_needs_its_organisation(channel):
    own = secret(hashed_put(), name=f"_implicit_org_{THREE}")
    assert channel.judge(own, by=[ONE, TWO]) is FAILED
    assert channel.judge(own, by=[THREE]) is VALID


def test_private_keys_have_policies_of_their_own(channel):
    channel.define(terms(collections=(CollectionTerms(name="secrets", policy=f"OR('{ONE}.member')"),)))
    guarded = hashed_put(), (HashedMetadataWrite(K, parameter(f"OR('{THREE}.peer')")),)
    assert channel.judge(secret(guarded[0], metadata=guarded[1]), by=[ONE, TWO]) is VALID
    assert channel.judge(secret(hashed_put()), by=[ONE, TWO]) is FAILED
    assert channel.judge(secret(hashed_put()), by=[THREE]) is VALID
    assert channel.judge(secret(hashed_put(L)), by=[THREE]) is FAILED
    change = channel.transaction(secret(metadata=(HashedMetadataWrite(K, ()),)), by=[THREE])
    assert channel.block(change, channel.transaction(secret(hashed_put()))).codes == (VALID, FAILED)
    assert channel.judge(secret(hashed_put()), by=[ONE, TWO]) is VALID


def test_a_private_read_is_checked_for_its_version(channel):
    channel.define(terms(collections=(CollectionTerms(name="secrets", policy=f"OR('{ONE}.member')"),)))
    absent = secret(hashed_put(L), reads=(HashedRead(K, None),))
    assert channel.judge(absent) is VALID
    assert channel.judge(secret(hashed_put())) is VALID
    assert channel.judge(absent) is ValidationCode.MVCC_READ_CONFLICT
    version = channel.rows[hashed_namespace("kv", "secrets"), K.hex()].version
    present = secret(hashed_put(L), reads=(HashedRead(K, version),))
    assert channel.judge(present) is VALID
    first, second = channel.transaction(secret(hashed_put())), channel.transaction(present)
    assert channel.block(first, second).codes == (VALID, ValidationCode.MVCC_READ_CONFLICT)
