"""What a definition says beside its name and sequence, and how a message of `_lifecycle` carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from fabric_protos.peer import collection_pb2, policy_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2

from fedpact_chaincode.lifecycle.layout import NAMESPACES, PARAMETERS
from fedpact_chaincode.lifecycle.records import FieldContent, Store, read_field

DEFAULT_POLICY = "/Channel/Application/Endorsement"
_ENDORSEMENT_PLUGIN = "escc"
_VALIDATION_PLUGIN = "vscc"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a definition.

    Attributes
    ----------
    endorsing : version, plugin and whether an initialising call is needed.
    validating : plugin and endorsement policy (a serialised `peer.ApplicationPolicy`).
    collections : of private data.
    """

    endorsing: chaincode_definition_pb2.ChaincodeEndorsementInfo
    validating: chaincode_definition_pb2.ChaincodeValidationInfo
    collections: collection_pb2.CollectionConfigPackage

    @classmethod
    def from_message(cls, message: Any) -> Self:
        """Take the terms out of the arguments of an approval, a commit or a check, with Fabric's defaults."""
        default = policy_pb2.ApplicationPolicy(channel_config_policy_reference=DEFAULT_POLICY)
        return cls(
            chaincode_definition_pb2.ChaincodeEndorsementInfo(
                version=message.version,
                init_required=message.init_required,
                endorsement_plugin=message.endorsement_plugin or _ENDORSEMENT_PLUGIN,
            ),
            chaincode_definition_pb2.ChaincodeValidationInfo(
                validation_plugin=message.validation_plugin or _VALIDATION_PLUGIN,
                validation_parameter=message.validation_parameter or default.SerializeToString(),
            ),
            message.collections,
        )

    @classmethod
    def read(cls, store: Store, name: str) -> Self:
        """Read the terms of a record that is there."""
        endorsing, validating, collections = (
            _bytes(read_field(store, NAMESPACES, name, field)) for field in PARAMETERS.fields
        )
        return cls(
            chaincode_definition_pb2.ChaincodeEndorsementInfo.FromString(endorsing),
            chaincode_definition_pb2.ChaincodeValidationInfo.FromString(validating),
            collection_pb2.CollectionConfigPackage.FromString(collections),
        )

    def content(self) -> dict[str, FieldContent]:
        """Return the fields as they are stored."""
        messages = (self.endorsing, self.validating, self.collections)
        return {
            field: message.SerializeToString(deterministic=True)
            for field, message in zip(PARAMETERS.fields, messages, strict=True)
        }

    def as_fields(self) -> dict[str, Any]:
        """Return the fields of a result message."""
        return {
            "version": self.endorsing.version,
            "endorsement_plugin": self.endorsing.endorsement_plugin,
            "init_required": self.endorsing.init_required,
            "validation_plugin": self.validating.validation_plugin,
            "validation_parameter": self.validating.validation_parameter,
            "collections": self.collections,
        }


def _bytes(value: FieldContent | None) -> bytes:
    return value if isinstance(value, bytes) else b""
