"""Whom and what the node refuses at its door, with the statuses of a Fabric peer."""

import datetime
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2

from fedpact.gateway.transport import Status, TransportError
from fedpact.identity import CertificateAuthority, Identity, PrivateKeySigner
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import BatchRules
from fedpact.wire.envelopes import parse_envelope
from fedpact_network.embedded import submission
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.orderer import Sequencer
from fedpact_network.embedded.submission import Submission

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def refused(call, *args, **kwargs):
    with pytest.raises(TransportError) as caught:
        call(*args, **kwargs)
    return caught.value


def test_a_refusal_of_the_contract_is_aborted_with_the_peers_answer(world):
    client = world.client(world.create())
    error = refused(client.endorse, "refuse")
    assert error.status is Status.ABORTED
    [detail] = error.details
    assert (detail.address, detail.mspid) == ("peer0", "Org1MSP")
    assert detail.message == "chaincode response 403, refused"


def test_a_refused_evaluation_is_unknown_with_the_answer(world):
    client = world.client(world.create())
    error = refused(client.evaluate, "read", "nothing")
    assert error.status is Status.UNKNOWN
    assert error.message == "evaluate call to endorser returned error: chaincode response 404, not found"
    assert error.details[0].message == "chaincode response 404, not found"


def test_an_unknown_chaincode(world):
    client = world.client(world.create()).changed(chaincode="other")
    assert refused(client.evaluate, "read", "a").status is Status.FAILED_PRECONDITION
    assert refused(client.endorse, "read", "a").status is Status.FAILED_PRECONDITION


def test_an_unknown_channel(world):
    client = world.client(world.create()).changed(channel="other")
    assert refused(client.evaluate, "read", "a").status is Status.UNAVAILABLE
    assert refused(client.endorse, "read", "a").status is Status.FAILED_PRECONDITION
    assert refused(client.status, "00").status is Status.PERMISSION_DENIED


def test_a_proposal_for_another_channel_inside_a_right_request(world):
    client = world.client(world.create())
    tx_id, signed = client.changed(channel="other").proposal("put", "a", "1")
    assert refused(client.endorse_signed, tx_id, signed).status is Status.FAILED_PRECONDITION


def outsiders(world):
    """Identities that must not act, by what is wrong with them."""
    foreign = CertificateAuthority.create("org1", "Org1MSP").issue("alice", role="member")
    stranger = CertificateAuthority.create("org9", "Org9MSP").issue("mallory", role="member")
    authority = world.authorities["Org1MSP"]
    early = authority.certificate.not_valid_before_utc
    expired = authority.issue("late", role="member", not_before=early, not_after=early + DAY / 1000)
    alice = world.alice
    other_key = Identity.__new__(Identity)
    other_key.__dict__.update(alice.__dict__, signer=PrivateKeySigner.generate())
    return {"foreign CA": foreign, "stranger": stranger, "expired": expired, "forged": other_key}


@pytest.mark.parametrize("who", ["foreign CA", "stranger", "expired", "forged"])
def test_who_is_no_member_may_not_propose_query_or_ask(world, who):
    ledger = world.create()
    client = world.client(ledger, outsiders(world)[who])
    told = "error validating proposal: access denied: "
    error = refused(client.endorse, "put", "a", "1")
    assert error.status is Status.ABORTED
    assert error.details[0].message.startswith(told)
    error = refused(client.evaluate, "put", "a", "1")
    assert error.status is Status.FAILED_PRECONDITION
    assert error.message.startswith(f"evaluate call to endorser returned error: {told}")
    assert refused(client.status, "00" * 32).status is Status.PERMISSION_DENIED
    assert ledger.height() == 1


@pytest.mark.parametrize("who", ["foreign CA", "stranger", "expired", "forged"])
def test_who_is_no_member_may_not_submit(world, who):
    ledger = world.create()
    prepared = world.client(ledger).endorse("put", "a", "1")
    prepared.creator = outsiders(world)[who]
    error = refused(world.client(ledger).submit_envelope, prepared.signed())
    assert error.status is Status.ABORTED
    assert error.message.startswith("received unsuccessful response from orderer: status=FORBIDDEN, info=")
    assert ledger.height() == 1


def test_a_large_envelope_of_a_stranger_is_not_parsed(world, monkeypatch):
    """Its read/write set would take many times its memory, and seconds."""
    ledger = world.create()
    prepared = world.client(ledger).endorse("put", "a", "x" * 100_000)
    prepared.creator = outsiders(world)["stranger"]
    forged, parsed = prepared.signed(), []
    ledger.close()
    ledger = world.open()  # remembers nothing that it put together
    monkeypatch.setattr(submission, "parse", parsed.append)
    with pytest.raises(Refusal) as caught:
        ledger.node.submit(forged)
    assert caught.value.code is RefusalCode.ACCESS_DENIED
    assert parsed == []


