"""What the members agreed on about a chaincode: its definition, as Fabric's `_lifecycle` keeps it.

DefinitionError              rows of `_lifecycle` are no definition, or a chaincode may not run here
  .code -> DefinitionCode    stable
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, TypeVar

from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2
from google.protobuf.message import DecodeError, Message

from fedpact.wire.collection_configs import Collection, application_policy, collection_of, implicit_collection
from fedpact.wire.policies import Policy
from fedpact_chaincode.lifecycle.layout import (
    DEFINITION,
    IMPLICIT_PREFIX,
    LIFECYCLE,
    NAMESPACES,
    PARAMETERS,
    SYSTEM_VERSION,
    approval_name,
    decode_field,
    encode_field,
    field_key,
    implicit_collection_name,
    metadata_key,
)

if TYPE_CHECKING:
    from fedpact.wire.bundle import Bundle
    from fedpact.wire.rwsets import Row

__all__ = [
    "LIFECYCLE",
    "Collection",
    "Definition",
    "DefinitionCode",
    "DefinitionError",
    "approved_by",
    "collections_of",
    "find_collection",
    "find_definition",
    "implicit_collection",
    "runnable",
]

M = TypeVar("M", bound=Message)


class DefinitionCode(StrEnum):
    """Why a definition is none, or a chaincode may not run here. Names are never changed or used again."""

    MALFORMED_DEFINITION = "MALFORMED_DEFINITION"
    NOT_INSTALLED = "NOT_INSTALLED"
    WRONG_VERSION = "WRONG_VERSION"
    INIT_REQUIRED = "INIT_REQUIRED"


class DefinitionError(ValueError):
    """A definition cannot be read, or forbids to run a chaincode; `code` is a `DefinitionCode`."""

    def __init__(self, code: DefinitionCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Rows(Protocol):
    """The committed public and hashed state."""

    def get(self, namespace: str, key: str, /) -> Row | None:
        """Return a committed row; None if absent."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What runs under a name.

    Attributes
    ----------
    name
        The chaincode's name and namespace.
    sequence
        1 for the first definition, then one more each time; 0 for `_lifecycle` itself.
    version
        The code's version; every valid transaction carries exactly it.
    endorsement
        Policy that endorsements must satisfy. One that cannot be resolved is satisfied by nobody.
    collections
        Explicit collections by name; the implicit ones are found by `find_collection`.
    init_required
        Whether an initialising call must come first.
    """

    name: str
    sequence: int
    version: str
    endorsement: Policy
    collections: Mapping[str, Collection] = field(default_factory=dict)
    init_required: bool = False


def find_definition(rows: Rows, bundle: Bundle, name: str) -> Definition | None:
    """Return the committed definition of a chaincode; None if its members never committed one.

    `_lifecycle` itself is defined by the channel: policy ``/Channel/Application/LifecycleEndorsement``.

    Parameters
    ----------
    rows
        The state to look into.
    bundle
        The configuration that resolves the definition's policies.
    name
        The chaincode's name.

    Raises
    ------
    DefinitionError
        MALFORMED_DEFINITION when the rows are no definition.
    """
    if name == LIFECYCLE:
        return Definition(LIFECYCLE, 0, SYSTEM_VERSION, bundle.lifecycle_policy)
    metadata_row = rows.get(LIFECYCLE, metadata_key(NAMESPACES, name))
    if metadata_row is None:
        return None
    try:
        if db_pb2.StateMetadata.FromString(metadata_row.value).datatype != DEFINITION.datatype:
            raise _malformed(name)
        sequence = _field(rows, name, "Sequence")
        endorsing = _message(rows, name, "EndorsementInfo", chaincode_definition_pb2.ChaincodeEndorsementInfo)
        validating = _message(rows, name, "ValidationInfo", chaincode_definition_pb2.ChaincodeValidationInfo)
        collections = _message(rows, name, "Collections", collection_pb2.CollectionConfigPackage)
    except DecodeError as error:
        raise _malformed(name) from error
    if not isinstance(sequence, int) or sequence < 1:
        raise _malformed(name)
    return Definition(
        name,
        sequence,
        endorsing.version,
        application_policy(validating.validation_parameter, bundle),
        {
            config.static_collection_config.name: collection_of(config.static_collection_config, bundle)
            for config in collections.config
            if config.HasField("static_collection_config")
        },
        endorsing.init_required,
    )


def find_collection(definition: Definition, bundle: Bundle, name: str) -> Collection | None:
    """Return a chaincode's collection, explicit or implicit; None if there is no such collection."""
    if not name.startswith(IMPLICIT_PREFIX):
        return definition.collections.get(name)
    return implicit_collection(name.removeprefix(IMPLICIT_PREFIX), bundle)


def collections_of(definition: Definition, bundle: Bundle) -> dict[str, Collection]:
    """Return all collections of a defined chaincode: its own, and the implicit one of each organisation."""
    implicit = (implicit_collection(organisation.mspid, bundle) for organisation in bundle.organisations)
    return {**definition.collections, **{found.name: found for found in implicit if found}}


def runnable(definition: Definition | None, installed_version: str | None) -> None:
    """Decide whether a node may execute a chaincode.

    Parameters
    ----------
    definition
        What is agreed; None: nothing yet, then whatever is installed runs under the channel's policy.
    installed_version
        Of the chaincode that the node has under this name; None: it has none.

    Raises
    ------
    DefinitionError
        NOT_INSTALLED; WRONG_VERSION when the installed code is not the agreed one; INIT_REQUIRED,
        because contracts here have no initialising call.
    """
    if installed_version is None:
        raise DefinitionError(DefinitionCode.NOT_INSTALLED, "this node does not have the chaincode")
    if definition is None:
        return
    if definition.version != installed_version:
        raise DefinitionError(
            DefinitionCode.WRONG_VERSION,
            f"version {definition.version} of {definition.name} is agreed, this node has {installed_version}",
        )
    if definition.init_required:
        raise DefinitionError(
            DefinitionCode.INIT_REQUIRED, f"{definition.name} asks for an initialising call, which it has not"
        )


def approved_by(rows: Rows, definition: Definition, mspid: str) -> bool:
    """Tell whether an organisation approved exactly the committed definition, by the hashes of its approval.

    A Fabric peer endorses only what its own organisation approved.
    """
    hashed = f"{LIFECYCLE}$$h{implicit_collection_name(mspid)}"
    approval = approval_name(definition.name, definition.sequence)
    expected = {metadata_key(NAMESPACES, approval): PARAMETERS.metadata()}
    for name in PARAMETERS.fields:
        committed = rows.get(LIFECYCLE, field_key(NAMESPACES, definition.name, name))
        expected[field_key(NAMESPACES, approval, name)] = committed.value if committed else encode_field(b"")
    found = (rows.get(hashed, sha256(key.encode()).hexdigest()) for key in expected)
    return all(
        row is not None and row.value == sha256(value).digest()
        for row, value in zip(found, expected.values(), strict=True)
    )


def _malformed(name: str) -> DefinitionError:
    return DefinitionError(DefinitionCode.MALFORMED_DEFINITION, f"the rows of {name:.80} are no definition")


def _field(rows: Rows, name: str, field_name: str) -> int | str | bytes | None:
    row = rows.get(LIFECYCLE, field_key(NAMESPACES, name, field_name))
    return decode_field(row.value if row else None)


def _message(rows: Rows, name: str, field_name: str, message_type: type[M]) -> M:
    value = _field(rows, name, field_name)
    if not isinstance(value, bytes | None):
        raise _malformed(name)
    message: M = message_type.FromString(value or b"")
    return message
