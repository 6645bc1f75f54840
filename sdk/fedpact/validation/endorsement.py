"""Whose endorsements a transaction needs: of the chaincode, of a collection, of a single key.

As Fabric's state-based endorsement: a key that carries a policy of its own needs that one, whoever the
chaincode asks; a private key without one that of its collection; every other key the chaincode's. A
transaction that needs none of them, because it writes nothing, needs the chaincode's all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from fabric_protos.common import policies_pb2
from google.protobuf.message import DecodeError

from fedpact.validation.channel_rules import ChannelRules, Committed
from fedpact.wire.commits import StateKey, ValidationCode
from fedpact.wire.definitions import Definition, DefinitionError, find_collection
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.errors import WireError
from fedpact.wire.membership import Member
from fedpact.wire.policies import Policy, PolicyError
from fedpact.wire.rwsets import VALIDATION_PARAMETER, NamespaceRwset, decode_metadata, hashed_namespace


class EndorsementPolicies:
    """Holds the transactions of one block against the policies, in their order.

    Parameters
    ----------
    rules : of the configuration.
    committed : the rows as the block before left them; policies that the block changes hold from the next
        block on.
    """

    def __init__(self, rules: ChannelRules, committed: Committed) -> None:
        self._rules = rules
        self._committed = committed
        self._changed: set[StateKey] = set()

    def judge(self, transaction: ParsedTransaction, endorsers: Sequence[Member]) -> ValidationCode:
        """Return VALID, INVALID_CHAINCODE, EXPIRED_CHAINCODE, INVALID_WRITESET or ENDORSEMENT_POLICY_FAILURE.

        From then on what a transaction with enough endorsements changes of keys' policies counts as changed,
        whatever else is wrong with it.
        """
        called = transaction.headers.chaincode
        try:
            found = self._rules.definition(self._committed, called)
        except DefinitionError:
            return ValidationCode.INVALID_CHAINCODE
        if found is None:
            definition = self._rules.undefined(called)
        elif found.version != transaction.chaincode_version:
            return ValidationCode.EXPIRED_CHAINCODE
        else:
            definition = found
        judged = _Judged(self._rules, self._committed, self._changed, definition, endorsers)
        for rwset in transaction.rwset:
            code = judged.writes(rwset)
            if code is not ValidationCode.VALID:
                return code
        if not judged.enough():
            return ValidationCode.ENDORSEMENT_POLICY_FAILURE
        for rwset in transaction.rwset:
            if rwset.metadata or rwset.collections:
                self._changed.update(_metadata_places(rwset))
        return ValidationCode.VALID


class _Judged:
    """One transaction's endorsers and the policies of the namespace it writes."""

    __slots__ = ("_asked", "_changed", "_committed", "_definition", "_endorsers", "_rules", "_some")

    def __init__(
        self,
        rules: ChannelRules,
        committed: Committed,
        changed: set[StateKey],
        definition: Definition,
        endorsers: Sequence[Member],
    ) -> None:
        self._rules = rules
        self._committed = committed
        self._changed = changed
        self._definition = definition
        self._endorsers = endorsers
        self._asked: dict[str, bool] = {}  # the chaincode's policy as "", else a collection's
        self._some = False

    def writes(self, rwset: NamespaceRwset) -> ValidationCode:
        """Judge all writes of a namespace."""
        for collection in rwset.collections:
            written = collection.writes or collection.metadata
            if written and not self._defined(collection.collection):
                return ValidationCode.INVALID_WRITESET
        namespace = rwset.namespace
        for key, _ in rwset.writes:
            if not self._allowed((namespace, key)):
                return ValidationCode.ENDORSEMENT_POLICY_FAILURE
        for key, _ in rwset.metadata:
            if not self._allowed((namespace, key)):
                return ValidationCode.ENDORSEMENT_POLICY_FAILURE
        for collection in rwset.collections:
            hashes = hashed_namespace(namespace, collection.collection)
            written_keys = [item.key_hash for item in collection.writes]
            written_keys += [item.key_hash for item in collection.metadata]
            if not all(self._allowed((hashes, key.hex()), collection.collection) for key in written_keys):
                return ValidationCode.ENDORSEMENT_POLICY_FAILURE
        return ValidationCode.VALID

    def enough(self) -> bool:
        """Whether some policy was satisfied; the chaincode's is asked where there was none to ask."""
        return self._some or self._fallback("")

    def _defined(self, collection: str) -> bool:
        return find_collection(self._definition, self._rules.bundle, collection) is not None

    def _allowed(self, place: StateKey, collection: str = "") -> bool:
        if place in self._changed:
            return False
        row = self._committed.get(*place)
        parameter = _parameter(row.metadata) if row is not None and row.metadata else b""
        if not parameter:
            return self._fallback(collection)
        policy = _policy(parameter)
        if policy is None or not policy.satisfied_by(self._endorsers):
            return False
        self._some = True
        return True

    def _fallback(self, collection: str) -> bool:
        """Ask the policy of a collection, or of the chaincode for "" and where a collection has none."""
        answer = self._asked.get(collection)
        if answer is None:
            found = find_collection(self._definition, self._rules.bundle, collection) if collection else None
            if found is not None and found.endorsement is not None:
                answer = found.endorsement.satisfied_by(self._endorsers)
            elif collection:
                answer = self._fallback("")
            else:
                answer = self._definition.endorsement.satisfied_by(self._endorsers)
            self._asked[collection] = answer
            self._some |= answer
        return answer


def _metadata_places(rwset: NamespaceRwset) -> Iterator[StateKey]:
    for item in rwset.metadata:
        yield rwset.namespace, item.key
    for collection in rwset.collections:
        for hashed in collection.metadata:
            yield hashed_namespace(rwset.namespace, collection.collection), hashed.key_hash.hex()


def _parameter(metadata: bytes) -> bytes:
    """Return a key's own policy, empty where it has none; what cannot be read is satisfied by nobody."""
    try:
        return decode_metadata(metadata).get(VALIDATION_PARAMETER, b"")
    except WireError:
        return metadata


@lru_cache(1024)
def _policy(parameter: bytes) -> Policy | None:
    """Return the policy of a serialised `common.SignaturePolicyEnvelope`; None where it is no such thing."""
    try:
        return Policy.from_envelope(policies_pb2.SignaturePolicyEnvelope.FromString(parameter))
    except (DecodeError, PolicyError):
        return None
