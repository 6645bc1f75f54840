"""Signature policies on the wire, and how a set of signers is held against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from google.protobuf.message import DecodeError

from fedpact.identity.certificates import load_certificate
from fedpact.identity.errors import IdentityError
from fedpact.wire.membership import Member, fingerprint_of
from fedpact.wire.policy_language import (
    MAX_DEPTH,
    MAX_PRINCIPALS,
    Leaf,
    OutOf,
    PolicyCode,
    PolicyError,
    Rule,
    SignedBy,
    SignedByIdentity,
    SignedByUnit,
    parse_rule,
    principal,
    render_rule,
    within_limits,
)

__all__ = ["distinct", "evaluate", "holds", "parse", "render", "rule_of", "to_envelope"]

_ROLES: Final[dict[str, int]] = {
    name.lower(): value for name, value in msp_principal_pb2.MSPRole.MSPRoleType.items()
}
_ROLE_NAMES: Final = {value: name for name, value in _ROLES.items()}
_PRINCIPAL: Final = msp_principal_pb2.MSPPrincipal


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
    """Tell whether the signers satisfy the policy; see `holds`. Raises what `rule_of` raises."""
    return holds(rule_of(envelope), distinct(members))


def distinct(members: Sequence[Member]) -> tuple[Member, ...]:
    """Return the signers, each identity once, however often it signed."""
    return tuple({member.fingerprint: member for member in members}.values())


def holds(rule: Rule, members: tuple[Member, ...]) -> bool:
    """Tell whether the signers satisfy a rule, exactly as a Fabric peer decides it.

    Each identity serves at most one leaf. Leaves are filled from left to right, each by the first
    signer who fits and is still free; a gate that fails frees its signers again. This is Fabric's
    greedy order, not a best matching: with ``AND('A.member', 'A.peer')`` a lone peer followed by a
    client fails where the reverse order succeeds, and every validator must agree on that.

    Parameters
    ----------
    rule
        The policy.
    members
        Whose signatures were verified, in the order of the endorsements, without repetitions.
    """
    return _holds(rule, members, [False] * len(members))


def to_envelope(rule: Rule) -> policies_pb2.SignaturePolicyEnvelope:
    """Encode a rule with one identity for each leaf, numbered as Fabric's parser does."""
    envelope = policies_pb2.SignaturePolicyEnvelope()
    envelope.rule.CopyFrom(_encode(rule, envelope))
    return envelope


def rule_of(envelope: policies_pb2.SignaturePolicyEnvelope) -> Rule:
    """Decode a policy. As in Fabric a gate may ask for nothing, or for more than there is.

    Raises
    ------
    PolicyError
        BAD_ENCODING, BAD_COUNT for a negative one, TOO_COMPLEX; BAD_PRINCIPAL for an anonymous or a
        combined principal, or one that cannot be read.
    """
    if envelope.version != 0:
        raise PolicyError(PolicyCode.BAD_ENCODING, f"unknown policy version {envelope.version}")
    if len(envelope.identities) > MAX_PRINCIPALS:
        raise PolicyError(PolicyCode.TOO_COMPLEX, f"a policy has at most {MAX_PRINCIPALS} principals")
    rule = _decode(envelope.rule, tuple(_decode_principal(item) for item in envelope.identities), 1)
    return within_limits(rule)


def _holds(rule: Rule, members: tuple[Member, ...], used: list[bool]) -> bool:
    if isinstance(rule, SignedBy):  # nearly every leaf, for every transaction: no further call
        mspid, role = rule.mspid, rule.role
        for place, member in enumerate(members):
            if not used[place] and member.mspid == mspid and role in member.roles:
                used[place] = True
                return True
        return False
    if isinstance(rule, OutOf):
        held = 0
        for part in rule.rules:
            attempt = used.copy()
            if _holds(part, members, attempt):
                held += 1
                used[:] = attempt
        return held >= rule.needed
    for place, member in enumerate(members):
        if not used[place] and _fits(rule, member):
            used[place] = True
            return True
    return False


def _fits(leaf: SignedByUnit | SignedByIdentity, member: Member) -> bool:
    if isinstance(leaf, SignedByIdentity):
        return leaf.fingerprint == member.fingerprint
    same = leaf.mspid == member.mspid and leaf.certifiers == member.certifiers
    return same and leaf.unit in member.ou


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
    if not isinstance(rule, SignedBy):
        raise PolicyError(PolicyCode.BAD_PRINCIPAL, "only roles can be written")
    role = msp_principal_pb2.MSPRole(msp_identifier=rule.mspid, role=_ROLES[rule.role])
    envelope.identities.add(principal_classification=_PRINCIPAL.ROLE, principal=role.SerializeToString())
    return policies_pb2.SignaturePolicy(signed_by=len(envelope.identities) - 1)


def _decode(policy: policies_pb2.SignaturePolicy, principals: tuple[Leaf, ...], depth: int) -> Rule:
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
    if policy.n_out_of.n < 0:
        raise PolicyError(PolicyCode.BAD_COUNT, "a gate cannot ask for less than nothing")
    parts = tuple(_decode(part, principals, depth + 1) for part in policy.n_out_of.rules)
    return OutOf(policy.n_out_of.n, parts)


def _decode_principal(item: msp_principal_pb2.MSPPrincipal) -> Leaf:
    kind = item.principal_classification
    try:
        if kind == _PRINCIPAL.ROLE:
            role = msp_principal_pb2.MSPRole.FromString(item.principal)
            return principal(f"{role.msp_identifier}.{_ROLE_NAMES.get(role.role, '')}")
        if kind == _PRINCIPAL.ORGANIZATION_UNIT:
            unit = msp_principal_pb2.OrganizationUnit.FromString(item.principal)
            return SignedByUnit(
                unit.msp_identifier, unit.organizational_unit_identifier, unit.certifiers_identifier
            )
        if kind == _PRINCIPAL.IDENTITY:
            identity = identities_pb2.SerializedIdentity.FromString(item.principal)
            certificate = load_certificate(identity.id_bytes)
            return SignedByIdentity(identity.mspid, fingerprint_of(identity.mspid, certificate))
    except DecodeError as error:
        raise PolicyError(PolicyCode.BAD_ENCODING, "a principal cannot be read") from error
    except IdentityError as error:
        raise PolicyError(PolicyCode.BAD_PRINCIPAL, "a principal's certificate cannot be read") from error
    raise PolicyError(PolicyCode.BAD_PRINCIPAL, "a principal is a role, a unit or an identity")
