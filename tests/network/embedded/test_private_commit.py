"""What blocks do to private rows: content that fits its hash, missing content, expiry, purge."""

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from tests.network.embedded.test_node_validation import Bench
from tests.sdk.validation.conftest import definition_rows, parameter

from fedpact.audit.auditor import audit
from fedpact.wire.chaincode_terms import ChaincodeTerms, CollectionTerms
from fedpact.wire.commits import ValidationCode
from fedpact.wire.definitions import LIFECYCLE
from fedpact.wire.rwsets import (
    HashedMetadataWrite,
    NamespaceRwset,
    PrivateRwset,
    Row,
    Version,
    Write,
    decode_private,
    encode_private,
    hash_of,
    hashed,
    hashed_namespace,
)
from fedpact_network.embedded.private_commit import content_of
from fedpact_network.embedded.schema import EXPIRIES, PRIVATE_STATE, PRIVATE_WRITES

VALID = ValidationCode.VALID
SPACE = hashed_namespace("kv", "secrets")


class PrivateBench(Bench):
    """A node whose organisations hold `secrets` (for 2 blocks: `brief`), but not `foreign`."""

    def __init__(self, world):
        self.known = []
        self.asked = []
        super().__init__(world, private=self.source)
        members = "OR('Org1MSP.member', 'Org2MSP.member')"
        terms = ChaincodeTerms(
            name="kv",
            sequence=1,
            version="1",
            policy="/Channel/Application/Endorsement",
            collections=(
                CollectionTerms(name="secrets", policy=members),
                CollectionTerms(name="brief", policy=members, block_to_live=2),
                CollectionTerms(name="foreign", policy="OR('Org9MSP.member')"),
            ),
        )
        writes = tuple(Write(key, value) for key, value in definition_rows(terms).items())
        defined = self.crafted(
            [NamespaceRwset(LIFECYCLE, writes=writes)], chaincode=LIFECYCLE, version="syscc"
        )
        assert self.block(defined) == [VALID]

    def source(self, tx_id):
        self.asked.append(tx_id)
        return self.known

    def secret(self, *, collection="secrets", purges=(), guard=(), known=True, **values):
        """An envelope that writes private values; its content is known to the node or not."""
        private = PrivateRwset(
            "kv",
            collection,
            tuple(Write(key, value and value.encode()) for key, value in values.items()),
            tuple(purges),
            tuple(guard),
        )
        public = hashed(private)
        metadata = tuple(
            HashedMetadataWrite(hash_of(key), parameter("OR('Org1MSP.peer', 'Org2MSP.peer')"))
            for key in guard
        )
        public = type(public)(collection, (), public.writes, metadata, public.private_hash)
        if known:
            self.known += decode_private(encode_private([private]))
        return self.crafted([NamespaceRwset("kv", collections=(public,))])

    def rows(self, collection="secrets"):
        with self.ledger.node.snapshots.view() as snapshot:
            return dict(snapshot.scan_private("kv", collection, "", ""))

    def hashes(self, collection="secrets"):
        return {row.key: row for row in self.ledger.state(hashed_namespace("kv", collection))}

    def table(self, table):
        with self.ledger.node.snapshots.view() as snapshot:
            return (
                snapshot.reader._connection.execute(select(table).order_by(*table.primary_key))
                .mappings()
                .all()
            )


@pytest.fixture
def bench(world):
    return PrivateBench(world)


def test_content_that_fits_is_stored_with_the_version_of_its_hash(bench):
    assert bench.block(bench.secret(a="1", b="2"), bench.secret(b="3")) == [VALID, VALID]
    assert bench.rows() == {"a": Row(b"1", Version(2, 0)), "b": Row(b"3", Version(2, 1))}
    for key, row in bench.rows().items():
        stored = bench.hashes()[hash_of(key).hex()]
        assert (stored.value, stored.version) == (hash_of(row.value), row.version)
    with bench.ledger.node.snapshots.view() as snapshot:
        assert snapshot.private("kv", "secrets", "a") == Row(b"1", Version(2, 0))
        assert snapshot.private("kv", "secrets", "z") is None
        assert list(snapshot.scan_private("kv", "secrets", "b", "c")) == [("b", Row(b"3", Version(2, 1)))]
    assert [item["content"] for item in bench.table(PRIVATE_WRITES)] == list(map(content_of, bench.known))


