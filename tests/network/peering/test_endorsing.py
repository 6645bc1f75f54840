"""Endorsements that are collected over several nodes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import pytest
from fabric_protos.peer import proposal_response_pb2
from tests.network.peering.conftest import KeyValue

from fedpact.gateway.status_details import DETAILS_KEY, decode_details
from fedpact.validation import parse
from fedpact_network.peering import endorsing
from fedpact_network.peering.endorsing import PeerEndorsers
from fedpact_network.server.settings import ServerSettings

PROCESS = "/protos.Endorser/ProcessProposal"
ALL = "AND('Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')"


def endorsers(envelope, world):
    membership = world.config.membership()
    transaction = parse(envelope.SerializeToString())
    return sorted(membership.identify(one.endorser).mspid for one in transaction.endorsements)


def refused(call, *args, **more):
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **more)
    error = caught.value
    details = [decode_details(value) for key, value in error.trailing_metadata() if key == DETAILS_KEY]
    return error.code(), error.details(), details[0] if details else ()


def test_three_organisations_endorse_on_three_nodes(make_world):
    world = make_world(endorsement=ALL)
    nodes = world.three()
    for number, node in enumerate(nodes):
        caller = node.caller(world.people[f"Org{number + 1}MSP"])
        assert endorsers(caller.endorse("put", "x", "1")[1], world) == ["Org1MSP", "Org2MSP", "Org3MSP"]
        world.settle()
        caller.run("put", f"key{number}", "1")
        world.settle(node, *nodes)
    world.assert_equal()


def test_what_other_peers_refuse_is_told_with_address_and_organisation(make_world):
    world = make_world(endorsement=ALL)
    first, _second, third = world.three()
    third.contract.invoke = lambda stub: KeyValue().invoke(replace_arguments(stub, [b"refuse"]))
    code, text, details = refused(first.caller().endorse, "put", "a", "1")
    assert (code, text) == (
        grpc.StatusCode.ABORTED,
        "failed to collect enough transaction endorsements, see attached details for more info",
    )
    assert [(one.address, one.mspid, one.message) for one in details] == [
        (third.address, "Org3MSP", "chaincode response 403, refused")
    ]


class replace_arguments:  # noqa: N801
    def __init__(self, stub, args):
        self._stub, self.args = stub, args

    def __getattr__(self, name):
        return getattr(self._stub, name)


def test_another_result_elsewhere(make_world):
    world = make_world(endorsement=ALL)
    first, second, _ = world.three()
    second.contract.answer = b"other"
    code, text, _ = refused(first.caller().endorse, "put", "a", "1")
    assert (code, text) == (
        grpc.StatusCode.ABORTED,
        "failed to assemble transaction: ProposalResponsePayloads do not match",
    )


def test_a_peer_that_is_gone_and_another_one_of_its_organisation(make_world):
    world = make_world(endorsement=ALL)
    first, second, third = world.three()
    third.stop()
    code, _text, details = refused(first.caller().endorse, "put", "a", "1")
    assert code is grpc.StatusCode.ABORTED
    assert [(one.address, one.mspid) for one in details] == [(third.address, "Org3MSP")]
    world.peers["Org3MSP"] = world.authorities["Org3MSP"].issue("peer1", role=None, ou="peer")
    url = f"embedded://{world.folder}/spare/ledger.db"
    spare = world.follower(first, "Org3MSP", url=url)
    first.stop()
    first.peering = replace(
        first.peering,
        peers={"Org2MSP": second.place, "Org3MSP": world.place(third.address, spare.address)},
    )
    first.start()
    first.caller().run("put", "a", "1")
    world.assert_equal(first, second, spare)


def test_another_organisation_where_one_does_not_answer(make_world):
    """And transient data reach only whom the policy needs."""
    world = make_world(endorsement="AND('Org1MSP.peer', OR('Org2MSP.peer', 'Org3MSP.peer'))")
    first, second, third = world.three()
    _, envelope = first.caller().endorse("put", "a", "1")
    assert endorsers(envelope, world) == ["Org1MSP", "Org2MSP"]
    assert third.contract.seen == []
    second.stop()
    _, envelope = first.caller().endorse("put", "a", "1")
    assert endorsers(envelope, world) == ["Org1MSP", "Org3MSP"]
    third.stop()
    code, _, details = refused(first.caller().endorse, "put", "a", "1")
    assert code is grpc.StatusCode.ABORTED
    assert {one.mspid for one in details} == {"Org2MSP", "Org3MSP"}


def test_organisations_that_the_client_names(make_world):
    world = make_world()
    first, second, _third = world.three()
    _, envelope = first.caller().endorse("put", "a", "1", organisations=("Org2MSP", "Org3MSP"))
    assert endorsers(envelope, world) == ["Org2MSP", "Org3MSP"]
    first.knows(Org2MSP=second)
    code, text, _ = refused(first.caller().endorse, "put", "a", "1", organisations=("Org3MSP",))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert text == "failed to find any endorsing peers: no peers of Org3MSP are known"


def test_an_organisation_nobody_knows(make_world):
    world = make_world(endorsement=ALL)
    first = world.ordering()
    code, text, details = refused(first.caller().endorse, "put", "a", "1")
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert text.startswith("no combination of peers can be derived which satisfy the endorsement policy: ")
    assert details == ()


def test_a_peer_that_takes_too_long(make_world, monkeypatch):
    monkeypatch.setattr(endorsing, "DEADLINE_S", 0.2)
    world = make_world(endorsement=ALL)
    first, second, _ = world.three()
    waiting, invoke = [], second.contract.invoke

    def slow(stub):
        import threading

        waiting.append(threading.Event())
        waiting[-1].wait(10)
        return invoke(stub)

    second.contract.invoke = slow
    code, _, details = refused(first.caller().endorse, "put", "a", "1")
    for event in waiting:
        event.set()
    assert code is grpc.StatusCode.ABORTED
    assert [(one.mspid, one.address) for one in details] == [("Org2MSP", second.address)]


def test_nodes_that_wait_for_each_other_still_answer_each_other(make_world, monkeypatch):
    """All threads for clients' calls wait for another node: this one still endorses and takes envelopes."""
    world = make_world(endorsement=ALL)
    first, _, _ = world.three()
    entered, go_on = threading.Semaphore(0), threading.Event()
    asked = PeerEndorsers.__call__

    def slow(self, call):
        entered.release()
        go_on.wait(20)
        return asked(self, call)

    monkeypatch.setattr(PeerEndorsers, "__call__", slow)
    threads = ServerSettings().threads
    with ThreadPoolExecutor(threads + 8) as pool:
        try:
            waiting = [
                pool.submit(first.caller().endorse, "put", f"x{number}", "1") for number in range(threads)
            ]
            for _ in range(threads):
                assert entered.acquire(timeout=20)
            _, signed = first.caller().proposal("put", "y", "1")
            answer = first.caller().call(PROCESS, signed.SerializeToString(), timeout_s=5)
            assert proposal_response_pb2.ProposalResponse.FromString(answer).response.status == 200
        finally:
            go_on.set()
        assert len([future.result() for future in waiting]) == threads
