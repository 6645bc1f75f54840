"""Who may approve and commit what, and in which order."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages
from hypothesis import given
from hypothesis import strategies as st
from tests.chaincode.lifecycle.lifecycle_ledger import Ledger, collection, defaults, package, person

from fedpact_chaincode.errors import (
    CONTRACT_FAILED,
    MALFORMED_IDENTITY,
    MALFORMED_MESSAGE,
    ROLE_REQUIRED,
    UNKNOWN_TRANSACTION,
    Rejected,
)
from fedpact_chaincode.lifecycle.codes import (
    ALREADY_APPROVED,
    APPROVAL_NOT_FOUND,
    DEFINITION_DIFFERS,
    DEFINITION_NOT_FOUND,
    NO_PEER_HERE,
    NOT_APPROVED,
    NOT_INSTALLED_BY_CALL,
    PACKAGE_NOT_FOUND,
    WRONG_SEQUENCE,
)
from fedpact_chaincode.lifecycle.installed import package_id
from fedpact_chaincode.lifecycle.system_chaincode import FUNCTIONS
from fedpact_chaincode.testing import refused

APPROVE = "ApproveChaincodeDefinitionForMyOrg"
FOR_ADMINS = [
    APPROVE,
    "QueryApprovedChaincodeDefinition",
    "QueryApprovedChaincodeDefinitions",
    "QueryInstalledChaincode",
    "QueryInstalledChaincodes",
    "InstallChaincode",
    "GetInstalledChaincodePackage",
]


def ready(ledger: Ledger, **terms: object) -> messages.CheckCommitReadinessResult:
    arguments = messages.CheckCommitReadinessArgs(**defaults(terms))
    payload = ledger.call("CheckCommitReadiness", arguments, by=person("BetaMSP", "client"))
    return messages.CheckCommitReadinessResult.FromString(payload)


def committed(ledger: Ledger, name: str = "mycc") -> messages.QueryChaincodeDefinitionResult:
    payload = ledger.call("QueryChaincodeDefinition", messages.QueryChaincodeDefinitionArgs(name=name))
    return messages.QueryChaincodeDefinitionResult.FromString(payload)


def approved(ledger: Ledger, sequence: int = 0) -> messages.QueryApprovedChaincodeDefinitionResult:
    arguments = messages.QueryApprovedChaincodeDefinitionArgs(name="mycc", sequence=sequence)
    payload = ledger.call("QueryApprovedChaincodeDefinition", arguments)
    return messages.QueryApprovedChaincodeDefinitionResult.FromString(payload)


def test_a_definition_counts_once_the_acting_organisations_have_approved_it(ledger: Ledger) -> None:
    with refused(DEFINITION_NOT_FOUND, name="mycc"):
        committed(ledger)
    ledger.approve("AlphaMSP", "BetaMSP")
    assert dict(ready(ledger).approvals) == {"AlphaMSP": True, "BetaMSP": True, "GammaMSP": False}
    with refused(NOT_APPROVED, organisations=["GammaMSP"]):
        ledger.commit("AlphaMSP", "GammaMSP")
    assert ledger.state == {}
    ledger.commit("AlphaMSP", "BetaMSP")
    found = committed(ledger)
    assert (found.sequence, found.version, found.endorsement_plugin) == (1, "1.0", "escc")
    assert dict(found.approvals) == {"AlphaMSP": True, "BetaMSP": True, "GammaMSP": False}


def test_an_organisation_outside_the_channel_never_agrees(ledger: Ledger) -> None:
    with refused(NOT_APPROVED, organisations=["DeltaMSP"]):
        ledger.commit("DeltaMSP")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"version": "1.1"}, "EndorsementInfo"),
        ({"init_required": True}, "EndorsementInfo"),
        ({"validation_plugin": "other"}, "ValidationInfo"),
        ({"collections": package(collection())}, "Collections"),
    ],
)
def test_approvals_of_other_terms_do_not_count(ledger: Ledger, changed: dict, field: str) -> None:
    ledger.approve("AlphaMSP")
    ledger.approve("BetaMSP", **changed)
    answer = ready(ledger)
    assert dict(answer.approvals) == {"AlphaMSP": True, "BetaMSP": False, "GammaMSP": False}
    assert {mspid: list(items.items) for mspid, items in answer.mismatches.items()} == {
        "BetaMSP": [field],
        "GammaMSP": ["ChaincodeParameters"],
    }
    with refused(NOT_APPROVED, organisations=["BetaMSP"]):
        ledger.commit("AlphaMSP", "BetaMSP")


@pytest.mark.parametrize("function", FOR_ADMINS)
def test_what_is_for_admins_only(ledger: Ledger, function: str) -> None:
    for ou in ("client", "peer"):
        with refused(ROLE_REQUIRED):
            ledger.call(function, b"", by=person("AlphaMSP", ou))
    with refused(NO_PEER_HERE, caller="AlphaMSP/admin0"):
        ledger.call(function, b"", acting=("BetaMSP", "GammaMSP"))
    assert ledger.private == {}


def test_sequences_follow_one_another(ledger: Ledger) -> None:
    for sequence in (-1, 0, 2):
        with refused(WRONG_SEQUENCE, committed=0, requested=sequence):
            ledger.approve("AlphaMSP", sequence=sequence)
        with refused(WRONG_SEQUENCE):
            ready(ledger, sequence=sequence)
        with refused(WRONG_SEQUENCE):
            ledger.commit("AlphaMSP", sequence=sequence)
    ledger.approve("AlphaMSP")
    ledger.commit("AlphaMSP")
    with refused(WRONG_SEQUENCE, committed=1, requested=1):
        ledger.commit("AlphaMSP")
    ledger.approve("AlphaMSP", sequence=2)
    ledger.commit("AlphaMSP", sequence=2)
    with refused(WRONG_SEQUENCE, committed=2, requested=1):
        ledger.approve("BetaMSP", sequence=1)


def test_a_committed_definition_may_be_approved_later_but_not_changed(ledger: Ledger) -> None:
    ledger.approve("AlphaMSP")
    ledger.commit("AlphaMSP")
    with refused(DEFINITION_DIFFERS, sequence=1):
        ledger.approve("BetaMSP", version="1.1")
    ledger.approve("BetaMSP")
    assert committed(ledger).approvals["BetaMSP"]


def test_the_same_approval_twice_is_refused_unless_the_package_changes(ledger: Ledger) -> None:
    source = messages.ChaincodeSource(local_package=messages.ChaincodeSource.Local(package_id="mycc:1"))
    ledger.approve("AlphaMSP")
    with refused(ALREADY_APPROVED):
        ledger.approve("AlphaMSP")
    ledger.approve("AlphaMSP", source=source)
    with refused(ALREADY_APPROVED):
        ledger.approve("AlphaMSP", source=source)
    ledger.commit("AlphaMSP")
    with refused(ALREADY_APPROVED):
        ledger.approve("AlphaMSP", source=source)
    ledger.approve("AlphaMSP")  # the package is no longer there


def test_the_newest_approval_is_found(ledger: Ledger) -> None:
    with refused(APPROVAL_NOT_FOUND, name="mycc", sequence=0):
        approved(ledger)
    ledger.approve("AlphaMSP", source={"local_package": {"package_id": "mycc:1"}})
    ledger.commit("AlphaMSP")
    assert (approved(ledger).sequence, approved(ledger).version) == (1, "1.0")
    assert approved(ledger).source.local_package.package_id == "mycc:1"
    ledger.approve("AlphaMSP", sequence=2, version="1.1")
    assert (approved(ledger).sequence, approved(ledger).version) == (2, "1.1")
    assert approved(ledger).source.HasField("unavailable")
    assert approved(ledger, sequence=1).version == "1.0"
    with refused(APPROVAL_NOT_FOUND, sequence=3):
        approved(ledger, sequence=3)


def test_lists(ledger: Ledger) -> None:
    for name in ("zeta", "alpha"):
        ledger.approve("AlphaMSP", name=name)
        ledger.commit("AlphaMSP", name=name)
    ledger.approve("AlphaMSP", name="alpha", sequence=2)
    defined = messages.QueryChaincodeDefinitionsResult.FromString(
        ledger.call("QueryChaincodeDefinitions", b"", by=person("BetaMSP", "client"))
    )
    assert [(one.name, one.sequence) for one in defined.chaincode_definitions] == [("alpha", 1), ("zeta", 1)]
    own = messages.QueryApprovedChaincodeDefinitionsResult.FromString(
        ledger.call("QueryApprovedChaincodeDefinitions", b"")
    )
    names = [(one.name, one.sequence) for one in own.approved_chaincode_definitions]
    assert names == [("alpha", 1), ("alpha", 2), ("zeta", 1)]


def test_installed_chaincodes_are_those_of_the_node(ledger: Ledger) -> None:
    ledger.approve("AlphaMSP")
    ledger.commit("AlphaMSP")
    found = messages.QueryInstalledChaincodesResult.FromString(ledger.call("QueryInstalledChaincodes", b""))
    first, second = found.installed_chaincodes
    assert (second.package_id, second.label) == ("other_2.1:" + "ab" * 32, "other_2.1")
    assert not second.references
    assert first.package_id == package_id("mycc", "1.0")
    assert [(one.name, one.version) for one in first.references["consortium"].chaincodes] == [("mycc", "1.0")]
    one = messages.QueryInstalledChaincodeResult.FromString(
        ledger.call(
            "QueryInstalledChaincode",
            messages.QueryInstalledChaincodeArgs(package_id=first.package_id),
        )
    )
    assert (one.label, one.references["consortium"].chaincodes[0].version) == ("mycc_1.0", "1.0")
    with refused(PACKAGE_NOT_FOUND, package_id="nothing"):
        ledger.call("QueryInstalledChaincode", messages.QueryInstalledChaincodeArgs(package_id="nothing"))
    for function in ("InstallChaincode", "GetInstalledChaincodePackage"):
        with refused(NOT_INSTALLED_BY_CALL):
            ledger.call(function, b"")


def test_an_agreed_version_that_is_not_installed_refers_to_nothing(ledger: Ledger) -> None:
    ledger.approve("AlphaMSP", version="1.1")
    ledger.commit("AlphaMSP", version="1.1")
    found = messages.QueryInstalledChaincodesResult.FromString(ledger.call("QueryInstalledChaincodes", b""))
    assert not found.installed_chaincodes[0].references


def test_calls_that_are_none(ledger: Ledger) -> None:
    with refused(UNKNOWN_TRANSACTION, name="Nothing"):
        ledger.call("Nothing", b"")
    with refused(MALFORMED_MESSAGE):
        ledger.call(APPROVE, b"\xff")
    nobody = person("AlphaMSP")
    with refused(MALFORMED_IDENTITY):
        ledger.call(APPROVE, b"", by=type("Nobody", (), {"creator": b"\xff", "mspid": nobody.mspid}))


@given(st.sampled_from(sorted(FUNCTIONS)), st.data())
def test_hostile_arguments_are_refused_with_a_reason_and_change_nothing(function: str, data: Any) -> None:
    ledger = Ledger()
    arguments = messages.ApproveChaincodeDefinitionForMyOrgArgs(
        **defaults({"collections": package(collection())})
    ).SerializeToString()
    start, length = data.draw(st.tuples(st.integers(0, len(arguments)), st.integers(0, 40)))
    hostile = arguments[:start] + data.draw(st.binary(max_size=20)) + arguments[start + length :]
    before = copy.deepcopy((ledger.state, ledger.private))
    try:
        ledger.call(function, hostile)
        refusal = None
    except Rejected as rejected:
        refusal = rejected.code
    assert refusal is not CONTRACT_FAILED
    assert refusal is None or (ledger.state, ledger.private) == before
