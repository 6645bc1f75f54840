"""URLs of nodes: what they mean, and what is refused before anything is connected."""

import pytest

from fedpact.gateway.addresses import parse_address
from fedpact.gateway.grpc_channel import Tls
from fedpact.gateway.status_details import decode_details, encode_details
from fedpact.gateway.transport import ErrorDetail
from fedpact.ledger import LedgerError


def test_several_addresses_and_parameters(tmp_path):
    roots = tmp_path / "ca.pem"
    roots.write_bytes(b"PEM")
    found = parse_address(
        f"grpcs://a.org:7051,10.0.0.2:7051,[::1]:7051?tls_roots={roots}&server_name=peer&channel=c1&batched=1"
    )
    assert found.addresses == ("a.org:7051", "10.0.0.2:7051", "[::1]:7051")
    assert (found.channel_id, found.batched) == ("c1", True)
    assert found.settings.tls == Tls(roots=b"PEM", server_name="peer")
    assert found.certificate_hash == b""


def test_without_parameters_the_usual_roots_are_trusted():
    found = parse_address("grpcs://a.org:7051")
    assert (found.settings.tls, found.channel_id, found.batched) == (Tls(), "", False)


def test_transport_security_may_be_given_beside_the_url():
    assert parse_address("grpcs://a.org:7051", tls=Tls(roots=b"r")).settings.tls.roots == b"r"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_this_machine_is_reached_without_tls(host):
    assert parse_address(f"grpc://{host}:7051").settings.tls is None


@pytest.mark.parametrize("host", ["10.0.0.1", "a.org", "localhost.a.org", "localhost:7051,a.org"])
def test_other_machines_are_not(host):
    with pytest.raises(LedgerError) as caught:
        parse_address(f"grpc://{host}:7051")
    assert caught.value.code == "INSECURE"
    assert parse_address(f"grpc://{host}:7051?plain=1").settings.tls is None


@pytest.mark.parametrize(
    "url",
    [
        "grpcs://",
        "grpcs://a.org",
        "grpcs://a.org:0",
        "grpcs://a.org:70000",
        "grpcs://a.org:x",
        "grpcs://a.org:1,",
        "grpcs://user@a.org:1",
        "grpcs://::1:7051",
        "grpcs://a.org:1/path",
        "grpcs://a.org:1#x",
        "grpcs://a.org:1?timeout=3",
        "grpcs://a.org:1?batched=yes",
        "grpcs://a.org:1?channel=a&channel=b",
        "grpc://127.0.0.1:1?tls_roots=x",
        "https://a.org:1",
    ],
)
def test_malformed_addresses_are_refused(url):
    with pytest.raises(LedgerError) as caught:
        parse_address(url)
    assert caught.value.code == "BAD_URL"


def test_files_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(LedgerError, match=r"TLS_UNUSABLE.*missing\.pem"):
        parse_address(f"grpcs://a.org:1?tls_roots={tmp_path}/missing.pem")
    with pytest.raises(LedgerError, match=r"TLS_UNUSABLE.*its key"):
        parse_address(f"grpcs://a.org:1?tls_certificate={__file__}")
    with pytest.raises(LedgerError, match="TLS_UNUSABLE"):
        parse_address(f"grpcs://a.org:1?tls_certificate={__file__}&tls_key={__file__}")


def test_keys_are_not_shown():
    assert "secret" not in repr(Tls(certificate=b"c", key=b"secret"))


def test_details_of_a_status_are_fabrics():
    details = (ErrorDetail("peer0:7051", "Org1MSP", "chaincode response 500, no"), ErrorDetail("", "", "x"))
    data = encode_details(10, "failed", details)
    assert decode_details(data) == details
    assert data.startswith(b"\x08\x0a\x12\x06failed\x1a")
    assert decode_details(b"\xff") == ()
    assert decode_details(data.replace(b"gateway.ErrorDetail", b"another.ErrorDetail")) == ()
