"""What the block stage makes of transactions that an orderer hands over, whatever they are."""

import datetime
from itertools import chain

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from fedpact.identity import CertificateAuthority
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import (
    Endorsement,
    Response,
    assemble,
    endorse_message,
    parse_envelope,
    response_payload,
)
from fedpact.wire.proposals import build_proposal, parse_proposal
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Read, Version, Write, encode
from fedpact.wire.state_hash import state_hash_of
from fedpact_network.embedded.submission import Submission


class Bench:
    """A ledger whose blocks are made of given envelopes, past every check of the node's door."""

    def __init__(self, world, **settings):
        self.world = world
        self.ledger, self.orderer = world.by_hand(**settings)
        self.client = world.client(self.ledger)

    def block(self, *envelopes):
        """Deliver one block; return its codes."""
        self.orderer.deliver([Submission.read(envelope) for envelope in envelopes])
        return self.codes()[-1]

    def codes(self):
        from fedpact.wire.blocks import parse_block

        return [list(map(ValidationCode, parse_block(data).filter)) for data in self.ledger.blocks(1)]

    def put(self, key, value="v"):
        return self.client.endorse("put", key, value).signed()

    def state(self):
        return {row.key: row.value for row in self.ledger.state("kv")}

    def crafted(self, rwsets, *, peers=None, creator=None, status=200, offset_s=0, version="1", **changes):
        """An envelope with any read/write set, endorsed by any identities."""
        creator = creator or self.world.alice
        settings = {"channel_id": "consortium", "chaincode": "kv", **changes}
        built = build_proposal(
            creator.creator,
            args=[b"anything"],
            timestamp_ns=self.world.clock_ns() + offset_s * 10**9,
            **settings,
        )
        proposal = parse_proposal(built.proposal_bytes)
        prp = response_payload(proposal, encode(rwsets), Response(status), version=version)
        endorsements = [
            Endorsement(peer.creator, peer.sign(endorse_message(prp, peer.creator)))
            for peer in (self.world.peers[:2] if peers is None else peers)
        ]
        envelope = assemble(proposal, prp, endorsements)
        envelope.signature = creator.sign(envelope.payload)
        return envelope.SerializeToString()

    def write(self, key, value=b"v", **changes):
        return self.crafted([NamespaceRwset("kv", writes=(Write(key, value),))], **changes)


@pytest.fixture
def bench(world):
    return Bench(world)


def test_a_crafted_transaction_is_as_good_as_an_endorsed_one(bench):
    assert bench.block(bench.write("a"), bench.put("b")) == [ValidationCode.VALID] * 2
    assert set(bench.state()) == {"a", "b"}


def rebuilt(envelope, change):
    """Take an envelope apart, let `change` alter its endorsed action, put it together again, unsigned."""
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
    transaction = transaction_pb2.Transaction.FromString(payload.data)
    action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    change(action)
    transaction.actions[0].payload = action.SerializeToString()
    payload.data = transaction.SerializeToString()
    return common_pb2.Envelope(payload=payload.SerializeToString())


def signed(envelope, creator):
    envelope.signature = creator.sign(envelope.payload)
    return envelope.SerializeToString()


def flip(data, place=-1):
    altered = bytearray(data)
    altered[place] ^= 1
    return bytes(altered)


def test_a_result_changed_after_endorsement(bench):
    def change(action):
        prp = proposal_response_pb2.ProposalResponsePayload.FromString(
            action.action.proposal_response_payload
        )
        assert b"honest" in prp.extension
        prp.extension = prp.extension.replace(b"honest", b"forged")
        action.action.proposal_response_payload = prp.SerializeToString()

    envelope = signed(rebuilt(bench.put("a", "honest"), change), bench.world.alice)
    assert parse_envelope(envelope).rwset[0].writes[0].value == b"forged"
    assert bench.block(envelope) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]
    assert bench.state() == {}


def test_a_tampered_endorsement(bench):
    def change(action):
        action.action.endorsements[0].signature = flip(action.action.endorsements[0].signature)

    envelope = signed(rebuilt(bench.put("a"), change), bench.world.alice)
    assert bench.block(envelope) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]


def test_an_endorsement_left_out(bench):
    def change(action):
        del action.action.endorsements[1]

    envelope = signed(rebuilt(bench.put("a"), change), bench.world.alice)
    assert bench.block(envelope) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]


def test_one_organisation_that_endorses_twice_is_no_majority(bench):
    twice = [bench.world.peers[0], bench.world.authorities["Org1MSP"].issue("peer1", role=None, ou="peer")]
    assert bench.block(bench.write("a", peers=twice)) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]
    assert bench.block(bench.write("a", peers=[twice[0]] * 2)) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]


