"""The system chaincode `_lifecycle`: a definition counts once enough organisations have approved it.

A call is a function's name and one message of `fabric_protos.peer.lifecycle.lifecycle_pb2`, as official
Fabric clients send it. Source of the rules: hyperledger/fabric, core/chaincode/lifecycle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages
from google.protobuf.message import DecodeError, Message

from fedpact_chaincode.caller import caller_of
from fedpact_chaincode.chaincode import Response, respond
from fedpact_chaincode.errors import (
    MALFORMED_MESSAGE,
    ROLE_REQUIRED,
    UNKNOWN_TRANSACTION,
    Rejected,
)
from fedpact_chaincode.lifecycle import approvals, definitions, installed
from fedpact_chaincode.lifecycle.call import Call
from fedpact_chaincode.lifecycle.codes import NO_PEER_HERE, NOT_INSTALLED_BY_CALL
from fedpact_chaincode.lifecycle.layout import SYSTEM_VERSION
from fedpact_chaincode.stub import Stub


class Lifecycle:
    """`_lifecycle` as the peers of some organisations execute it for one proposal.

    Cheap to make: a node makes one for each proposal, the audit one for each transaction.

    Parameters
    ----------
    acting
        MSP identifiers of the organisations whose peers sign what this execution proposes. In a
        Fabric network each peer has exactly one.
    organisations
        MSP identifiers of the channel's application organisations.
    has_policy
        Whether the channel's configuration holds a policy of this path, such as
        ``/Channel/Application/Endorsement``.
    is_admin
        Whether a creator (serialised `msp.SerializedIdentity`, verified before) administrates its
        organisation.
    installed
        Chaincode's name -> version, of what the node was started with.

    Attributes
    ----------
    version
        Part of every endorsement: that of all system chaincodes.
    """

    version = SYSTEM_VERSION

    def __init__(
        self,
        acting: Collection[str],
        organisations: Collection[str],
        *,
        has_policy: Callable[[str], bool],
        is_admin: Callable[[bytes], bool],
        installed: Mapping[str, str],
    ) -> None:
        self._acting = frozenset(acting)
        self._organisations = tuple(sorted(organisations))
        self._has_policy = has_policy
        self._is_admin = is_admin
        self._installed = installed

    def invoke(self, stub: Stub) -> Response:
        """Execute the call in `stub.args`. A failure is a status of 400 or more."""
        return respond(self._run, stub)

    def _run(self, stub: Stub) -> bytes:
        if not 1 <= len(stub.args) <= 2:
            raise Rejected(
                MALFORMED_MESSAGE,
                reason="a function, and one message unless it is empty",
                arguments=len(stub.args),
            )
        name = stub.args[0].decode("utf-8", "replace")
        function = FUNCTIONS.get(name)
        if function is None:
            raise Rejected(UNKNOWN_TRANSACTION, name=name[:128])
        caller = caller_of(stub.creator)
        if function.for_admins:
            if not self._is_admin(stub.creator):
                raise Rejected(ROLE_REQUIRED, caller=caller.id, required=["admin"])
            if caller.mspid not in self._acting:
                raise Rejected(NO_PEER_HERE, caller=caller.id)
        try:
            arguments = function.arguments.FromString(stub.args[1] if stub.args[1:] else b"")
        except DecodeError as error:
            raise Rejected(MALFORMED_MESSAGE, reason=f"not a {function.arguments.__name__}") from error
        call = Call(stub, caller.mspid, self._acting, self._organisations, self._has_policy, self._installed)
        encoded: bytes = function.handler(call, arguments).SerializeToString(deterministic=True)
        return encoded


def _refuse_installing(_call: Call, _arguments: Any) -> Message:
    raise Rejected(NOT_INSTALLED_BY_CALL)


@dataclass(frozen=True, slots=True)
class _Function:
    """One function: its message, what answers it, and whether it is for an organisation's admins only."""

    arguments: Any
    handler: Callable[[Call, Any], Message]
    for_admins: bool = False


FUNCTIONS: Mapping[str, _Function] = {
    "ApproveChaincodeDefinitionForMyOrg": _Function(
        messages.ApproveChaincodeDefinitionForMyOrgArgs, approvals.approve, for_admins=True
    ),
    "QueryApprovedChaincodeDefinition": _Function(
        messages.QueryApprovedChaincodeDefinitionArgs, approvals.approved, for_admins=True
    ),
    "QueryApprovedChaincodeDefinitions": _Function(
        messages.QueryApprovedChaincodeDefinitionsArgs, approvals.all_approved, for_admins=True
    ),
    "CheckCommitReadiness": _Function(messages.CheckCommitReadinessArgs, definitions.check_readiness),
    "CommitChaincodeDefinition": _Function(messages.CommitChaincodeDefinitionArgs, definitions.commit),
    "QueryChaincodeDefinition": _Function(messages.QueryChaincodeDefinitionArgs, definitions.definition),
    "QueryChaincodeDefinitions": _Function(
        messages.QueryChaincodeDefinitionsArgs, definitions.all_definitions
    ),
    "QueryInstalledChaincode": _Function(
        messages.QueryInstalledChaincodeArgs, installed.installed_chaincode, for_admins=True
    ),
    "QueryInstalledChaincodes": _Function(
        messages.QueryInstalledChaincodesArgs, installed.all_installed, for_admins=True
    ),
    "InstallChaincode": _Function(messages.InstallChaincodeArgs, _refuse_installing, for_admins=True),
    "GetInstalledChaincodePackage": _Function(
        messages.GetInstalledChaincodePackageArgs, _refuse_installing, for_admins=True
    ),
}
"""Fabric's functions of `_lifecycle`, and who may call them (core/aclmgmt/defaultaclprovider.go)."""
