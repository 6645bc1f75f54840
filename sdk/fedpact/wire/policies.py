"""A channel's policies: signature policies, and implicit meta policies over its organisations.

An implicit meta policy asks for the policies of one name in ANY, ALL or a MAJORITY of the
organisations: ``MAJORITY Endorsement`` is satisfied when more than half of the organisations have
each had their own ``Endorsement`` policy, ``OR('<MSP id>.peer')``, satisfied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from fabric_protos.common import policies_pb2
from google.protobuf.message import DecodeError

from fedpact.wire.membership import Member
from fedpact.wire.policy_language import (
    OutOf,
    PolicyCode,
    PolicyError,
    Rule,
    SignedBy,
    parse_rule,
    render_rule,
)
from fedpact.wire.signature_policies import evaluate, parse, render, rule_of, satisfies, to_envelope

__all__ = [
    "ORGANISATION_POLICIES",
    "Policy",
    "PolicyCode",
    "PolicyError",
    "evaluate",
    "organisation_policy",
    "parse",
    "render",
]

ORGANISATION_POLICIES: Final = MappingProxyType(
    {
        "Admins": ("admin",),
        "Endorsement": ("peer",),
        "Readers": ("admin", "peer", "client"),
        "Writers": ("admin", "client"),
    }
)
"""The policies that every organisation of a channel has: name -> roles, any one of which is enough."""

MAX_NEEDS: Final = 1000
MAX_CANDIDATES: Final = 10 * MAX_NEEDS

_IMPLICIT = re.compile(r"(ANY|ALL|MAJORITY) +([A-Za-z0-9.-]{1,64})")
_META: Final = policies_pb2.ImplicitMetaPolicy


def organisation_policy(mspid: str, name: str) -> str:
    """Return the text of an organisation's own policy.

    Raises
    ------
    PolicyError
        UNKNOWN_POLICY when the name is not in `ORGANISATION_POLICIES`.
    """
    if name not in ORGANISATION_POLICIES:
        known = ", ".join(ORGANISATION_POLICIES)
        raise PolicyError(
            PolicyCode.UNKNOWN_POLICY, f"organisations have no policy {name!r:.80}; they have {known}"
        )
    return render_rule(OutOf(1, tuple(SignedBy(mspid, role) for role in ORGANISATION_POLICIES[name])))


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, ready to be evaluated. Make one with `parse` or `from_proto`.

    Attributes
    ----------
    text
        Its canonical text.
    needed
        How many of the rules must hold.
    rules
        The signature policy itself, or one rule an organisation. Each is evaluated on its own, so
        one signature may count in several of them.
    """

    text: str
    needed: int
    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, text: str, mspids: Sequence[str] = ()) -> Self:
        """Read a signature policy, or ``ANY|ALL|MAJORITY <name>``.

        Parameters
        ----------
        text
            The policy.
        mspids
            The organisations that an implicit meta policy is about.

        Raises
        ------
        PolicyError
            BAD_SYNTAX, BAD_PRINCIPAL, BAD_COUNT, TOO_COMPLEX; UNKNOWN_POLICY for a name that
            organisations do not have.
        """
        match = _IMPLICIT.fullmatch(text.strip())
        if match is None:
            rule = parse_rule(text)
            return cls(render_rule(rule), 1, (rule,))
        return cls._implicit(match[1], match[2], mspids)

    @classmethod
    def from_proto(cls, policy: policies_pb2.Policy, mspids: Sequence[str] = ()) -> Self:
        """Read a policy of a channel's configuration; raises what `parse` raises, and BAD_ENCODING."""
        try:
            if policy.type == policies_pb2.Policy.SIGNATURE:
                rule = rule_of(policies_pb2.SignaturePolicyEnvelope.FromString(policy.value))
                return cls(render_rule(rule), 1, (rule,))
            if policy.type == policies_pb2.Policy.IMPLICIT_META:
                meta = _META.FromString(policy.value)
                return cls._implicit(_META.Rule.Name(meta.rule), meta.sub_policy, mspids)
        except PolicyError:
            raise
        except (DecodeError, ValueError) as error:
            raise PolicyError(PolicyCode.BAD_ENCODING, "the policy cannot be read") from error
        raise PolicyError(PolicyCode.BAD_ENCODING, f"unknown type of policy {policy.type}")

    @classmethod
    def _implicit(cls, quantity: str, name: str, mspids: Sequence[str]) -> Self:
        rules = tuple(parse_rule(organisation_policy(mspid, name)) for mspid in sorted(set(mspids)))
        if not rules:
            raise PolicyError(
                PolicyCode.BAD_COUNT, "an implicit meta policy is about at least one organisation"
            )
        needed = {"ANY": 1, "ALL": len(rules), "MAJORITY": len(rules) // 2 + 1}[quantity]
        return cls(f"{quantity} {name}", needed, rules)

    def to_proto(self) -> policies_pb2.Policy:
        """Encode the policy for a channel's configuration."""
        match = _IMPLICIT.fullmatch(self.text)
        if match is None:
            value = to_envelope(self.rules[0]).SerializeToString()
            return policies_pb2.Policy(type=policies_pb2.Policy.SIGNATURE, value=value)
        meta = _META(rule=_META.Rule.Value(match[1]), sub_policy=match[2])
        return policies_pb2.Policy(type=policies_pb2.Policy.IMPLICIT_META, value=meta.SerializeToString())

    @property
    def mspids(self) -> frozenset[str]:
        """Every organisation that the policy names."""
        return frozenset().union(*map(_named, self.rules))

    def satisfied_by(self, members: Sequence[Member]) -> bool:
        """Tell whether these signers, whose signatures were verified, satisfy the policy."""
        held = 0
        for rule in self.rules:
            held += satisfies(rule, members)
            if held >= self.needed:
                return True
        return False

    def needs(self) -> tuple[frozenset[str], ...]:
        """Return the minimal sets of organisations that can satisfy the policy together.

        Sorted by size, then by name; roles are left out, and an organisation that the policy asks
        for twice is still named once. Cost grows with the number of sets: for a majority of more
        than twelve organisations use `choose`.

        Raises
        ------
        PolicyError
            TOO_COMPLEX when there are more than 1,000 sets.
        """
        return tuple(
            sorted(_needs(OutOf(self.needed, self.rules)), key=lambda found: (len(found), sorted(found)))
        )

    def choose(self, available: Sequence[str]) -> tuple[str, ...] | None:
        """Pick a minimal set of organisations that can satisfy the policy.

        Parameters
        ----------
        available
            MSP identifiers in order of preference.

        Returns
        -------
        tuple or None
            Those to ask, in the given order: none of them can be spared, and later ones were
            spared first. None when all of them together are not enough.
        """
        whole = OutOf(self.needed, self.rules)
        chosen = list(dict.fromkeys(available))
        if not _reachable(whole, frozenset(chosen)):
            return None
        for mspid in reversed(tuple(chosen)):
            rest = [other for other in chosen if other != mspid]
            if _reachable(whole, frozenset(rest)):
                chosen = rest
        return tuple(chosen)


def _named(rule: Rule) -> frozenset[str]:
    if isinstance(rule, SignedBy):
        return frozenset({rule.mspid})
    return frozenset().union(*map(_named, rule.rules))


def _reachable(rule: Rule, mspids: frozenset[str]) -> bool:
    if isinstance(rule, SignedBy):
        return rule.mspid in mspids
    return sum(_reachable(part, mspids) for part in rule.rules) >= rule.needed


def _needs(rule: Rule) -> frozenset[frozenset[str]]:
    if isinstance(rule, SignedBy):
        return frozenset({frozenset({rule.mspid})})
    # ways[k]: the minimal sets that satisfy k of the rules seen so far.
    ways: list[frozenset[frozenset[str]]] = [frozenset({frozenset()})] + [frozenset()] * rule.needed
    for part in rule.rules:
        sets = _needs(part)
        for count in range(rule.needed, 0, -1):
            if len(ways[count - 1]) * len(sets) > MAX_CANDIDATES:
                raise _too_complex()
            joined = {before | now for before in ways[count - 1] for now in sets}
            ways[count] = _minimal(ways[count] | joined)
    return ways[rule.needed]


def _minimal(sets: frozenset[frozenset[str]]) -> frozenset[frozenset[str]]:
    kept: list[frozenset[str]] = []
    for candidate in sorted(sets, key=len):
        if not any(smaller <= candidate for smaller in kept):
            kept.append(candidate)
    if len(kept) > MAX_NEEDS:
        raise _too_complex()
    return frozenset(kept)


def _too_complex() -> PolicyError:
    return PolicyError(
        PolicyCode.TOO_COMPLEX, f"more than {MAX_NEEDS} sets of organisations satisfy this policy"
    )
