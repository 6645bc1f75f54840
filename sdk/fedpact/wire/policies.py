"""A channel's policies: signature policies, and implicit meta policies over the groups below.

An implicit meta policy asks for the policies of one name in ANY, ALL or a MAJORITY of the groups
below: of an Application group, ``MAJORITY Endorsement`` is satisfied when more than half of the
organisations have each had their own ``Endorsement`` policy, such as ``OR('<MSP id>.peer')``,
satisfied. `policy_tree` reads all policies of a configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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
from fedpact.wire.policy_needs import choose_for, named, needs
from fedpact.wire.signature_policies import distinct, evaluate, holds, parse, render, rule_of, to_envelope

__all__ = [
    "ORGANISATION_POLICIES",
    "Policy",
    "PolicyCode",
    "PolicyError",
    "choose_for",
    "encode",
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
"""The policies that an organisation has unless it decides otherwise: name -> roles, any of them is enough."""

_IMPLICIT = re.compile(r"(ANY|ALL|MAJORITY) +([A-Za-z0-9./-]{1,249})")
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


def encode(text: str) -> policies_pb2.Policy:
    """Encode a signature policy, or ``ANY|ALL|MAJORITY <name>``, for a channel's configuration.

    Raises
    ------
    PolicyError
        BAD_SYNTAX, BAD_PRINCIPAL, BAD_COUNT, TOO_COMPLEX.
    """
    match = _IMPLICIT.fullmatch(text.strip())
    if match is None:
        value = to_envelope(parse_rule(text)).SerializeToString()
        return policies_pb2.Policy(type=policies_pb2.Policy.SIGNATURE, value=value)
    meta = _META(rule=_META.Rule.Value(match[1]), sub_policy=match[2])
    return policies_pb2.Policy(type=policies_pb2.Policy.IMPLICIT_META, value=meta.SerializeToString())


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, ready to be evaluated. Make one with `parse`, `from_proto` or `from_envelope`.

    Attributes
    ----------
    text
        Its canonical text.
    needed
        How many of the rules must hold.
    rules
        The signature policy itself, or what each group below asks for. Each is evaluated on its
        own, so one signature may count in several of them.
    """

    text: str
    needed: int
    rules: tuple[Rule | Policy, ...]

    @classmethod
    def parse(cls, text: str, mspids: Sequence[str] = ()) -> Self:
        """Read a signature policy, or ``ANY|ALL|MAJORITY <name>``.

        Parameters
        ----------
        text
            The policy.
        mspids
            The organisations that an implicit meta policy is about, with the usual policies.

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
        quantity, name = match.groups()
        below = [cls.parse(organisation_policy(mspid, name)) for mspid in sorted(set(mspids))]
        if not below:
            raise PolicyError(
                PolicyCode.BAD_COUNT, "an implicit meta policy is about at least one organisation"
            )
        return cls._implicit(quantity, name, below)

    @classmethod
    def from_proto(
        cls, policy: policies_pb2.Policy, below: Callable[[str], Sequence[Policy]] = lambda _: ()
    ) -> Self:
        """Read a policy of a channel's configuration.

        Parameters
        ----------
        policy
            As the configuration holds it.
        below
            Returns the policies of a name in the groups below, for implicit meta policies. Over no
            groups at all, anybody satisfies them, as in Fabric.

        Raises
        ------
        PolicyError
            BAD_ENCODING, BAD_PRINCIPAL, BAD_COUNT, TOO_COMPLEX.
        """
        try:
            if policy.type == policies_pb2.Policy.SIGNATURE:
                return cls.from_envelope(policies_pb2.SignaturePolicyEnvelope.FromString(policy.value))
            if policy.type == policies_pb2.Policy.IMPLICIT_META:
                meta = _META.FromString(policy.value)
                return cls._implicit(_META.Rule.Name(meta.rule), meta.sub_policy, below(meta.sub_policy))
        except PolicyError:
            raise
        except (DecodeError, ValueError) as error:
            raise PolicyError(PolicyCode.BAD_ENCODING, "the policy cannot be read") from error
        raise PolicyError(PolicyCode.BAD_ENCODING, f"unknown type of policy {policy.type}")

    @classmethod
    def from_envelope(cls, envelope: policies_pb2.SignaturePolicyEnvelope) -> Self:
        """Read a signature policy; raises PolicyError like `from_proto`."""
        rule = rule_of(envelope)
        return cls(render_rule(rule), 1, (rule,))

    @classmethod
    def refusing(cls) -> Self:
        """Return the policy that nobody satisfies, which stands for one that is missing."""
        return cls("OutOf(1)", 1, (OutOf(1, ()),))

    @classmethod
    def _implicit(cls, quantity: str, name: str, below: Sequence[Policy]) -> Self:
        count = len(below)
        needed = {"ANY": min(1, count), "ALL": count, "MAJORITY": count // 2 + 1 if count else 0}[quantity]
        return cls(f"{quantity} {name}", needed, tuple(policy._part for policy in below))

    @property
    def _part(self) -> Rule | Policy:
        """What an implicit meta policy above evaluates: of a signature policy, the rule itself."""
        return self.rules[0] if self.needed == len(self.rules) == 1 else self

    def to_proto(self) -> policies_pb2.Policy:
        """Encode the policy for a channel's configuration; raises what `encode` raises."""
        return encode(self.text)

    @property
    def mspids(self) -> frozenset[str]:
        """Every organisation that the policy names."""
        return named(self)

    def satisfied_by(self, members: Sequence[Member]) -> bool:
        """Tell whether these signers, whose signatures were verified, satisfy the policy.

        Whoever signed several times counts once.
        """
        return self._holds(distinct(members))

    def _holds(self, members: tuple[Member, ...]) -> bool:
        missing = self.needed
        for rule in self.rules:
            if missing <= 0:
                break
            missing -= rule._holds(members) if isinstance(rule, Policy) else holds(rule, members)
        return missing <= 0

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
        return tuple(sorted(needs(self), key=lambda found: (len(found), sorted(found))))

    def choose(self, available: Sequence[str]) -> tuple[str, ...] | None:
        """Pick a smallest set of organisations that can satisfy the policy; see `choose_for`."""
        return choose_for((self,), available)