@pytest.mark.parametrize("lie", [None, b"9"])
def test_content_that_is_missing_or_wrong_is_noted_as_missing(bench, lie):
    bench.block(bench.secret(a="1"))
    if lie:
        bench.known = [PrivateRwset("kv", "secrets", (Write("a", lie),))]
    assert bench.block(bench.secret(a="2", known=False)) == [VALID]
    assert bench.rows() == {}  # what was there before is no longer what the chain says
    assert [item["content"] is None for item in bench.table(PRIVATE_WRITES)] == [False, True]


def test_of_several_sets_the_one_with_the_hash_counts(bench):
    envelope = bench.secret(a="1")
    bench.known.insert(0, PrivateRwset("kv", "secrets", (Write("a", b"9"),)))
    bench.block(envelope)
    assert bench.rows() == {"a": Row(b"1", Version(2, 0))}


def test_who_is_no_member_holds_nothing(bench):
    assert bench.block(bench.secret(collection="foreign", a="1")) == [VALID]
    assert len(bench.hashes("foreign")) == 1
    assert bench.rows("foreign") == {}
    assert bench.table(PRIVATE_WRITES) == []
    assert bench.asked == []


def test_invalid_transactions_leave_nothing(bench):
    envelope = bench.secret(a="1")
    assert bench.block(envelope, envelope)[1] is ValidationCode.DUPLICATE_TXID
    assert len(bench.table(PRIVATE_WRITES)) == 1


def test_removals_need_no_content(bench):
    bench.block(bench.secret(a="1", b="1"))
    assert bench.block(bench.secret(a=None, known=False)) == [VALID]
    assert set(bench.rows()) == {"b"}
    assert list(bench.hashes()) == [hash_of("b").hex()]


def test_a_change_of_metadata_moves_the_private_row_along(bench):
    bench.block(bench.secret(a="1"))
    assert bench.block(bench.secret(guard=["a"], known=False)) == [VALID]
    assert bench.rows() == {"a": Row(b"1", Version(3, 0))}
    assert bench.hashes()[hash_of("a").hex()].version == Version(3, 0)


def test_a_purge_takes_the_past_along(bench):
    bench.block(bench.secret(a="1", b="1"), bench.secret(a="2"))
    bench.block(bench.secret(purges=["a"]))
    assert set(bench.rows()) == {"b"}
    contents = [item["content"] for item in bench.table(PRIVATE_WRITES)]
    assert not any(b"\x0a\x01a" in content for content in contents[:2])
    assert b"\x0a\x01b" in contents[0]


def test_rows_and_write_sets_go_when_their_time_is_over(bench):
    bench.block(bench.secret(collection="brief", a="1", b="1"))  # block 2, goes with block 5
    bench.block(bench.secret(collection="brief", b="2"))  # block 3, goes with block 6
    bench.block(bench.write("x"))
    assert set(bench.rows("brief")) == {"a", "b"}
    bench.block(bench.write("x"))
    assert set(bench.rows("brief")) == {"b"}
    assert list(bench.hashes("brief")) == [hash_of("b").hex()]
    assert [item["block"] for item in bench.table(PRIVATE_WRITES)] == [3]
    bench.block(bench.write("x"))
    assert bench.rows("brief") == {}
    assert bench.hashes("brief") == {}
    assert bench.table(PRIVATE_WRITES) == bench.table(EXPIRIES) == bench.table(PRIVATE_STATE) == []
    report = audit(bench.ledger)
    assert [f for f in report.findings if f.check != "EXECUTION"] == []


def test_the_audit_accounts_for_metadata_and_hashes(bench):
    bench.block(bench.secret(a="1", b="1"), bench.write("x"))
    bench.block(bench.secret(guard=["a"], c="1"))
    report = audit(bench.ledger)
    assert [f for f in report.findings if f.check != "EXECUTION"] == []
    assert report.state_hash == bench.ledger.state_hash()


def test_a_failing_database_tells_no_values(bench):
    """SQLAlchemy's errors name the parameters, and they are logged."""
    bench.block(bench.secret(a="plain"))
    with bench.ledger.node._store.connection() as connection:
        row = dict(connection.execute(select(PRIVATE_STATE)).one()._mapping)
        with pytest.raises(IntegrityError) as failed:
            connection.execute(insert(PRIVATE_STATE), row)
    assert "plain" not in str(failed.value)


def test_a_value_that_its_own_block_replaces_goes_in_time_too(bench):
    first, second = bench.secret(collection="brief", a="1"), bench.secret(collection="brief", a=None)
    assert bench.block(first, second) == [VALID, VALID]
    assert len(bench.table(PRIVATE_WRITES)) == 2
    for _ in range(3):
        bench.block(bench.write("public"))
    assert bench.table(PRIVATE_WRITES) == []
