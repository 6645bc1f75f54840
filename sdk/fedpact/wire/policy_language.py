"""The language of signature policies: whose signatures are enough, in Fabric's words.

    AND('Org1MSP.peer', OR('Org2MSP.peer', 'Org3MSP.admin'))        OutOf(2, 'A.peer', 'B.peer', 'C.peer')

A principal is ``<MSP id>.<role>``; ``member`` is anybody of the organisation, the other roles are
Node OUs. A policy that nobody or anybody could satisfy (OutOf 0, or more than there are) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = [
    "MAX_DEPTH",
    "MAX_PRINCIPALS",
    "Leaf",
    "OutOf",
    "PolicyCode",
    "PolicyError",
    "Rule",
    "SignedBy",
    "SignedByIdentity",
    "SignedByUnit",
    "gate",
    "parse_rule",
    "principal",
    "render_rule",
    "within_limits",
]

MAX_TEXT: Final = 16 * 1024
MAX_DEPTH: Final = 16
MAX_PRINCIPALS: Final = 512

_PRINCIPAL = re.compile(r"([A-Za-z0-9.-]{1,64})\.(admin|member|client|peer|orderer)")
_TOKEN = re.compile(r"\s*(?:([A-Za-z]+)|([0-9]{1,4}(?![0-9]))|'([^']*)'|\"([^\"]*)\"|([(),]))\s*")


class PolicyCode(StrEnum):
    """Stable reasons why something is not a policy."""

    BAD_SYNTAX = "BAD_SYNTAX"
    BAD_PRINCIPAL = "BAD_PRINCIPAL"
    BAD_COUNT = "BAD_COUNT"
    BAD_ENCODING = "BAD_ENCODING"
    TOO_COMPLEX = "TOO_COMPLEX"
    UNKNOWN_POLICY = "UNKNOWN_POLICY"


class PolicyError(ValueError):
    """A text or a protobuf is not a policy; `code` is a `PolicyCode`."""

    def __init__(self, code: PolicyCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SignedBy:
    """A leaf: one signature by somebody with this role in this organisation."""

    mspid: str
    role: str


@dataclass(frozen=True, slots=True)
class SignedByUnit:
    """A leaf: one signature by somebody in an organisational unit, issued by the given authorities.

    The language has no word for it; it comes from configurations only.
    """

    mspid: str
    unit: str
    certifiers: bytes


@dataclass(frozen=True, slots=True)
class SignedByIdentity:
    """A leaf: the signature of one identity, by its fingerprint. It comes from configurations only."""

    mspid: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class OutOf:
    """A gate: at least `needed` of the rules hold."""

    needed: int
    rules: tuple[Rule, ...]


Leaf = SignedBy | SignedByUnit | SignedByIdentity
Rule = Leaf | OutOf


def parse_rule(text: str) -> Rule:
    """Read the text of a policy.

    Raises
    ------
    PolicyError
        BAD_SYNTAX, BAD_PRINCIPAL, BAD_COUNT, TOO_COMPLEX.
    """
    if len(text) > MAX_TEXT:
        raise PolicyError(PolicyCode.TOO_COMPLEX, f"a policy has at most {MAX_TEXT} characters")
    tokens = _tokens(text)
    rule = _read_rule(tokens, next(tokens), 1)
    if next(tokens) != "":
        raise PolicyError(PolicyCode.BAD_SYNTAX, "something follows the policy's end")
    return within_limits(rule)


def render_rule(rule: Rule) -> str:
    """Write a rule as text: OR for one, AND for all, OutOf for the rest.

    A unit (``'A.OU=name'``) or a single identity (``'A.ID=hash'``) cannot be read again.
    """
    if isinstance(rule, SignedBy):
        return f"'{rule.mspid}.{rule.role}'"
    if isinstance(rule, SignedByUnit):
        return f"'{rule.mspid}.OU={rule.unit}'"
    if isinstance(rule, SignedByIdentity):
        return f"'{rule.mspid}.ID={rule.fingerprint.hex()}'"
    inner = ", ".join(render_rule(part) for part in rule.rules)
    if rule.needed == 1 and inner:
        return f"OR({inner})"
    every = inner and rule.needed == len(rule.rules)
    return f"AND({inner})" if every else f"OutOf({', '.join(filter(None, (str(rule.needed), inner)))})"


def principal(text: str) -> SignedBy:
    """Read ``<MSP id>.<role>``; raises PolicyError BAD_PRINCIPAL."""
    match = _PRINCIPAL.fullmatch(text)
    if match is None:
        raise PolicyError(PolicyCode.BAD_PRINCIPAL, f"{text[:100]!r} is not '<MSP id>.<role>'")
    return SignedBy(match[1], match[2])


def gate(needed: int, rules: tuple[Rule, ...]) -> OutOf:
    """Make a gate; raises PolicyError BAD_COUNT unless 1 <= needed <= number of rules."""
    if not 1 <= needed <= len(rules):
        raise PolicyError(PolicyCode.BAD_COUNT, f"{needed} out of {len(rules)} cannot be asked for")
    return OutOf(needed, rules)


def within_limits(rule: Rule) -> Rule:
    """Return the rule; raises PolicyError TOO_COMPLEX when it names more than 512 principals."""
    if _leaves(rule) > MAX_PRINCIPALS:
        raise PolicyError(PolicyCode.TOO_COMPLEX, f"a policy has at most {MAX_PRINCIPALS} principals")
    return rule


def _leaves(rule: Rule) -> int:
    return sum(_leaves(part) for part in rule.rules) if isinstance(rule, OutOf) else 1


def _tokens(text: str) -> Iterator[str]:
    """Yield words in lower case, numbers, marks, principals with a leading quote, then '' for ever."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise PolicyError(PolicyCode.BAD_SYNTAX, f"not understood at character {position + 1}")
        word, number, single, double, mark = match.groups()
        quoted = single if single is not None else double
        yield f"'{quoted}" if quoted is not None else (word or number or mark).lower()
        position = match.end()
    while True:
        yield ""


def _read_rule(tokens: Iterator[str], token: str, depth: int) -> Rule:
    if token.startswith("'"):
        return principal(token[1:])
    if depth > MAX_DEPTH:
        raise PolicyError(PolicyCode.TOO_COMPLEX, f"a policy nests at most {MAX_DEPTH} gates")
    if token not in ("and", "or", "outof") or next(tokens) != "(":
        raise PolicyError(PolicyCode.BAD_SYNTAX, "expected AND(...), OR(...), OutOf(n, ...) or 'MSP.role'")
    needed = 1
    if token == "outof":  # noqa: S105 - a token of the language
        count = next(tokens)
        if not count.isdecimal() or next(tokens) != ",":
            raise PolicyError(PolicyCode.BAD_SYNTAX, "OutOf begins with a number and a comma")
        needed = int(count)
    rules = [_read_rule(tokens, next(tokens), depth + 1)]
    while (mark := next(tokens)) == ",":
        rules.append(_read_rule(tokens, next(tokens), depth + 1))
    if mark != ")":
        raise PolicyError(PolicyCode.BAD_SYNTAX, "expected ',' or ')'")
    return gate(len(rules) if token == "and" else needed, tuple(rules))  # noqa: S105
