"""Keys and bytes in the state, against bytes that are put together here by hand."""

from __future__ import annotations

from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages
from tests.chaincode.lifecycle.lifecycle_ledger import Ledger, collection, defaults, package, person


def framed(tag: int, content: bytes) -> bytes:
    """A field of wire type 2, shorter than 128 bytes."""
    assert len(content) < 128
    return bytes([tag << 3 | 2, len(content)]) + content


def metadata(datatype: bytes, *fields: bytes) -> bytes:
    return framed(1, datatype) + b"".join(framed(2, field) for field in fields)


PARAMETERS = metadata(b"ChaincodeParameters", b"EndorsementInfo", b"ValidationInfo", b"Collections")
DEFINITION = metadata(
    b"ChaincodeDefinition", b"Sequence", b"EndorsementInfo", b"ValidationInfo", b"Collections"
)
DEFAULT_POLICY = framed(2, b"/Channel/Application/Endorsement")
ENDORSING = framed(2, framed(1, b"1.0") + framed(3, b"escc"))
VALIDATING = framed(2, framed(1, b"vscc") + framed(2, DEFAULT_POLICY))
NO_COLLECTIONS = framed(2, b"")


def test_an_approval_lies_in_the_organisations_collection_as_a_fabric_peer_writes_it(ledger: Ledger) -> None:
    source = messages.ChaincodeSource(local_package=messages.ChaincodeSource.Local(package_id="mycc_1:abc"))
    ledger.approve("AlphaMSP", source=source)
    assert ledger.state == {}
    assert ledger.private == {
        "_implicit_org_AlphaMSP": {
            "namespaces/metadata/mycc#1": PARAMETERS,
            "namespaces/fields/mycc#1/EndorsementInfo": ENDORSING,
            "namespaces/fields/mycc#1/ValidationInfo": VALIDATING,
            "namespaces/fields/mycc#1/Collections": NO_COLLECTIONS,
            "chaincode-sources/metadata/mycc#1": metadata(b"ChaincodeLocalPackage", b"PackageID"),
            "chaincode-sources/fields/mycc#1/PackageID": framed(3, b"mycc_1:abc"),
        }
    }


def test_an_approval_without_a_package_keeps_an_empty_one(ledger: Ledger) -> None:
    ledger.approve("AlphaMSP")
    rows = ledger.approvals_of("AlphaMSP")
    assert rows["chaincode-sources/fields/mycc#1/PackageID"] == framed(3, b"")


def test_a_definition_lies_in_the_public_state_as_a_fabric_peer_writes_it(ledger: Ledger) -> None:
    ledger.approve("AlphaMSP", "BetaMSP", init_required=True)
    ledger.commit("AlphaMSP", "BetaMSP", init_required=True)
    assert ledger.state == {
        "namespaces/metadata/mycc": DEFINITION,
        "namespaces/fields/mycc/Sequence": b"\x08\x01",
        "namespaces/fields/mycc/EndorsementInfo": framed(
            2, framed(1, b"1.0") + b"\x10\x01" + framed(3, b"escc")
        ),
        "namespaces/fields/mycc/ValidationInfo": VALIDATING,
        "namespaces/fields/mycc/Collections": NO_COLLECTIONS,
    }


def test_the_next_definition_writes_only_what_changes(ledger: Ledger) -> None:
    ledger.approve("AlphaMSP")
    ledger.commit("AlphaMSP")
    ledger.approve("AlphaMSP", sequence=2, version="1.1")
    ledger.commit("AlphaMSP", sequence=2, version="1.1")
    assert ledger.last is not None
    assert ledger.last.writes == {
        "namespaces/fields/mycc/Sequence": b"\x08\x02",
        "namespaces/fields/mycc/EndorsementInfo": framed(2, framed(1, b"1.1") + framed(3, b"escc")),
    }


def test_an_approval_that_changes_writes_only_what_changes(ledger: Ledger) -> None:
    ledger.approve("AlphaMSP")
    ledger.approve("AlphaMSP", version="1.1")
    assert ledger.last is not None
    assert ledger.last.private_writes == {
        "_implicit_org_AlphaMSP": {
            "namespaces/fields/mycc#1/EndorsementInfo": framed(2, framed(1, b"1.1") + framed(3, b"escc"))
        }
    }


def test_collections_are_kept_as_the_members_sent_them(ledger: Ledger) -> None:
    configs = package(collection("secrets"), collection("more", block_to_live=0))
    ledger.approve("AlphaMSP", collections=configs)
    stored = ledger.approvals_of("AlphaMSP")["namespaces/fields/mycc#1/Collections"]
    content = configs.SerializeToString()
    assert stored.endswith(content)
    assert stored[0] == 0x12


def test_only_the_names_of_terms_decide_the_read_set(ledger: Ledger) -> None:
    """A commit looks at the hashes of every organisation's approval, never at its values."""
    ledger.approve("AlphaMSP")
    arguments = messages.CommitChaincodeDefinitionArgs(**defaults({}))
    seen: list[str] = []

    class Blind(dict[str, dict[str, bytes]]):
        def get(self, collection: str, default: object = None) -> dict[str, bytes]:
            seen.append(collection)
            return super().get(collection, {})

    ledger.private = Blind(ledger.private)
    ledger.call("CommitChaincodeDefinition", arguments, by=person("AlphaMSP", "client"))
    assert set(seen) == {f"_implicit_org_{mspid}" for mspid in ("AlphaMSP", "BetaMSP", "GammaMSP")}
