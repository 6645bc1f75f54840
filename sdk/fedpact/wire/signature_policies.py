"""Signature policies on the wire, and how a set of signers is held against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from google.protobuf.message import DecodeError

from fedpact.wire.membership import Member
from fedpact.wire.policy_language import (
    MAX_DEPTH,
    MAX_PRINCIPALS,
    OutOf,
    PolicyCode,
    PolicyError,
    Rule,
    SignedBy,
    gate,
    parse_rule,
    principal,
    render_rule,
    within_limits,
)

__all__ = ["evaluate", "parse", "render", "rule_of", "satisfies", "to_envelope"]

_ROLES: Final[dict[str, int]] = {
    name.lower(): value for name, value in msp_principal_pb2.MSPRole.MSPRoleType.items()
}
_ROLE_NAMES: Final = {value: name for name, value in _ROLES.items()}


def parse(text: str) -> policies_pb2.SignaturePolicyEnvelope:
    """Read a policy, as Fabric's ``policydsl.FromString`` does; the protobuf is the same byte for byte.

    Raises
    ------
    PolicyError
        BAD_SYNTAX, BAD_PRINCIPAL, BAD_COUNT, TOO_COMPLEX.
    """
    return to_envelope(parse_rule(text))


def render(envelope: policies_pb2.SignaturePolicyEnvelope) -> str:
    """Write a policy as text; `parse` of it gives an equal policy. Raises what `rule_of` raises."""
    return render_rule(rule_of(envelope))


def evaluate(envelope: policies_pb2.SignaturePolicyEnvelope, members: Sequence[Member]) -> bool:
    """Tell whether the signers satisfy the policy; see `satisfies`. Raises what `rule_of` raises."""
    return satisfies(rule_of(envelope), members)


def satisfies(rule: Rule, members: Sequence[Member]) -> bool:
    """Tell whether the signers satisfy a rule, exactly as a Fabric peer decides it.

    Each identity counts once, however often it signed, and serves at most one leaf. Leaves are
    filled from left to right, each by the first signer who fits and is still free; a gate that
    fails frees its signers again. This is Fabric's greedy order, not a best matching: with
    ``AND('A.member', 'A.peer')`` a lone peer followed by a client fails where the reverse order
    succeeds, and every validator must agree on that.

    Parameters
    ----------
    rule
        The policy.
    members
        Whose signatures were verified, in the order of the endorsements.
    """
    distinct = tuple({member.fingerprint: member for member in members}.values())
    return _holds(rule, distinct, [False] * len(distinct))


def to_envelope(rule: Rule) -> policies_pb2.SignaturePolicyEnvelope:
    """Encode a rule with one identity for each leaf, numbered as Fabric's parser does."""
    envelope = policies_pb2.SignaturePolicyEnvelope()
    envelope.rule.CopyFrom(_encode(rule, envelope))
    return envelope


def rule_of(envelope: policies_pb2.SignaturePolicyEnvelope) -> Rule:
    """Decode a policy.

    Raises
    ------
    PolicyError
        BAD_ENCODING, BAD_PRINCIPAL (only roles are understood, not single identities or units),
        BAD_COUNT, TOO_COMPLEX.
    """
    if envelope.version != 0:
        raise PolicyError(PolicyCode.BAD_ENCODING, f"unknown policy version {envelope.version}")
    if len(envelope.identities) > MAX_PRINCIPALS:
        raise PolicyError(PolicyCode.TOO_COMPLEX, f"a policy has at most {MAX_PRINCIPALS} principals")
    rule = _decode(envelope.rule, tuple(_decode_principal(item) for item in envelope.identities), 1)
    return within_limits(rule)


def _holds(rule: Rule, members: tuple[Member, ...], used: list[bool]) -> bool:
    if isinstance(rule, SignedBy):
        for place, member in enumerate(members):
            fits = member.mspid == rule.mspid and (rule.role == "member" or rule.role in member.ou)
            if fits and not used[place]:
                used[place] = True
                return True
        return False
    held = 0
    for part in rule.rules:
        attempt = used.copy()
        if _holds(part, members, attempt):
            held += 1
            used[:] = attempt
    return held >= rule.needed


def _encode(rule: Rule, envelope: policies_pb2.SignaturePolicyEnvelope) -> policies_pb2.SignaturePolicy:
    """Encode a rule. Fabric's parser numbers the principals of inner gates before a gate's own."""
    if isinstance(rule, OutOf):
        gates = {
            place: _encode(part, envelope) for place, part in enumerate(rule.rules) if isinstance(part, OutOf)
        }
        parts = [gates.get(place) or _encode(part, envelope) for place, part in enumerate(rule.rules)]
        return policies_pb2.SignaturePolicy(
            n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=rule.needed, rules=parts)
        )
    role = msp_principal_pb2.MSPRole(msp_identifier=rule.mspid, role=_ROLES[rule.role])
    envelope.identities.add(
        principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=role.SerializeToString()
    )
    return policies_pb2.SignaturePolicy(signed_by=len(envelope.identities) - 1)


def _decode(policy: policies_pb2.SignaturePolicy, principals: tuple[SignedBy, ...], depth: int) -> Rule:
    kind = policy.WhichOneof("Type")
    if kind == "signed_by":
        number: int = policy.signed_by
        if not 0 <= number < len(principals):
            raise PolicyError(PolicyCode.BAD_ENCODING, f"there is no identity number {number}")
        return principals[number]
    if kind != "n_out_of":
        raise PolicyError(PolicyCode.BAD_ENCODING, "a rule is neither a signature nor a gate")
    if depth > MAX_DEPTH:
        raise PolicyError(PolicyCode.TOO_COMPLEX, f"a policy nests at most {MAX_DEPTH} gates")
    return gate(
        policy.n_out_of.n, tuple(_decode(part, principals, depth + 1) for part in policy.n_out_of.rules)
    )


def _decode_principal(item: msp_principal_pb2.MSPPrincipal) -> SignedBy:
    if item.principal_classification != msp_principal_pb2.MSPPrincipal.ROLE:
        raise PolicyError(PolicyCode.BAD_PRINCIPAL, "a principal is a role of an organisation")
    try:
        role = msp_principal_pb2.MSPRole.FromString(item.principal)
    except DecodeError as error:
        raise PolicyError(PolicyCode.BAD_ENCODING, "a principal cannot be read") from error
    return principal(f"{role.msp_identifier}.{_ROLE_NAMES.get(role.role, '')}")
