"""How definitions and approvals lie in the state of `_lifecycle`: the keys and bytes of a Fabric peer.

Public state, one definition a chaincode:

    namespaces/metadata/<name>             StateMetadata: "ChaincodeDefinition" and its fields
    namespaces/fields/<name>/<field>       StateData: Sequence, EndorsementInfo, ValidationInfo, Collections

An organisation's implicit collection, one approval a chaincode and sequence:

    namespaces/metadata/<name>#<sequence>             "ChaincodeParameters"
    namespaces/fields/<name>#<sequence>/<field>       EndorsementInfo, ValidationInfo, Collections
    chaincode-sources/metadata/<name>#<sequence>      "ChaincodeLocalPackage"
    chaincode-sources/fields/<name>#<sequence>/PackageID

Source: hyperledger/fabric, core/chaincode/lifecycle (lifecycle.go, serializer.go).
"""

from __future__ import annotations

from dataclasses import dataclass

from fabric_protos.peer.lifecycle import db_pb2

LIFECYCLE = "_lifecycle"
"""The system chaincode's name and the namespace of its state."""
SYSTEM_VERSION = "syscc"
"""The version that Fabric gives to every system chaincode."""
NAMESPACES = "namespaces"
SOURCES = "chaincode-sources"
IMPLICIT_PREFIX = "_implicit_org_"


@dataclass(frozen=True, slots=True)
class Structure:
    """A type of record: its name in the state and its fields in their order."""

    datatype: str
    fields: tuple[str, ...]

    def metadata(self) -> bytes:
        """Return the value of a record's metadata key."""
        encoded: bytes = db_pb2.StateMetadata(datatype=self.datatype, fields=self.fields).SerializeToString()
        return encoded


_AGREED = ("EndorsementInfo", "ValidationInfo", "Collections")
DEFINITION = Structure("ChaincodeDefinition", ("Sequence", *_AGREED))
PARAMETERS = Structure("ChaincodeParameters", _AGREED)
LOCAL_PACKAGE = Structure("ChaincodeLocalPackage", ("PackageID",))


def metadata_key(section: str, name: str) -> str:
    """Return the key that tells what kind of record a name holds."""
    return f"{section}/metadata/{name}"


def field_key(section: str, name: str, field: str) -> str:
    """Return the key of one field of a record."""
    return f"{section}/fields/{name}/{field}"


def approval_name(name: str, sequence: int) -> str:
    """Return the name of the record that approves a definition."""
    return f"{name}#{sequence}"


def implicit_collection_name(mspid: str) -> str:
    """Return the name of the collection that every organisation has in every defined chaincode."""
    return IMPLICIT_PREFIX + mspid


def encode_field(value: int | str | bytes) -> bytes:
    """Encode the value of a field; a message is given as its bytes."""
    data = db_pb2.StateData()
    if isinstance(value, int):
        data.Int64 = value
    elif isinstance(value, str):
        data.String = value
    else:
        data.Bytes = value
    encoded: bytes = data.SerializeToString()
    return encoded


def decode_field(data: bytes | None) -> int | str | bytes | None:
    """Decode the value of a field; None where there is none.

    Raises
    ------
    google.protobuf.message.DecodeError
        The bytes are no `StateData`.
    """
    state = db_pb2.StateData.FromString(data or b"")
    kind = state.WhichOneof("Type")
    value: int | str | bytes | None = getattr(state, kind) if kind else None
    return value
