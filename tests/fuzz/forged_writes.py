"""Read/write sets that no contract makes: definitions, hashes of private data, policies of keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.fuzz.choices import Choices
from tests.fuzz.forged_messages import Call, Damage, endorsed_envelope
from tests.fuzz.wire_mutations import TEXTS
from tests.sdk.validation.conftest import definition_rows

from fedpact.wire.chaincode_terms import ChaincodeTerms, CollectionTerms
from fedpact.wire.definitions import LIFECYCLE
from fedpact.wire.policies import parse
from fedpact.wire.rwsets import (
    VALIDATION_PARAMETER,
    CollectionRwset,
    HashedMetadataWrite,
    HashedRead,
    MetadataWrite,
    NamespaceRwset,
    PrivateRwset,
    Version,
    Write,
    encode,
    hash_of,
    hashed,
    hashed_namespace,
)

if TYPE_CHECKING:
    from tests.fuzz.target import Target

MEMBERS = "OR('Org1MSP.member', 'Org2MSP.member')"
COLLECTIONS = ("secrets", "brief", "_implicit_org_Org1MSP", "_implicit_org_Org2MSP")
ENDORSED = "/Channel/Application/Endorsement"
STRANGE_NAMES = (
    LIFECYCLE,
    hashed_namespace("probe", "secrets"),
    "probe$$p",
    hashed_namespace(LIFECYCLE, "_implicit_org_Org1MSP"),
    "$$h",
    "lscc",
    "other",
    "mycc",
    "mycc",
    "mycc",
    "",
)


def definition(target: Target, name: str) -> NamespaceRwset:
    """Return what `_lifecycle` writes when a definition is committed."""
    version = target.chaincodes[name].version if name in target.chaincodes else "1"
    collections = (
        CollectionTerms(name="secrets", policy=MEMBERS),
        CollectionTerms(name="brief", policy=MEMBERS, block_to_live=2),
    )
    terms = ChaincodeTerms(name=name, sequence=1, version=version, policy=ENDORSED, collections=collections)
    writes = tuple(Write(key, value) for key, value in definition_rows(terms).items())
    return NamespaceRwset(LIFECYCLE, writes=writes)


def definition_envelope(target: Target, damage: Damage, name: str) -> tuple[str, bytes]:
    """Return a transaction that commits a definition, as all peers endorse it."""
    call = Call(
        target.config.channel_id, LIFECYCLE, (b"CommitChaincodeDefinition",), time.time_ns(), version="syscc"
    )
    results = damage.at("rwset", encode([definition(target, name)]))
    return endorsed_envelope(call, target.members[0], list(target.peers), results, damage)


def private_writes(choices: Choices, namespace: str = "probe") -> PrivateRwset:
    """Return plain private content."""
    keys = sorted({f"k{choices.below(6)}" for _ in range(1 + choices.below(3))})
    purges = (keys.pop(),) if len(keys) > 1 and choices.maybe(30) else ()
    writes = tuple(Write(key, None if choices.maybe(20) else b"v%d" % choices.below(9)) for key in keys)
    return PrivateRwset(namespace, choices.one_of(COLLECTIONS), writes, purges)


def public_part(private: PrivateRwset, choices: Choices) -> CollectionRwset:
    """Return the hashes of private content, with reads and policies of private keys beside them."""
    made = hashed(private)
    at = choices.one_of((None, Version(1, 0), Version(2**63, 2**63)))
    reads = (HashedRead(hash_of(f"k{choices.below(6)}"), at),) if choices.maybe(30) else ()
    metadata = ()
    if choices.maybe(30):
        metadata = (HashedMetadataWrite(hash_of(f"k{choices.below(6)}"), _entries(choices)),)
    return CollectionRwset(made.collection, reads, made.writes, metadata, made.private_hash)


def forged_results(target: Target, choices: Choices, private: PrivateRwset) -> bytes:
    """Return a `TxReadWriteSet` with everything that validation looks at."""
    public = NamespaceRwset(
        "probe",
        writes=(Write(f"k{choices.below(9)}", b"x"),) if choices.maybe(50) else (),
        metadata=(MetadataWrite(f"k{choices.below(9)}", _entries(choices)),) if choices.maybe(40) else (),
        collections=(public_part(private, choices),) if choices.maybe(80) else (),
    )
    rwsets = [public]
    if choices.maybe(25):
        name = choices.one_of(STRANGE_NAMES)
        collections = (public_part(private, choices),) if choices.maybe(40) else ()
        rwsets.append(NamespaceRwset(name, writes=(Write("k", b"x"),), collections=collections))
    elif choices.maybe(20):
        rwsets.append(definition(target, "mycc"))
    return encode(rwsets)


def _entries(choices: Choices) -> tuple[tuple[str, bytes], ...]:
    policy = choices.one_of((MEMBERS, "OR('Org1MSP.peer')", "AND('Org1MSP.peer', 'Org9MSP.peer')"))
    value = parse(policy).SerializeToString() if choices.maybe(70) else choices.one_of(TEXTS)
    if choices.maybe(20):
        return ()
    return ((VALIDATION_PARAMETER if choices.maybe(85) else "other", value),)