def test_an_own_endorsement_is_accepted_once_without_a_second_look_but_never_for_other_bytes(bench):
    """What the node remembers of its own signatures must not let anything else through."""
    first, second = bench.client.endorse("put", "a", "1"), bench.client.endorse("put", "b", "2")
    stolen = parse_envelope(first.signed()).endorsements

    def change(action):
        for mine, theirs in zip(action.action.endorsements, stolen, strict=True):
            mine.signature = theirs.signature

    mixed = signed(rebuilt(second.signed(), change), bench.world.alice)
    assert bench.block(mixed) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]
    assert bench.block(first.signed()) == [ValidationCode.VALID]


@pytest.mark.parametrize("ou", ["client", "admin", "orderer"])
def test_only_peers_endorse(make_world, ou):
    bench = Bench(make_world(endorsement="OR('Org1MSP.member')"))
    other = bench.world.authorities["Org1MSP"].issue("other", role=None, ou=ou)
    assert bench.block(bench.write("a", peers=[other])) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]
    assert bench.block(bench.write("a", peers=bench.world.peers[:1])) == [ValidationCode.VALID]


def test_an_endorser_of_a_foreign_authority(bench):
    foreign = CertificateAuthority.create("org2", "Org2MSP").issue("peer0", role=None, ou="peer")
    verdict = bench.block(bench.write("a", peers=[bench.world.peers[0], foreign]))
    assert verdict == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]


def test_an_endorser_whose_certificate_was_not_valid_at_the_transactions_time(bench):
    early = bench.world.authorities["Org2MSP"].certificate.not_valid_before_utc
    gone = bench.world.authorities["Org2MSP"].issue(
        "peer1", role=None, ou="peer", not_before=early, not_after=early + datetime.timedelta(minutes=2)
    )
    peers = [bench.world.peers[0], gone]
    assert bench.block(bench.write("a", peers=peers)) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]
    then_s = early.timestamp() + 60 - bench.world.clock_ns() / 1e9
    assert bench.block(bench.write("a", peers=peers, offset_s=int(then_s))) == [ValidationCode.VALID]


def test_an_own_endorsement_counts_only_while_the_peers_certificate_is_valid(make_world):
    """The node's own signature needs no verification; when it was made is judged all the same."""
    world = make_world()
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(minutes=5)
    world.peers[0] = world.authorities["Org1MSP"].issue("peer0", role=None, ou="peer", not_after=end)
    bench = Bench(world)
    in_time = bench.put("a")
    world.offset_ns = 6 * 60 * 10**9
    assert bench.block(in_time) == [ValidationCode.VALID]
    assert bench.block(bench.put("b")) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]


def test_every_transaction_needs_its_policy(make_world):
    bench = Bench(make_world(endorsement="AND('Org1MSP.peer', 'Org3MSP.peer')"))
    first, second, third = bench.world.peers
    assert bench.block(bench.write("a", peers=[first, second])) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]
    assert bench.block(bench.write("a", peers=[first, third])) == [ValidationCode.VALID]
    assert bench.block(bench.put("b")) == [ValidationCode.VALID]  # the node asks the right ones itself


@pytest.mark.parametrize("count", [1, 7])
def test_a_forged_creator_is_found_in_the_block_too(bench, count):
    """With several of them two threads verify; the verdicts stay in order."""
    good = [bench.write(f"good{n}") for n in range(count)]
    bad = []
    for n in range(count):
        envelope = common_pb2.Envelope.FromString(bench.write(f"bad{n}"))
        envelope.signature = bench.world.people["Org2MSP"].sign(envelope.payload)
        bad.append(envelope.SerializeToString())
    mixed = [envelope for pair in zip(good, bad, strict=True) for envelope in pair]
    expected = [ValidationCode.VALID, ValidationCode.BAD_CREATOR_SIGNATURE] * count
    assert bench.block(*mixed) == expected
    assert set(bench.state()) == {f"good{n}" for n in range(count)}


def test_a_creator_of_a_foreign_authority(bench):
    foreign = CertificateAuthority.create("org1", "Org1MSP").issue("alice", role="member")
    assert bench.block(bench.write("a", creator=foreign)) == [ValidationCode.BAD_CREATOR_SIGNATURE]


def test_a_creator_that_had_expired(bench):
    early = bench.world.authorities["Org1MSP"].certificate.not_valid_before_utc
    late = bench.world.authorities["Org1MSP"].issue(
        "late", role="member", not_before=early, not_after=early + datetime.timedelta(seconds=60)
    )
    assert bench.block(bench.write("a", creator=late)) == [ValidationCode.BAD_CREATOR_SIGNATURE]


