"""Collections of private data, and the policies that definitions name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fabric_protos.common import policies_pb2
from fabric_protos.peer import collection_pb2, policy_pb2
from google.protobuf.message import DecodeError

from fedpact.wire.policies import Policy, PolicyError
from fedpact_chaincode.lifecycle.layout import implicit_collection_name

if TYPE_CHECKING:
    from fedpact.wire.bundle import Bundle

_FOR_EVER = 2**48
"""From so many blocks on a block-to-live is none: no chain gets there, and no database counts to 2**64."""

__all__ = ["Collection", "application_policy", "collection_of", "implicit_collection"]


@dataclass(frozen=True, slots=True)
class Collection:
    """Private data that only some organisations hold.

    Attributes
    ----------
    name
        Within its chaincode.
    member_policy
        Whose peers hold the data: an OR of roles.
    required_peers, maximum_peers
        How many other peers must and may get the data while it is endorsed.
    block_to_live
        Blocks after which the data is removed; 0: never.
    member_only_read, member_only_write
        Whether clients of other organisations are refused.
    endorsement
        Policy for writes to the collection; None: the chaincode's.
    """

    name: str
    member_policy: Policy
    required_peers: int = 0
    maximum_peers: int = 0
    block_to_live: int = 0
    member_only_read: bool = False
    member_only_write: bool = False
    endorsement: Policy | None = None

    @property
    def members(self) -> frozenset[str]:
        """MSP identifiers of the organisations that hold the data."""
        return self.member_policy.mspids


def implicit_collection(mspid: str, bundle: Bundle) -> Collection | None:
    """Return the collection that only this organisation's peers hold, in every defined chaincode.

    Writes to it need the organisation's own policy ``Endorsement``; without one, any of its members.

    Parameters
    ----------
    mspid
        The organisation.
    bundle
        The channel's configuration.

    Returns
    -------
    Collection or None
        None when the channel has no such organisation.
    """
    organisation = bundle.organisation(mspid)
    if organisation is None:
        return None
    try:
        member = Policy.parse(f"OR('{mspid}.member')")
    except PolicyError:  # policies cannot name it
        member = Policy.refusing()
    path = f"/Channel/Application/{organisation.name}/Endorsement"
    endorsement = bundle.policy(path) if bundle.has_policy(path) else member
    return Collection(implicit_collection_name(mspid), member, endorsement=endorsement)


def collection_of(config: collection_pb2.StaticCollectionConfig, bundle: Bundle) -> Collection:
    """Read one collection of a definition."""
    own = _resolved(config.endorsement_policy, bundle) if config.HasField("endorsement_policy") else None
    return Collection(
        config.name,
        _signature_policy(config.member_orgs_policy.signature_policy),
        config.required_peer_count,
        config.maximum_peer_count,
        config.block_to_live if config.block_to_live < _FOR_EVER else 0,
        config.member_only_read,
        config.member_only_write,
        own,
    )


def application_policy(encoded: bytes, bundle: Bundle) -> Policy:
    """Return the policy in a `validation_parameter`; one that refuses if it cannot be resolved."""
    try:
        policy = policy_pb2.ApplicationPolicy.FromString(encoded)
    except DecodeError:
        return Policy.refusing()
    return _resolved(policy, bundle)


def _resolved(policy: policy_pb2.ApplicationPolicy, bundle: Bundle) -> Policy:
    if policy.WhichOneof("Type") == "signature_policy":
        return _signature_policy(policy.signature_policy)
    return _policy_at(bundle, policy.channel_config_policy_reference)


def _signature_policy(envelope: policies_pb2.SignaturePolicyEnvelope) -> Policy:
    try:
        return Policy.from_envelope(envelope)
    except PolicyError:
        return Policy.refusing()


def _policy_at(bundle: Bundle, path: str) -> Policy:
    try:
        return bundle.policy(path)
    except PolicyError:
        return Policy.refusing()
