"""TLS, mutual TLS, plain addresses, settings."""

from __future__ import annotations

import hashlib
import ssl

import grpc
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2

from fedpact_network.server.errors import ServerError
from fedpact_network.server.server import serve
from fedpact_network.server.settings import ServerSettings, Tls, load_profile, split_address

Code = grpc.StatusCode
GENESIS = ab_pb2.SeekInfo(start={"oldest": {}}, stop={"oldest": {}})


def fingerprint(certificate):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.decode())).digest()


def test_clients_must_show_a_certificate_of_the_roots(make_site, site, refusal):
    server = site.serve(client_roots=site.tls.root)
    assert site.caller(server, pair=site.tls.issue("client")).evaluate("read", "a") == b""
    foreign = make_site().tls.issue("client")
    for pair in (None, foreign):
        error = refusal(site.caller(server, pair=pair).evaluate, "read", "a", timeout_s=5)
        assert error.code() in {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED}


def test_a_client_of_another_root_does_not_trust_the_server(make_site, site, refusal):
    server = site.serve()
    stranger = make_site()
    error = refusal(stranger.caller(server).evaluate, "read", "a", timeout_s=5)
    assert error.code() in {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED}


def delivered(caller, **header):
    stream = caller.channel.stream_stream("/protos.Deliver/Deliver")
    replies = stream(iter([caller.seek(GENESIS, **header)]), timeout=20)
    return [events_pb2.DeliverResponse.FromString(data) for data in replies]


def test_requests_for_blocks_are_bound_to_the_connection(site):
    server = site.serve(client_roots=site.tls.root, bind_clients=True)
    pair, other = site.tls.issue("client"), site.tls.issue("other")
    caller = site.caller(server, pair=pair)
    assert delivered(caller, certificate_hash=fingerprint(pair[0]))[0].HasField("block")
    for wrong in (b"", fingerprint(other[0])):
        [reply] = delivered(caller, certificate_hash=wrong)
        assert reply.status == common_pb2.BAD_REQUEST


def test_without_tls_loopback_only(site):
    server = serve(site.ledger, ServerSettings(listen="127.0.0.1:0"))
    with grpc.insecure_channel(server.address) as channel:
        grpc.channel_ready_future(channel).result(10)
    server.stop()
    with pytest.raises(ServerError) as caught:
        ServerSettings(listen="0.0.0.0:0")
    assert caught.value.code == "PLAIN_REFUSED"
    assert ServerSettings(listen="0.0.0.0:0", allow_plain=True).tls is None


def test_an_address_is_served_once(site):
    server = site.serve()
    with pytest.raises(ServerError) as caught:
        site.serve(listen=server.address)
    assert caught.value.code == "ADDRESS_UNUSABLE"
    site.caller(server).run("create", "a", "1")


def test_certificates_that_cannot_be_used(site, tmp_path):
    _, key = site.tls.issue("localhost")
    for certificate, other in ((site.certificate, key), (b"nothing", site.key)):
        with pytest.raises(ServerError) as caught:
            serve(site.ledger, ServerSettings(tls=Tls(certificate=certificate, key=other)))
        assert caught.value.code == "TLS_UNUSABLE"
    with pytest.raises(ServerError) as caught:
        Tls.load(tmp_path / "none.pem", tmp_path / "none.key")
    assert "none.pem" in str(caught.value)
    with pytest.raises(ServerError):
        Tls(certificate=site.certificate, key=site.key, bind_clients=True)
    assert site.key.decode() not in repr(Tls(certificate=site.certificate, key=site.key))


def test_settings_have_bounds(site):
    for wrong in (
        {"gateway_calls": 0},
        {"threads": 10_000},
        {"listen": "localhost"},
        {"listen": "localhost:70000"},
        {"operations": ":"},
    ):
        with pytest.raises(ServerError) as caught:
            ServerSettings(**wrong)
        assert caught.value.code == "BAD_SETTINGS"
    assert split_address("[::1]:80") == ("::1", 80)
    with pytest.raises(ServerError):
        site.serve(organisation="Org9MSP")
    with pytest.raises(ServerError) as caught:
        site.serve(operations=f"127.0.0.1:{site.serve().address.rpartition(':')[2]}")
    assert caught.value.code == "ADDRESS_UNUSABLE"


def test_profiles(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text("[limits]\ngateway_calls = 7\n")
    assert ServerSettings(**load_profile(path)).gateway_calls == 7
    for wrong in ("[limits]\nspeed = 1\n", "[else]\n", "[limits]\nthreads = 'many'\n", "limits ="):
        path.write_text(wrong)
        with pytest.raises(ServerError) as caught:
            load_profile(path)
        assert caught.value.code == "BAD_SETTINGS"
