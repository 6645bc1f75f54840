"""What a definition may say. The rules are Fabric's (core/chaincode/lifecycle/scc.go); ours are marked."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from fabric_protos.peer import collection_pb2, policy_pb2
from google.protobuf.message import DecodeError

from fedpact_chaincode.errors import Code, Rejected
from fedpact_chaincode.lifecycle.codes import (
    BAD_CHAINCODE_NAME,
    BAD_CHAINCODE_POLICY,
    BAD_CHAINCODE_VERSION,
    BAD_COLLECTION,
    COLLECTION_CHANGED,
)
from fedpact_chaincode.lifecycle.terms import Terms

MAX_TEXT = 255
MAX_COLLECTIONS = 1000
MAX_PRINCIPALS = 512
MAX_DEPTH = 16

_NAME = re.compile(r"[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*")
_VERSION = re.compile(r"[A-Za-z0-9_.+-]+")
_COLLECTION_NAME = re.compile(r"[A-Za-z0-9-][A-Za-z0-9_-]*")
_SYSTEM_NAMES = frozenset({"cscc", "escc", "lscc", "qscc", "vscc"})


def check_definition(
    name: str, terms: Terms, organisations: Collection[str], has_policy: Callable[[str], bool]
) -> None:
    """Refuse a definition that is not well formed.

    Ours: names, versions and policies are bounded, and policies that nobody could satisfy are refused.

    Parameters
    ----------
    name, terms : the definition.
    organisations : MSP identifiers of the channel's application organisations.
    has_policy : whether the channel's configuration holds a policy of this path.

    Raises
    ------
    Rejected
        BAD_CHAINCODE_NAME, BAD_CHAINCODE_VERSION, BAD_CHAINCODE_POLICY, BAD_COLLECTION.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_TEXT or name in _SYSTEM_NAMES:
        raise Rejected(BAD_CHAINCODE_NAME, name=name[:MAX_TEXT])
    version = terms.endorsing.version
    if not _VERSION.fullmatch(version) or len(version) > MAX_TEXT:
        raise Rejected(BAD_CHAINCODE_VERSION, version=version[:MAX_TEXT])
    try:
        policy = policy_pb2.ApplicationPolicy.FromString(terms.validating.validation_parameter)
    except DecodeError as error:
        raise Rejected(BAD_CHAINCODE_POLICY, reason="not an application policy") from error
    _check_application_policy(policy, has_policy, BAD_CHAINCODE_POLICY)
    _check_collections(_static(terms.collections), organisations, has_policy)


def check_unchanged(
    proposed: collection_pb2.CollectionConfigPackage, committed: collection_pb2.CollectionConfigPackage
) -> None:
    """Refuse (COLLECTION_CHANGED) to drop a committed collection, or to change its block to live."""
    blocks = {config.name: config.block_to_live for config in _static(proposed)}
    for config in _static(committed):
        if blocks.get(config.name) != config.block_to_live:
            raise Rejected(COLLECTION_CHANGED, collection=config.name, block_to_live=config.block_to_live)


def _static(
    package: collection_pb2.CollectionConfigPackage,
) -> list[collection_pb2.StaticCollectionConfig]:
    if not all(config.HasField("static_collection_config") for config in package.config):
        raise Rejected(BAD_COLLECTION, reason="only static collections are known")
    return [config.static_collection_config for config in package.config]