def test_a_changed_payload_no_longer_has_its_signature(world):
    ledger = world.create()
    client = world.client(ledger)
    prepared = client.endorse("put", "a", "1")
    prepared.signed()
    prepared.envelope.payload = prepared.envelope.payload.replace(b"put", b"pxt")
    error = refused(client.submit_envelope, prepared.envelope.SerializeToString())
    assert error.status is Status.ABORTED
    assert ledger.height() == 1


def test_an_unsigned_envelope(world):
    client = world.client(world.create())
    prepared = client.endorse("put", "a", "1")
    error = refused(client.submit_envelope, prepared.envelope.SerializeToString())
    assert error.status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("offset_s", [-61, 61])
def test_a_proposal_off_the_nodes_clock(world, offset_s):
    ledger = world.create()
    skewed = world.client(ledger).changed(clock_ns=lambda: world.clock_ns() + offset_s * 10**9)
    error = refused(skewed.evaluate, "put", "a", "1")
    assert error.status is Status.FAILED_PRECONDITION
    assert "60000" in error.message
    error = refused(skewed.endorse, "put", "a", "1")
    assert error.status is Status.ABORTED
    assert "60000" in error.details[0].message
    fine = world.client(ledger).changed(clock_ns=lambda: world.clock_ns() + (offset_s // 2) * 10**9)
    assert fine.run("put", "a", "1")[0] is ValidationCode.VALID


def test_an_identity_that_expires_while_the_node_runs(world):
    ledger = world.create()
    bob = world.authorities["Org1MSP"].issue("bob", role="member", not_after=NOW + DAY)
    client = world.client(ledger, bob)
    assert client.run("put", "a", "1")[0] is ValidationCode.VALID
    prepared = client.endorse("put", "a", "2")
    world.offset_ns = 2 * 86_400 * 10**9
    assert "EXPIRED" in refused(client.endorse, "put", "a", "3").details[0].message
    assert "status=FORBIDDEN" in refused(client.submit_envelope, prepared.signed()).message


def test_a_proposal_dated_after_its_creator_expires(world):
    """A block judges the creator by the transaction's time, so the endorser does as well."""
    bob = world.authorities["Org1MSP"].issue("bob", role="member", not_after=NOW + DAY)
    client = world.client(world.create(), bob)
    world.offset_ns = int((NOW + DAY).timestamp() - 20) * 10**9 - time.time_ns()  # expires in 20 seconds
    assert client.run("put", "a", "1")[0] is ValidationCode.VALID
    ahead = client.changed(clock_ns=lambda: world.clock_ns() + 40 * 10**9)
    assert "EXPIRED" in refused(ahead.endorse, "put", "a", "2").details[0].message


def test_an_envelope_endorsed_by_a_peer_that_has_expired_since(world):
    world.peers[1] = world.authorities["Org2MSP"].issue("peer0", role=None, ou="peer", not_after=NOW + DAY)
    ledger = world.create()
    prepared = world.client(ledger).endorse("put", "a", "1", orgs=["Org1MSP", "Org2MSP"])
    world.offset_ns = 2 * 86_400 * 10**9
    error = refused(world.client(ledger).submit_envelope, prepared.signed())
    assert error.status is Status.ABORTED
    assert "endorser" in error.message


def test_organisations_that_the_node_has_no_peer_of(world):
    ledger = world.create(peers=world.peers[:1])
    client = world.client(ledger)
    assert refused(client.endorse, "put", "a", "1").status is Status.FAILED_PRECONDITION
    assert refused(client.endorse, "put", "a", "1", orgs=["Org2MSP"]).status is Status.UNAVAILABLE


def test_the_smallest_set_endorses_with_the_creators_own_organisation_first(world):
    ledger = world.create()
    for mspid in ("Org2MSP", "Org3MSP"):
        prepared = world.client(ledger, world.people[mspid]).endorse("put", "a", "1")
        endorsements = parse_envelope(prepared.envelope.SerializeToString()).endorsements
        signers = [world.config.membership().identify(e.endorser).mspid for e in endorsements]
        assert signers == [mspid, "Org1MSP"]


def test_a_transaction_larger_than_the_channel_allows(make_world):
    world = make_world(batch=BatchRules(max_bytes=20_000, absolute_max_bytes=20_000))
    client = world.client(world.create())
    assert refused(client.endorse, "put", "a", "x" * 30_000).status is Status.ABORTED
    assert client.run("put", "a", "x" * 3_000)[0] is ValidationCode.VALID


def test_an_envelope_larger_than_the_channel_allows(make_world):
    world = make_world(batch=BatchRules(max_bytes=20_000, absolute_max_bytes=20_000))
    ledger = world.create()
    prepared = world.client(ledger).endorse("put", "a", "x")
    prepared.envelope.payload += b"\x1a\xa0\x9c\x01" + b"x" * 20_000
    error = refused(world.client(ledger).submit_envelope, prepared.signed())
    assert error.status is Status.ABORTED
    assert "status=BAD_REQUEST" in error.message


@pytest.mark.parametrize("method", ["evaluate", "endorse", "submit", "commit_status"])
def test_bytes_that_are_no_request(world, method):
    transport = world.create().transport()
    for garbage in (b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f"):
        error = refused(getattr(transport, method), garbage, timeout_s=1)
        assert error.status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("part", ["nothing", "empty proposal", "random"])
def test_requests_without_a_proposal(world, part):
    client = world.client(world.create())
    signed = {
        "nothing": proposal_pb2.SignedProposal(),
        "empty proposal": proposal_pb2.SignedProposal(proposal_bytes=b"\x0a\x00", signature=b"x"),
        "random": proposal_pb2.SignedProposal(proposal_bytes=b"\x0a\x03abc", signature=b"x"),
    }[part]
    assert refused(client.endorse_signed, "", signed).status is Status.INVALID_ARGUMENT
    assert refused(client.evaluate_signed, signed).status is Status.INVALID_ARGUMENT


def test_an_event_without_a_creator_in_its_envelope(world):
    client = world.client(world.create())
    envelope = common_pb2.Envelope(payload=b"\x0a\x00", signature=b"x").SerializeToString()
    assert refused(client.submit_envelope, envelope).status is Status.ABORTED


def test_the_outcome_of_nothing_is_not_there_in_time(world):
    client = world.client(world.create())
    assert refused(client.status, "00" * 32, timeout_s=0.05).status is Status.DEADLINE_EXCEEDED


def test_a_proposal_can_not_be_endorsed_again_once_committed(world):
    ledger = world.create()
    client = world.client(ledger)
    tx_id, signed = client.proposal("append", "a", "x")
    prepared = client.endorse_signed(tx_id, signed)
    client.submit_envelope(prepared.signed())
    client.status(tx_id)
    error = refused(client.endorse_signed, tx_id, signed)
    assert error.status is Status.ABORTED
    assert "duplicate" in error.details[0].message


def test_the_same_envelope_again_changes_nothing_and_another_is_refused(world):
    ledger, orderer = world.by_hand()
    client = world.client(ledger)
    tx_id, signed = client.proposal("append", "a", "x")
    first, second = client.endorse_signed(tx_id, signed), client.endorse_signed(tx_id, signed)
    envelope, other = first.signed(), second.signed()
    client.submit_envelope(envelope)
    orderer.cut()
    client.submit_envelope(envelope)
    assert orderer.waiting == []
    assert envelope != other
    assert refused(client.submit_envelope, other).status is Status.ABORTED


def test_the_sequencer_takes_an_envelope_once_while_it_waits(make_world):
    world = make_world(organisations=1, batch=BatchRules(timeout_ms=400))
    ledger = world.create()
    client = world.client(ledger)
    tx_id, signed = client.proposal("append", "a", "x")
    first, second = client.endorse_signed(tx_id, signed), client.endorse_signed(tx_id, signed)
    sequencer = Sequencer(world.batch)  # not started: everything waits
    envelope = first.signed()
    sequencer.submit(Submission.read(envelope))
    sequencer.submit(Submission.read(envelope))
    with pytest.raises(Refusal) as caught:
        sequencer.submit(Submission.read(second.signed()))
    assert caught.value.code is RefusalCode.DUPLICATE
    delivered = []
    sequencer.start(delivered.extend)
    sequencer.close()
    assert [submission.envelope for submission in delivered] == [envelope]


def test_a_closed_node_is_unavailable(world):
    ledger = world.create()
    client = world.client(ledger)
    prepared = client.endorse("put", "a", "1")
    ledger.close()
    ledger.close()
    for call, args in (
        (client.evaluate, ("read", "a")),
        (client.endorse, ("read", "a")),
        (client.submit_envelope, (prepared.signed(),)),
        (client.status, ("00" * 32,)),
    ):
        assert refused(call, *args).status is Status.UNAVAILABLE


def test_who_waits_when_the_node_closes_is_told(world):
    ledger = world.create()
    client = world.client(ledger)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.status, "00" * 32)
        deadline = time.monotonic() + 10
        while not ledger.node.notifier._waiters:
            assert time.monotonic() < deadline
        ledger.close()
        assert isinstance(waiting.exception(), TransportError)
        assert waiting.exception().status is Status.UNAVAILABLE


def test_a_forked_child_is_sent_to_the_local_address(world):
    ledger = world.create()
    client = world.client(ledger)
    child = os.fork()
    if child == 0:
        try:
            client.evaluate("put", "a", "1")
        except TransportError as error:
            with pytest.raises(Refusal):
                ledger.height()
            ledger.close()
            os._exit(0 if error.status is Status.UNAVAILABLE else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.run("put", "a", "1")[0] is ValidationCode.VALID


def test_requests_name_their_own_fields(world):
    """A commit status request is what its creator signed, not what stands beside it."""
    ledger = world.create()
    client = world.client(ledger)
    request = gateway_pb2.CommitStatusRequest(
        transaction_id="00", channel_id=client.channel, identity=world.alice.creator
    ).SerializeToString()
    signed = gateway_pb2.SignedCommitStatusRequest(request=request, signature=world.alice.sign(b"other"))
    error = refused(client.transport.commit_status, signed.SerializeToString(), timeout_s=1)
    assert error.status is Status.PERMISSION_DENIED