def test_an_id_belongs_to_who_signed_it_first(bench):
    """A forgery that is ordered before the transaction it was made of does not take its id away."""
    honest = bench.write("a")
    forgery = common_pb2.Envelope.FromString(honest)
    forgery.signature = flip(forgery.signature)
    tx_id = parse_envelope(honest).transaction_id
    assert bench.block(forgery.SerializeToString(), honest) == [
        ValidationCode.BAD_CREATOR_SIGNATURE,
        ValidationCode.VALID,
    ]
    assert bench.client.status(tx_id) == (ValidationCode.VALID, 1)


@pytest.mark.parametrize("together", [True, False])
def test_a_transaction_id_counts_once(bench, together):
    envelope = bench.put("a")
    tx_id = parse_envelope(envelope).transaction_id
    blocks = [[envelope, envelope]] if together else [[envelope], [envelope]]
    for block in blocks:
        bench.block(*block)
    assert list(chain.from_iterable(bench.codes())) == [ValidationCode.VALID, ValidationCode.DUPLICATE_TXID]
    assert bench.client.status(tx_id) == (ValidationCode.VALID, 1)
    assert len(list(bench.ledger.history("kv", "a"))) == 1


def test_an_invalid_transaction_uses_up_its_id(bench):
    tx_id, proposal = bench.client.proposal("append", "a", "x")
    endorsed = [bench.client.endorse_signed(tx_id, proposal).signed() for _ in range(2)]
    assert bench.block(bench.put("a"), endorsed[0]) == [
        ValidationCode.VALID,
        ValidationCode.MVCC_READ_CONFLICT,
    ]
    assert bench.block(endorsed[1]) == [ValidationCode.DUPLICATE_TXID]
    assert bench.client.status(tx_id) == (ValidationCode.MVCC_READ_CONFLICT, 1)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"channel_id": "other"}, ValidationCode.TARGET_CHAIN_NOT_FOUND),
        ({"status": 400}, ValidationCode.BAD_RESPONSE_PAYLOAD),
        ({"status": 0}, ValidationCode.BAD_RESPONSE_PAYLOAD),
    ],
)
def test_transactions_that_no_honest_peer_endorses(bench, changes, code):
    assert bench.block(bench.write("a", **changes)) == [code]
    assert bench.state() == {}


def test_a_chaincode_writes_into_its_own_namespace_only(bench):
    envelope = bench.crafted([NamespaceRwset("other", writes=(Write("a", b"v"),))])
    assert bench.block(envelope) == [ValidationCode.ILLEGAL_WRITESET]


def test_endorsements_of_another_proposal(bench):
    envelope = bench.put("a")

    def change(action):
        action.chaincode_proposal_payload = action.chaincode_proposal_payload.replace(b"put", b"pat")

    altered = signed(rebuilt(envelope, change), bench.world.alice)
    assert bench.block(altered) == [ValidationCode.INVALID_ENDORSER_TRANSACTION]


def test_bytes_that_are_no_transaction_are_stored_as_such(bench):
    good = bench.put("a")
    verdict = bench.block(
        b"", b"\xff\xff", common_pb2.Envelope(payload=b"\x0a\x00").SerializeToString(), good
    )
    assert ValidationCode.VALID not in verdict[:3]
    assert verdict[3] is ValidationCode.VALID
    assert bench.state() == {"a": b"v"}


def test_a_stale_read_is_a_conflict(bench):
    bench.block(bench.put("a", "1"))
    stale = bench.client.endorse("append", "a", "x").signed()
    bench.block(bench.put("a", "2"))
    assert bench.block(stale) == [ValidationCode.MVCC_READ_CONFLICT]
    assert bench.state() == {"a": b"2"}


def test_a_read_of_what_was_absent_conflicts_with_its_creation(bench):
    second = bench.client.endorse("create", "a", "2").signed()
    bench.block(bench.client.endorse("create", "a", "1").signed())
    assert bench.block(second) == [ValidationCode.MVCC_READ_CONFLICT]


def test_a_read_of_what_was_deleted_since_is_a_conflict(bench):
    bench.block(bench.put("a", "1"))
    stale = bench.client.endorse("append", "a", "x").signed()
    bench.block(bench.client.endorse("delete", "a").signed())
    assert bench.block(stale) == [ValidationCode.MVCC_READ_CONFLICT]


def test_a_key_deleted_and_created_again_has_another_version(bench):
    bench.block(bench.put("a", "1"))
    stale = bench.client.endorse("append", "a", "x").signed()
    bench.block(bench.client.endorse("delete", "a").signed())
    bench.block(bench.put("a", "1"))
    assert bench.block(stale) == [ValidationCode.MVCC_READ_CONFLICT]


