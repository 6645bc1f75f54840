"""Definitions: what is agreed about a chaincode, in the public state."""

from __future__ import annotations

from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages

from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.lifecycle.call import Call
from fedpact_chaincode.lifecycle.checks import check_definition, check_unchanged
from fedpact_chaincode.lifecycle.codes import DEFINITION_NOT_FOUND, NOT_APPROVED, WRONG_SEQUENCE
from fedpact_chaincode.lifecycle.layout import DEFINITION, NAMESPACES, PARAMETERS, approval_name
from fedpact_chaincode.lifecycle.records import (
    OrganisationStore,
    mismatches,
    read_metadata,
    recorded_names,
    write_record,
)
from fedpact_chaincode.lifecycle.terms import Terms


def check_readiness(
    call: Call, arguments: messages.CheckCommitReadinessArgs
) -> messages.CheckCommitReadinessResult:
    """Tell who approved exactly this definition, and what the others' approvals have otherwise.

    Raises
    ------
    Rejected
        WRONG_SEQUENCE unless it is the next definition.
    """
    _require_next(call, arguments.name, arguments.sequence)
    differing = _differing(call, arguments.name, arguments.sequence, Terms.from_message(arguments))
    return messages.CheckCommitReadinessResult(
        approvals={mspid: not items for mspid, items in differing.items()},
        mismatches={
            mspid: messages.CheckCommitReadinessResult.Mismatches(items=items)
            for mspid, items in differing.items()
            if items
        },
    )


def commit(
    call: Call, arguments: messages.CommitChaincodeDefinitionArgs
) -> messages.CommitChaincodeDefinitionResult:
    """Make a definition the channel's, if every acting organisation approved exactly it.

    Whether they are enough is decided by the channel's policy LifecycleEndorsement, when the
    transaction is validated.

    Raises
    ------
    Rejected
        What `check_definition` refuses, COLLECTION_CHANGED, WRONG_SEQUENCE, NOT_APPROVED.
    """
    name, sequence, terms = arguments.name, arguments.sequence, Terms.from_message(arguments)
    check_definition(name, terms, call.organisations, call.has_policy)
    if call.committed_sequence(name):
        check_unchanged(terms.collections, Terms.read(call.public, name).collections)
    _require_next(call, name, sequence)
    differing = _differing(call, name, sequence, terms)
    missing = sorted(mspid for mspid in call.acting if differing.get(mspid, [mspid]))
    if missing:
        raise Rejected(NOT_APPROVED, name=name, sequence=sequence, organisations=missing)
    write_record(call.public, NAMESPACES, name, DEFINITION, {"Sequence": sequence, **terms.content()})
    return messages.CommitChaincodeDefinitionResult()


def definition(
    call: Call, arguments: messages.QueryChaincodeDefinitionArgs
) -> messages.QueryChaincodeDefinitionResult:
    """Return the committed definition of a chaincode, and who approved exactly it.

    Raises
    ------
    Rejected
        DEFINITION_NOT_FOUND.
    """
    name = arguments.name
    if read_metadata(call.public, NAMESPACES, name) is None:
        raise Rejected(DEFINITION_NOT_FOUND, name=name[:128])
    terms, sequence = Terms.read(call.public, name), call.committed_sequence(name)
    differing = _differing(call, name, sequence, terms)
    return messages.QueryChaincodeDefinitionResult(
        sequence=sequence,
        approvals={mspid: not items for mspid, items in differing.items()},
        **terms.as_fields(),
    )


def all_definitions(
    call: Call, _arguments: messages.QueryChaincodeDefinitionsArgs
) -> messages.QueryChaincodeDefinitionsResult:
    """Return every committed definition, by name."""
    result = messages.QueryChaincodeDefinitionsResult()
    for name, datatype in recorded_names(call.public, NAMESPACES):
        if datatype == DEFINITION.datatype:
            result.chaincode_definitions.add(
                name=name,
                sequence=call.committed_sequence(name),
                **Terms.read(call.public, name).as_fields(),
            )
    return result


def _require_next(call: Call, name: str, sequence: int) -> None:
    committed = call.committed_sequence(name)
    if sequence != committed + 1:
        raise Rejected(WRONG_SEQUENCE, name=name[:128], committed=committed, requested=sequence)


def _differing(call: Call, name: str, sequence: int, terms: Terms) -> dict[str, list[str]]:
    """Return for each organisation which fields of its approval differ; none: it approved these terms."""
    approval, content = approval_name(name, sequence), terms.content()
    return {
        mspid: mismatches(OrganisationStore(call.stub, mspid), NAMESPACES, approval, PARAMETERS, content)
        for mspid in call.organisations
    }
