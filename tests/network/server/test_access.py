"""The policies that a channel's configuration puts before Fabric's resources: what is closed is closed."""

from __future__ import annotations

import time

import grpc
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import configuration_pb2, events_pb2

from fedpact.wire.config_changes import desired, set_policy
from fedpact.wire.config_update import compute_update, sign_update, update_envelope

Code = grpc.StatusCode
ADMINS = "/Channel/Application/Org1MSP/Admins"


def change(site, alter):
    """Have the organisations' administrators agree on a configuration."""
    bundle = site.ledger.bundle
    group = desired(bundle)
    alter(group)
    people = [ca.issue("boss", role=None, ou="admin") for ca in site.authorities]
    update = compute_update(bundle, group)
    signed = [sign_update(update, person) for person in people]
    site.ledger.update_config(update_envelope(update, signed, people[0], timestamp_ns=time.time_ns()))


def close(site, resource):
    """Leave a resource to administrators."""

    def alter(group):
        acls = configuration_pb2.ACLs(acls={resource: configuration_pb2.APIResource(policy_ref=ADMINS)})
        value = group.groups["Application"].values["ACLs"]
        value.value, value.mod_policy = acls.SerializeToString(), "Admins"

    change(site, alter)


def delivered(caller, method):
    place = ab_pb2.SeekPosition(oldest={})
    request = caller.seek(ab_pb2.SeekInfo(start=place, stop=place))
    replies = list(caller.channel.stream_stream(method)(iter([request]), timeout=20))
    reply = (ab_pb2 if "orderer" in method else events_pb2).DeliverResponse.FromString(replies[-1])
    return common_pb2.Status.Name(reply.status)


def events(caller):
    request = gateway_pb2.ChaincodeEventsRequest(
        channel_id="consortium",
        chaincode_id="kv",
        identity=caller.identity.creator,
        start_position=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=0)),
    ).SerializeToString()
    signed = gateway_pb2.SignedChaincodeEventsRequest(
        request=request, signature=caller.identity.sign(request)
    )
    call = caller.channel.unary_stream("/gateway.Gateway/ChaincodeEvents")
    return next(call(signed.SerializeToString(), timeout=20))


ASKS = {
    "peer/Propose": (lambda caller, _: caller.evaluate("read", "a"), Code.FAILED_PRECONDITION),
    "gateway/CommitStatus": (lambda caller, tx_id: caller.status(tx_id), Code.PERMISSION_DENIED),
    "gateway/ChaincodeEvents": (lambda caller, _: events(caller), Code.PERMISSION_DENIED),
}
DELIVERIES = {
    "event/Block": ("/protos.Deliver/Deliver", "/protos.Deliver/DeliverWithPrivateData"),
    "event/FilteredBlock": ("/protos.Deliver/DeliverFiltered",),
}
ORDERER = "/orderer.AtomicBroadcast/Deliver"


@pytest.mark.parametrize("resource", [*ASKS, *DELIVERIES])
def test_what_is_left_to_administrators(site, refusal, resource):
    server = site.serve()
    alice = site.caller(server)
    boss = site.caller(server, site.authorities[0].issue("boss", role=None, ou="admin"))
    tx_id = alice.run("create", "a", "1")
    close(site, resource)
    for closed, (ask, code) in ASKS.items():
        if closed == resource:
            error = refusal(ask, alice, tx_id)
            assert error.code() is code
            assert f"with policy [{ADMINS}]" in error.details()
        else:
            ask(alice, tx_id)
        ask(boss, tx_id)
    for closed, methods in DELIVERIES.items():
        found = {delivered(alice, method) for method in methods}
        assert found == ({"FORBIDDEN"} if closed == resource else {"SUCCESS"})
        assert {delivered(boss, method) for method in methods} == {"SUCCESS"}
    assert delivered(alice, ORDERER) == "SUCCESS"


def test_endorsing_is_proposing(site, refusal):
    caller = site.caller(site.serve())
    close(site, "peer/Propose")
    assert refusal(caller.endorse, "create", "a", "1").code() is Code.ABORTED
    _, signed = caller.proposal("create", "a", "1")
    error = refusal(caller.call, "/protos.Endorser/ProcessProposal", signed.SerializeToString())
    assert error.code() is Code.UNKNOWN
    assert error.details().startswith("failed evaluating policy on signed data")


def test_a_stream_ends_where_a_configuration_shuts_it_out(site):
    caller = site.caller(site.serve())
    newest, never = ab_pb2.SeekPosition(newest={}), ab_pb2.SeekPosition(specified={"number": 2**64 - 1})
    request = caller.seek(ab_pb2.SeekInfo(start=newest, stop=never))
    stream = caller.channel.stream_stream("/protos.Deliver/Deliver")(iter([request]), timeout=20)
    assert events_pb2.DeliverResponse.FromString(next(stream)).HasField("block")
    close(site, "event/Block")
    reply = events_pb2.DeliverResponse.FromString(next(stream))
    assert common_pb2.Status.Name(reply.status) == "FORBIDDEN"


def test_the_orderer_has_policies_of_its_own(site, refusal):
    caller = site.caller(site.serve())
    tx_id, envelope = caller.endorse("create", "a", "1")

    def alter(group):
        for name in ("Readers", "Writers"):
            set_policy(group, f"/Channel/{name}", "OR('Org1MSP.admin')")

    change(site, alter)
    request = gateway_pb2.SubmitRequest(
        transaction_id=tx_id, channel_id="consortium", prepared_transaction=envelope
    )
    error = refusal(caller.call, "/gateway.Gateway/Submit", request.SerializeToString())
    assert error.code() is Code.ABORTED
    assert "status=FORBIDDEN" in error.details()
    assert delivered(caller, ORDERER) == "FORBIDDEN"
    assert delivered(caller, "/protos.Deliver/Deliver") == "SUCCESS"