def _check_collections(
    configs: list[collection_pb2.StaticCollectionConfig],
    organisations: Collection[str],
    has_policy: Callable[[str], bool],
) -> None:
    if len(configs) > MAX_COLLECTIONS:
        raise Rejected(BAD_COLLECTION, reason="too many", collections=len(configs))
    names = set()
    for config in configs:
        name = config.name[:MAX_TEXT]
        if not _COLLECTION_NAME.fullmatch(name) or name != config.name:
            raise Rejected(BAD_COLLECTION, reason="name", collection=name)
        if name in names:
            raise Rejected(BAD_COLLECTION, reason="defined twice", collection=name)
        names.add(name)
        if not 0 <= config.required_peer_count <= config.maximum_peer_count:
            raise Rejected(
                BAD_COLLECTION,
                reason="0 <= required_peer_count <= maximum_peer_count",
                collection=name,
                required_peer_count=config.required_peer_count,
                maximum_peer_count=config.maximum_peer_count,
            )
        _check_members(config, organisations)
        if config.HasField("endorsement_policy"):
            _check_application_policy(config.endorsement_policy, has_policy, BAD_COLLECTION)


def _check_members(config: collection_pb2.StaticCollectionConfig, organisations: Collection[str]) -> None:
    envelope = config.member_orgs_policy.signature_policy
    members = _check_signature_policy(envelope, BAD_COLLECTION)
    if not _only_or(envelope.rule):
        raise Rejected(BAD_COLLECTION, reason="members are named by OR", collection=config.name)
    strangers = sorted(members - set(organisations))
    if strangers:
        raise Rejected(
            BAD_COLLECTION, reason="members outside the channel", collection=config.name, strangers=strangers
        )


def _only_or(rule: policies_pb2.SignaturePolicy) -> bool:
    if rule.WhichOneof("Type") != "n_out_of":
        return True
    return rule.n_out_of.n == 1 and all(map(_only_or, rule.n_out_of.rules))


def _check_application_policy(
    policy: policy_pb2.ApplicationPolicy, has_policy: Callable[[str], bool], refusal: Code
) -> None:
    if policy.WhichOneof("Type") == "signature_policy":
        _check_signature_policy(policy.signature_policy, refusal)
    elif not has_policy(policy.channel_config_policy_reference):
        reference = policy.channel_config_policy_reference[:MAX_TEXT]
        raise Rejected(refusal, reason="no such policy in the channel", reference=reference)


def _check_signature_policy(envelope: policies_pb2.SignaturePolicyEnvelope, refusal: Code) -> set[str]:
    """Return the organisations that a policy names; refuse one that cannot be evaluated."""
    if not 1 <= len(envelope.identities) <= MAX_PRINCIPALS:
        raise Rejected(refusal, reason="principals", principals=len(envelope.identities))
    _check_rule(envelope.rule, len(envelope.identities), 1, refusal)
    return set(_named(envelope.identities, refusal))


def _named(identities: Iterable[msp_principal_pb2.MSPPrincipal], refusal: Code) -> Iterable[str]:
    kinds = msp_principal_pb2.MSPPrincipal
    for item in identities:
        kind = item.principal_classification
        try:
            if kind == kinds.ROLE:
                yield msp_principal_pb2.MSPRole.FromString(item.principal).msp_identifier
            elif kind == kinds.ORGANIZATION_UNIT:
                yield msp_principal_pb2.OrganizationUnit.FromString(item.principal).msp_identifier
            elif kind == kinds.IDENTITY:
                yield identities_pb2.SerializedIdentity.FromString(item.principal).mspid
            else:
                raise Rejected(refusal, reason="a principal is a role, a unit or an identity")
        except DecodeError as error:
            raise Rejected(refusal, reason="a principal cannot be read") from error


def _check_rule(rule: policies_pb2.SignaturePolicy, principals: int, depth: int, refusal: Code) -> None:
    if rule.WhichOneof("Type") == "signed_by":
        if not 0 <= rule.signed_by < principals:
            raise Rejected(refusal, reason="no such principal", number=rule.signed_by)
        return
    rules = rule.n_out_of.rules
    if depth > MAX_DEPTH or not 1 <= rule.n_out_of.n <= len(rules):
        raise Rejected(refusal, reason="gate", depth=depth, needed=rule.n_out_of.n, rules=len(rules))
    for part in rules:
        _check_rule(part, principals, depth + 1, refusal)
