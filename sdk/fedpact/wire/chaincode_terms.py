"""The terms of a chaincode's definition as people write them, and Fabric's messages of them.

A policy is the text of a signature policy, ``AND('Org1MSP.peer', 'Org2MSP.peer')``, or the path of one of
the channel's policies, ``/Channel/Application/Endorsement``.
"""

from __future__ import annotations

from typing import Any, Final, Self

import msgspec
from fabric_protos.peer import collection_pb2, policy_pb2
from google.protobuf.message import DecodeError

from fedpact.wire.policies import PolicyCode, PolicyError, parse, render

__all__ = ["ChaincodeTerms", "CollectionTerms", "read_collections"]

MAX_FILE_BYTES: Final = 2**20


class OwnPolicy(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A collection's own endorsement policy in Fabric's file format; one of the two."""

    signature_policy: str = ""
    channel_config_policy: str = ""


class CollectionTerms(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A collection of private data, as an entry of Fabric's ``collections_config.json``.

    Attributes
    ----------
    name
        Within its chaincode.
    policy
        Who holds the data: an OR of members, ``OR('Org1MSP.member', 'Org2MSP.member')``.
    required_peer_count, max_peer_count
        How many other peers must and may get the data while it is endorsed.
    block_to_live
        Blocks after which the data is removed; 0: never.
    member_only_read, member_only_write
        Whether clients of other organisations are refused.
    endorsement_policy
        For writes to the collection; None: the chaincode's.
    """

    name: str
    policy: str
    required_peer_count: int = 0
    max_peer_count: int = 1
    block_to_live: int = 0
    member_only_read: bool = False
    member_only_write: bool = False
    endorsement_policy: OwnPolicy | None = None

    def to_proto(self) -> collection_pb2.CollectionConfig:
        """Make Fabric's message.

        Raises
        ------
        PolicyError
            A policy is none.
        ValueError
            A number does not fit.
        """
        own = self.endorsement_policy
        if own and own.signature_policy and own.channel_config_policy:
            raise PolicyError(PolicyCode.BAD_SYNTAX, f"two endorsement policies for {self.name[:100]!r}")
        config = collection_pb2.StaticCollectionConfig(
            name=self.name,
            member_orgs_policy=collection_pb2.CollectionPolicyConfig(signature_policy=parse(self.policy)),
            required_peer_count=self.required_peer_count,
            maximum_peer_count=self.max_peer_count,
            block_to_live=self.block_to_live,
            member_only_read=self.member_only_read,
            member_only_write=self.member_only_write,
            endorsement_policy=_policy(own.signature_policy or own.channel_config_policy) if own else None,
        )
        return collection_pb2.CollectionConfig(static_collection_config=config)

    @classmethod
    def from_proto(cls, config: collection_pb2.StaticCollectionConfig) -> Self:
        """Read Fabric's message."""
        own = None
        if config.HasField("endorsement_policy"):
            text = _text(config.endorsement_policy)
            reference = text.startswith("/")
            own = OwnPolicy(
                signature_policy="" if reference else text, channel_config_policy=text if reference else ""
            )
        return cls(
            name=config.name,
            policy=render(config.member_orgs_policy.signature_policy),
            required_peer_count=config.required_peer_count,
            max_peer_count=config.maximum_peer_count,
            block_to_live=config.block_to_live,
            member_only_read=config.member_only_read,
            member_only_write=config.member_only_write,
            endorsement_policy=own,
        )


class ChaincodeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What organisations agree on about a chaincode.

    Attributes
    ----------
    name
        The chaincode's name and namespace.
    sequence
        1 for the first definition, then one more each time.
    version
        The code's version: letters, digits, ``_``, ``.``, ``+``, ``-``. A node runs exactly it.
    policy
        Who must endorse; empty: ``/Channel/Application/Endorsement``.
    collections
        Of private data.
    init_required
        Whether an initialising call must come first; chaincodes of fedpact have none.
    """

    name: str
    sequence: int
    version: str
    policy: str = ""
    collections: tuple[CollectionTerms, ...] = ()
    init_required: bool = False

    def as_fields(self) -> dict[str, Any]:
        """Return the fields that Fabric's messages of an approval, a check and a commit share.

        Raises
        ------
        PolicyError, ValueError
            As for `CollectionTerms.to_proto`.
        """
        policy = _policy(self.policy)
        configs = [collection.to_proto() for collection in self.collections]
        return {
            "name": self.name,
            "sequence": self.sequence,
            "version": self.version,
            "init_required": self.init_required,
            "validation_parameter": policy.SerializeToString() if policy else b"",
            "collections": collection_pb2.CollectionConfigPackage(config=configs) if configs else None,
        }

    @classmethod
    def from_message(cls, name: str, message: Any) -> Self:
        """Read the terms out of the result of a query."""
        try:
            policy = _text(policy_pb2.ApplicationPolicy.FromString(message.validation_parameter))
        except DecodeError:
            policy = ""
        return cls(
            name=name,
            sequence=message.sequence,
            version=message.version,
            policy=policy,
            collections=tuple(
                CollectionTerms.from_proto(config.static_collection_config)
                for config in message.collections.config
            ),
            init_required=message.init_required,
        )


def read_collections(content: bytes) -> tuple[CollectionTerms, ...]:
    """Read Fabric's ``collections_config.json``.

    Raises
    ------
    ValueError
        It is not such a file, or larger than a mebibyte.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"a file of collections has at most {MAX_FILE_BYTES} bytes")
    return msgspec.json.decode(content, type=tuple[CollectionTerms, ...])


def _policy(text: str) -> policy_pb2.ApplicationPolicy | None:
    if not text:
        return None
    if text.startswith("/"):
        return policy_pb2.ApplicationPolicy(channel_config_policy_reference=text)
    return policy_pb2.ApplicationPolicy(signature_policy=parse(text))


def _text(policy: policy_pb2.ApplicationPolicy) -> str:
    if policy.WhichOneof("Type") == "signature_policy":
        text: str = render(policy.signature_policy)
        return text
    reference: str = policy.channel_config_policy_reference
    return reference
