"""Approvals: what an organisation agrees to, in its own collection; others see the hashes."""

from __future__ import annotations

from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages

from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.lifecycle.call import Call
from fedpact_chaincode.lifecycle.checks import check_definition, check_unchanged
from fedpact_chaincode.lifecycle.codes import (
    ALREADY_APPROVED,
    APPROVAL_NOT_FOUND,
    DEFINITION_DIFFERS,
    WRONG_SEQUENCE,
)
from fedpact_chaincode.lifecycle.layout import (
    LOCAL_PACKAGE,
    NAMESPACES,
    PARAMETERS,
    SOURCES,
    approval_name,
)
from fedpact_chaincode.lifecycle.records import read_field, read_metadata, recorded_names, write_record
from fedpact_chaincode.lifecycle.terms import Terms


def approve(
    call: Call, arguments: messages.ApproveChaincodeDefinitionForMyOrgArgs
) -> messages.ApproveChaincodeDefinitionForMyOrgResult:
    """Approve a definition for the caller's organisation.

    The committed sequence may be approved later, with the committed terms; else it must be the next one.

    Raises
    ------
    Rejected
        What `check_definition` refuses, COLLECTION_CHANGED, WRONG_SEQUENCE, DEFINITION_DIFFERS,
        ALREADY_APPROVED.
    """
    name, sequence, terms = arguments.name, arguments.sequence, Terms.from_message(arguments)
    check_definition(name, terms, call.organisations, call.has_policy)
    committed = call.committed_sequence(name)
    if committed:
        agreed = Terms.read(call.public, name)
        check_unchanged(terms.collections, agreed.collections)
    if sequence not in {max(committed, 1), committed + 1}:
        raise Rejected(WRONG_SEQUENCE, name=name, committed=committed, requested=sequence)
    if sequence == committed and terms != agreed:
        raise Rejected(DEFINITION_DIFFERS, name=name, sequence=sequence)
    package = arguments.source.local_package.package_id
    approval = approval_name(name, sequence)
    if (
        read_metadata(call.own, NAMESPACES, approval) is not None
        and Terms.read(call.own, approval) == terms
        and read_field(call.own, SOURCES, approval, "PackageID") == package
    ):
        raise Rejected(ALREADY_APPROVED, name=name, sequence=sequence)
    write_record(call.own, NAMESPACES, approval, PARAMETERS, terms.content())
    write_record(call.own, SOURCES, approval, LOCAL_PACKAGE, {"PackageID": package})
    return messages.ApproveChaincodeDefinitionForMyOrgResult()


def approved(
    call: Call, arguments: messages.QueryApprovedChaincodeDefinitionArgs
) -> messages.QueryApprovedChaincodeDefinitionResult:
    """Return what the caller's organisation approved: under a sequence, or (0) the newest.

    Raises
    ------
    Rejected
        APPROVAL_NOT_FOUND.
    """
    name, sequence = arguments.name, arguments.sequence
    if not sequence:
        sequence = call.committed_sequence(name) + 1
        if read_metadata(call.own, NAMESPACES, approval_name(name, sequence)) is None:
            sequence -= 1
    approval = approval_name(name, sequence)
    if read_metadata(call.own, NAMESPACES, approval) is None:
        raise Rejected(APPROVAL_NOT_FOUND, name=name[:128], sequence=sequence)
    return messages.QueryApprovedChaincodeDefinitionResult(
        sequence=sequence, source=_source(call, approval), **Terms.read(call.own, approval).as_fields()
    )


def all_approved(
    call: Call, _arguments: messages.QueryApprovedChaincodeDefinitionsArgs
) -> messages.QueryApprovedChaincodeDefinitionsResult:
    """Return everything that the caller's organisation approved, by name and sequence."""
    result = messages.QueryApprovedChaincodeDefinitionsResult()
    found = (approval.split("#") for approval, _ in recorded_names(call.own, NAMESPACES))
    for name, sequence in sorted((name, int(sequence)) for name, sequence in found):
        approval = approval_name(name, sequence)
        result.approved_chaincode_definitions.add(
            name=name,
            sequence=sequence,
            source=_source(call, approval),
            **Terms.read(call.own, approval).as_fields(),
        )
    return result


def _source(call: Call, approval: str) -> messages.ChaincodeSource:
    package = read_field(call.own, SOURCES, approval, "PackageID")
    if not package:
        return messages.ChaincodeSource(unavailable=messages.ChaincodeSource.Unavailable())
    return messages.ChaincodeSource(local_package=messages.ChaincodeSource.Local(package_id=package))