def test_blind_writes_never_conflict(bench):
    assert bench.block(bench.put("a", "1"), bench.put("a", "2")) == [ValidationCode.VALID] * 2
    assert bench.state() == {"a": b"2"}
    [row] = bench.ledger.state("kv")
    assert row.version == Version(1, 1)


def test_a_conflict_leaves_no_trace_of_the_whole_transaction(bench):
    bench.block(bench.put("a", "1"))
    before = bench.ledger.state_hash()
    envelope = bench.crafted(
        [NamespaceRwset("kv", reads=(Read("a", Version(9, 9)),), writes=(Write("b", b"x"), Write("c", b"y")))]
    )
    assert bench.block(envelope) == [ValidationCode.MVCC_READ_CONFLICT]
    assert bench.ledger.state_hash() == before
    assert bench.state() == {"a": b"1"}


PHANTOMS = {
    "appears": lambda b: b.put("k5"),
    "changes": lambda b: b.put("k1", "other"),
    "disappears": lambda b: b.client.endorse("delete", "k2").signed(),
}


@pytest.mark.parametrize("phantom", PHANTOMS)
@pytest.mark.parametrize("together", [True, False])
def test_a_phantom_is_a_conflict(bench, phantom, together):
    bench.block(*[bench.put(f"k{n}") for n in (1, 2, 3)])
    counted = bench.client.endorse("count", "k", "l", "total").signed()
    disturbance = PHANTOMS[phantom](bench)
    if together:
        verdict = bench.block(disturbance, counted)
    else:
        bench.block(disturbance)
        verdict = bench.block(counted)
    assert verdict[-1] is ValidationCode.PHANTOM_READ_CONFLICT
    assert "total" not in bench.state()


def test_what_happens_beside_a_range_disturbs_nobody(bench):
    bench.block(*[bench.put(f"k{n}") for n in (1, 2, 3)])
    counted = bench.client.endorse("count", "k1", "k3", "total").signed()
    absent = bench.client.endorse("delete", "k25").signed()  # removes nothing
    assert bench.block(bench.put("k3", "x"), bench.put("k0"), absent, counted)[-1] is ValidationCode.VALID
    assert bench.state()["total"] == b"2"


def test_an_unfinished_scan_is_protected_as_far_as_it_went(bench):
    bench.block(*[bench.put(f"k{n}") for n in (2, 4, 6)])
    scans = [bench.client.endorse("first", "k", "l", f"t{n}").signed() for n in (1, 2)]
    [query] = parse_envelope(scans[0]).rwset[0].range_queries
    assert query == RangeQuery("k", "k2", False, (Read("k2", Version(1, 0)),))
    assert bench.block(bench.put("k3"), scans[0]) == [ValidationCode.VALID] * 2
    assert bench.block(bench.put("k1"), scans[1])[-1] is ValidationCode.PHANTOM_READ_CONFLICT


@pytest.mark.parametrize("shape", ["in one namespace", "in a repeated namespace"])
def test_one_key_written_twice_by_one_transaction_counts_once(bench, shape):
    """Colluding endorsers sign a set that `encode` refuses to build."""
    writes = [kv_rwset_pb2.KVWrite(key="a", value=value) for value in (b"1", b"2")]
    groups = [writes] if shape == "in one namespace" else [[write] for write in writes]
    results = rwset_pb2.TxReadWriteSet(
        ns_rwset=[
            rwset_pb2.NsReadWriteSet(
                namespace="kv", rwset=kv_rwset_pb2.KVRWSet(writes=group).SerializeToString()
            )
            for group in groups
        ]
    )

    def change(action):
        prp = proposal_response_pb2.ProposalResponsePayload.FromString(
            action.action.proposal_response_payload
        )
        inner = proposal_pb2.ChaincodeAction.FromString(prp.extension)
        inner.results = results.SerializeToString()
        prp.extension = inner.SerializeToString()
        action.action.proposal_response_payload = prp.SerializeToString()
        for endorsement, peer in zip(action.action.endorsements, bench.world.peers, strict=False):
            message = endorse_message(action.action.proposal_response_payload, peer.creator)
            endorsement.signature = peer.sign(message)

    doubled = signed(rebuilt(bench.write("a"), change), bench.world.alice)
    assert bench.block(doubled) == [ValidationCode.VALID]
    assert bench.state() == {"a": b"2"}
    assert [row.value for row in bench.ledger.history("kv", "a")] == [b"2"]
    assert bench.ledger.state_hash() == state_hash_of([("kv", "a", b"2")])
