"""Fabric's official client, `@hyperledger/fabric-gateway`, works against a served node unchanged."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from fedpact.testing import probe
from fedpact.testing.channels import CHANNEL_ID
from fedpact.wire.blocks import parse_block
from fedpact.wire.chaincode_terms import CollectionTerms
from fedpact.wire.commits import ValidationCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import OfficialClient, Site

ABORTED = "failed to endorse transaction, see attached details for more info"


def cell(place: str, text: str = "text") -> dict[str, str]:
    return {"shelf": "shelf", "place": place, "text": text}


def test_submit_and_evaluate(official_client: OfficialClient) -> None:
    seen = official_client.run("submit")
    assert seen == {"created": cell("one", "first"), "found": cell("one", "first")}


def test_submit_async(official_client: OfficialClient, site: Site) -> None:
    seen = official_client.run("submitAsync")
    assert seen["result"] == cell("async")
    assert seen["status"] == {
        "blockNumber": 1,
        "code": ValidationCode.VALID,
        "successful": True,
        "transactionId": seen["transactionId"],
    }
    assert site.ledger.locate(seen["transactionId"]) == (1, 0, ValidationCode.VALID)


def test_transient_data_reach_the_contract_only(official_client: OfficialClient, site: Site) -> None:
    seen = official_client.run("transient")
    assert (seen["secret"], seen["caller"]) == ("whisper", "Org1MSP/alice")
    assert not any(b"whisper" in block for block in site.ledger.blocks())


def test_many_at_a_time(official_client: OfficialClient, site: Site) -> None:
    assert official_client.run("concurrent") == {"succeeded": 60, "failed": []}
    assert sum(len(parse_block(data).envelopes) for data in site.ledger.blocks(1)) == 60


def test_offline_signing(official_client: OfficialClient) -> None:
    seen = official_client.run("offline")
    assert seen["same"]
    assert seen["successful"]
    assert seen["found"] == cell("offline")
    assert [event["name"] for event in seen["events"]] == ["CellCreated"]
    assert seen["firstBlock"] == 0
    assert seen["refused"]["type"] == "Error"  # the client itself has no signer


@pytest.fixture
def errors(official_client: OfficialClient) -> Any:
    return official_client.run("errors")


def test_error_classes_and_details(errors: Any, site: Site) -> None:
    refused = errors["refusedByContract"]
    assert (refused["type"], refused["code"], refused["message"]) == (
        "EndorseError",
        "ABORTED",
        f"10 ABORTED: {ABORTED}",
    )
    (detail,) = refused["details"]
    assert detail["mspId"] == "Org1MSP"
    assert detail["address"] == site.server.address
    status, _, answer = detail["message"].removeprefix("chaincode response ").partition(", ")
    assert int(status) >= 400
    assert json.loads(answer)["code"] == "RECORD_EXISTS"

    evaluated = errors["refusedEvaluation"]
    assert (evaluated["type"], evaluated["code"]) == ("GatewayError", "UNKNOWN")
    assert evaluated["message"].startswith("2 UNKNOWN: evaluate call to endorser returned error: ")
    assert "chaincode response" in evaluated["details"][0]["message"]
    assert errors["unknownTransaction"]["code"] == "UNKNOWN"
    assert errors["unknownChaincode"]["type"] == "EndorseError"
    assert errors["unknownChaincode"]["code"] == "FAILED_PRECONDITION"
    assert errors["unknownChannel"]["type"] == "GatewayError"
    assert errors["unknownMsp"]["type"] == "EndorseError"
    assert errors["forged"]["type"] == "EndorseError"
    assert errors["missingEndorsers"]["code"] == "UNAVAILABLE"
    assert errors["submittedAgain"] is None  # the same envelope: idempotent
    assert errors["deadline"]["code"] == "DEADLINE_EXCEEDED"


def test_a_conflict_is_reported_with_its_code(official_client: OfficialClient) -> None:
    lost = {"code": ValidationCode.MVCC_READ_CONFLICT, "successful": False}
    assert official_client.run("conflict") == {"won": True, "lost": lost}


def test_commit_errors(official_client: OfficialClient) -> None:
    seen = official_client.run("commitError")
    assert seen["succeeded"] >= 1
    assert seen["succeeded"] + len(seen["failed"]) == 20
    assert seen["failed"]
    for error in seen["failed"]:
        assert (error["type"], error["code"]) == ("CommitError", ValidationCode.MVCC_READ_CONFLICT)
        assert len(error["transactionId"]) == 64


def test_chaincode_events_live_replayed_and_resumed(official_client: OfficialClient) -> None:
    seen = official_client.run("chaincodeEvents")
    first, second = seen["fresh"]
    assert (first["name"], first["chaincode"]) == ("CellCreated", probe.NAME)
    assert [event["payload"][0]["data"]["place"] for event in (first, second)] == ["e1", "e2"]
    assert first["block"] < second["block"]
    assert seen["replayed"] == [first, second]
    assert seen["resumed"] == [second]


def test_file_checkpointer_across_streams(official_client: OfficialClient) -> None:
    seen = official_client.run("fileCheckpointer")
    assert [event["payload"][0]["data"]["place"] for event in seen["all"]] == ["f1", "f2", "f3"]
    assert seen["next"] == 1
    assert seen["file"] == {"blockNumber": "1"}


def test_block_events(official_client: OfficialClient, site: Site) -> None:
    seen = official_client.run("blockEvents")
    blocks = [parse_block(data) for data in site.ledger.blocks()]
    assert seen["numbers"] == [0, 1]
    assert seen["follows"] == blocks[0].hash.hex()
    assert (seen["transactions"], seen["filter"]) == (1, [ValidationCode.VALID])
    assert seen["filtered"] == {
        "channel": CHANNEL_ID,
        "number": 1,
        "code": ValidationCode.VALID,
        "events": [{"name": "CellCreated", "payload": ""}],  # filtered blocks hold no payloads
    }
    assert seen["withPrivateData"] == {"number": 1, "collections": 0}
    assert hashlib.sha256(b"".join(blocks[1].envelopes)).digest() == blocks[1].data_hash


def test_mutual_tls(mutual_site: Site, client_of: Callable[..., OfficialClient]) -> None:
    """The certificate is asked for, and named in requests for blocks."""
    client = client_of(mutual_site)
    assert client.run("submit")["found"] == cell("one", "first")
    assert client.run("blockEvents")["numbers"] == [0, 1]


def _private_data_are_their_members(site: Site, client_of: Callable[..., OfficialClient]) -> None:
    members = "OR('Org1MSP.member', 'Org2MSP.member')"
    site.agree(CollectionTerms(name="closed", policy=members, member_only_read=True, member_only_write=True))
    member, stranger = (
        client_of(site),
        client_of(site, site.authorities["Org3MSP"].issue("carl", role="member")),
    )
    block = str(site.ledger.height())
    assert member.run("privateData") == {"value": "whisper"}
    assert not any(b"whisper" in data for data in site.ledger.blocks())
    theirs = member.run("privateEvents", block=block)
    assert theirs["found"] == [
        {"position": 0, "namespace": probe.NAME, "collection": "closed", "whispers": True}
    ]
    assert theirs["read"] is None
    seen = stranger.run("privateEvents", block=block)
    assert seen["found"] == []
    assert "COLLECTION_FORBIDDEN" in seen["read"]["details"][0]["message"]


def test_private_data(site: Site, client_of: Callable[..., OfficialClient]) -> None:
    _private_data_are_their_members(site, client_of)


def test_on_postgresql(site_on_postgresql: Site, client_of: Callable[..., OfficialClient]) -> None:
    client = client_of(site_on_postgresql)
    assert client.run("submitAsync")["status"]["successful"]
    assert client.run("blockEvents")["numbers"] == [0, 1]
    assert client.run("chaincodeEvents")["fresh"]
    assert client.run("errors")["submittedAgain"] is None
    assert client.run("concurrent") == {"succeeded": 60, "failed": []}
    _private_data_are_their_members(site_on_postgresql, client_of)
