"""Chaincodes: what organisations agree on before code runs, through Fabric's `_lifecycle`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, TypeVar

import msgspec
from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages
from google.protobuf.message import Message

from fedpact.wire.chaincode_terms import ChaincodeTerms
from fedpact.wire.definitions import LIFECYCLE
from fedpact_chaincode.errors import Rejected

if TYPE_CHECKING:
    from fedpact.consortium.session import Session
    from fedpact.gateway.commit import Result

M = TypeVar("M", bound=Message)


class Agreed(msgspec.Struct, frozen=True, kw_only=True):
    """A committed definition.

    Attributes
    ----------
    terms : what was agreed on.
    approvals : for each organisation of the channel, whether it approved exactly this.
    """

    terms: ChaincodeTerms
    approvals: dict[str, bool]


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """How far the organisations are with a definition that is not committed.

    Attributes
    ----------
    approvals : for each organisation, whether it approved exactly this.
    mismatches : for those that did not, what their approval has otherwise; `ChaincodeParameters`: none there.
    """

    approvals: dict[str, bool]
    mismatches: dict[str, list[str]]


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """A chaincode that a node has.

    Attributes
    ----------
    package_id : `<label>:<hash of the code>`.
    label : `<name>_<version>`.
    channels : where it is agreed on: names and versions by channel.
    """

    package_id: str
    label: str
    channels: dict[str, list[str]]


class Chaincodes:
    """What the organisations of a channel agree to run."""

    def __init__(self, session: Session) -> None:
        self._mspid = session.identity.mspid
        self._gateway = copy(session.gateway)  # the same connection, another chaincode
        self._gateway.chaincode = LIFECYCLE

    def proposed(self, name: str, version: str = "", *, sequence: int = 0) -> ChaincodeTerms:
        """Return the terms of a definition to agree on: those agreed before, with another version.

        Parameters
        ----------
        name : the chaincode's.
        version : the code's; empty: of the consortium's own chaincode as it is installed here, of
            another the version agreed before.
        sequence : of the definition; 0: the next one.

        Raises
        ------
        ValueError
            No version is given, and none is known.
        """
        try:
            agreed = self.show(name).terms
        except Rejected as rejected:
            if rejected.code.name != "DEFINITION_NOT_FOUND":
                raise
            agreed = ChaincodeTerms(name=name, sequence=0, version="")
        sequence = sequence or agreed.sequence + 1
        if not version:
            version = agreed.version if sequence == agreed.sequence else own_version(name) or agreed.version
        if not version:
            raise ValueError(f"which version of {name:.100}?")
        return msgspec.structs.replace(agreed, sequence=sequence, version=version)

    def approve(self, terms: ChaincodeTerms, *, package_id: str = "") -> Result:
        """Approve a definition for the own organisation; for its administrators only.

        Parameters
        ----------
        terms : the definition: the next one, or the committed one.
        package_id : which installed chaincode the organisation means; kept with the approval.

        Raises
        ------
        Rejected
            BAD_CHAINCODE_NAME, BAD_CHAINCODE_VERSION, BAD_CHAINCODE_POLICY, BAD_COLLECTION,
            COLLECTION_CHANGED, WRONG_SEQUENCE, DEFINITION_DIFFERS, ALREADY_APPROVED, ROLE_REQUIRED,
            NO_PEER_HERE.
        PolicyError, ValueError
            The terms cannot be written.
        """
        source = messages.ChaincodeSource(local_package=messages.ChaincodeSource.Local(package_id=package_id))
        arguments = messages.ApproveChaincodeDefinitionForMyOrgArgs(
            **terms.as_fields(), source=source if package_id else None
        )
        return self._submit("ApproveChaincodeDefinitionForMyOrg", arguments, (self._mspid,))

    def ready(self, terms: ChaincodeTerms) -> Readiness:
        """Tell who approved exactly this definition, which must be the next one.

        Raises
        ------
        Rejected
            WRONG_SEQUENCE.
        """
        arguments = messages.CheckCommitReadinessArgs(**terms.as_fields())
        answer = self._ask("CheckCommitReadiness", arguments, messages.CheckCommitReadinessResult)
        return Readiness(
            approvals=dict(sorted(answer.approvals.items())),
            mismatches={mspid: list(items.items) for mspid, items in sorted(answer.mismatches.items())},
        )

    def commit(self, terms: ChaincodeTerms) -> Result:
        """Make a definition the channel's, endorsed by the organisations that approved it.

        They must satisfy the channel's policy ``LifecycleEndorsement``.

        Raises
        ------
        Rejected
            As `approve`; NOT_APPROVED.
        CommitError
            ENDORSEMENT_POLICY_FAILURE: too few organisations have approved it.
        """
        ready = tuple(mspid for mspid, approved in self.ready(terms).approvals.items() if approved)
        arguments = messages.CommitChaincodeDefinitionArgs(**terms.as_fields())
        return self._submit("CommitChaincodeDefinition", arguments, ready or (self._mspid,))

    def show(self, name: str) -> Agreed:
        """Return the committed definition of a chaincode.

        Raises
        ------
        Rejected
            DEFINITION_NOT_FOUND.
        """
        arguments = messages.QueryChaincodeDefinitionArgs(name=name)
        answer = self._ask("QueryChaincodeDefinition", arguments, messages.QueryChaincodeDefinitionResult)
        return Agreed(
            terms=ChaincodeTerms.from_message(name, answer),
            approvals=dict(sorted(answer.approvals.items())),
        )

    def list(self) -> tuple[ChaincodeTerms, ...]:
        """Return every committed definition, by name."""
        arguments = messages.QueryChaincodeDefinitionsArgs()
        answer = self._ask("QueryChaincodeDefinitions", arguments, messages.QueryChaincodeDefinitionsResult)
        return tuple(ChaincodeTerms.from_message(one.name, one) for one in answer.chaincode_definitions)

    def approved(self, name: str, *, sequence: int = 0) -> ChaincodeTerms:
        """Return what the own organisation approved: under a sequence, or (0) the newest.

        Raises
        ------
        Rejected
            APPROVAL_NOT_FOUND, ROLE_REQUIRED, NO_PEER_HERE.
        """
        arguments = messages.QueryApprovedChaincodeDefinitionArgs(name=name, sequence=sequence)
        answer = self._ask(
            "QueryApprovedChaincodeDefinition",
            arguments,
            messages.QueryApprovedChaincodeDefinitionResult,
            (self._mspid,),
        )
        return ChaincodeTerms.from_message(name, answer)

    def installed(self) -> tuple[Installed, ...]:
        """Return the chaincodes that the node has; for administrators only.

        Raises
        ------
        Rejected
            ROLE_REQUIRED, NO_PEER_HERE.
        """
        arguments = messages.QueryInstalledChaincodesArgs()
        answer = self._ask(
            "QueryInstalledChaincodes", arguments, messages.QueryInstalledChaincodesResult, (self._mspid,)
        )
        return tuple(
            Installed(package_id=one.package_id, label=one.label, channels=_agreed_versions(one.references))
            for one in answer.installed_chaincodes
        )

    def _ask(
        self, function: str, arguments: Message, result: type[M], organisations: tuple[str, ...] = ()
    ) -> M:
        proposal = self._gateway.new_proposal(
            function, arguments.SerializeToString(), organisations=organisations
        )
        answer: M = result.FromString(proposal.evaluate())
        return answer

    def _submit(self, function: str, arguments: Message, organisations: tuple[str, ...]) -> Result:
        proposal = self._gateway.new_proposal(
            function, arguments.SerializeToString(), organisations=organisations
        )
        return proposal.endorse().submit().result()


def _agreed_versions(
    references: Mapping[str, messages.QueryInstalledChaincodesResult.References],
) -> dict[str, list[str]]:
    return {
        channel: [f"{one.name} {one.version}" for one in found.chaincodes]
        for channel, found in sorted(references.items())
    }


def agree(administrators: Sequence[Session], terms: ChaincodeTerms) -> Result:
    """Have every organisation approve a definition, then commit it: what founders do.

    Parameters
    ----------
    administrators : one session of each organisation that is to approve.
    terms : the definition; `Chaincodes.proposed` gives the next one.

    Raises
    ------
    Rejected, CommitError
        As `Chaincodes.approve` and `Chaincodes.commit`.
    """
    for administrator in administrators:
        administrator.chaincodes.approve(terms)
    return administrators[0].chaincodes.commit(terms)


def own_version(name: str) -> str:
    """Return the version of the consortium's own chaincode as it is installed here; empty for others."""
    from fedpact_chaincode import consortium

    return consortium.version() if name == consortium.NAME else ""
