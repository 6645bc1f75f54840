"""The verdict on every transaction of a block, and what the block changes.

A function of the chain alone: the configuration, the definitions and the rows as the block before left them,
and the block's envelopes. No clock and no storage enter, so that every node and every audit comes to the
same verdicts. In this order; the first that applies is the code:

1. what `examine` finds: form, the creator's signature
2. DUPLICATE_TXID: the id is used; by whoever signed it first, valid or not
3. what else `examine` finds: channel, result, namespaces
4. EXPIRED_CHAINCODE, INVALID_WRITESET, ENDORSEMENT_POLICY_FAILURE
5. MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT

A configuration stands alone in its block, else it is INVALID_CONFIG_TRANSACTION.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedpact.validation.channel_rules import ChannelRules, Committed
from fedpact.validation.conflicts import conflict
from fedpact.validation.endorsement import EndorsementPolicies
from fedpact.validation.examination import Examined
from fedpact.validation.parsing import ConfigTransaction, Parsed
from fedpact.validation.state_update import Expiry, StateUpdate
from fedpact.wire.commits import ValidationCode
from fedpact.wire.definitions import LIFECYCLE, DefinitionError, find_collection
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.rwsets import Version

if TYPE_CHECKING:
    from fedpact.wire.bundle import Bundle


@dataclass(frozen=True, slots=True)
class ValidatedBlock:
    """What became of a block.

    Attributes
    ----------
    codes : one a transaction, in order.
    owners : (transaction id, position) of those that own their id: the first that its creator has signed,
        valid or not. What somebody else made of a seen envelope cannot take the id away.
    state : what changes.
    time_ns : the latest time that a valid transaction claims, nanoseconds since 1970; 0 where none is valid.
        Endorsers let it stray from their clocks by little; an invalid one may claim anything.
    bundle : the new configuration, where the block is one.
    """

    codes: tuple[ValidationCode, ...]
    owners: tuple[tuple[str, int], ...]
    state: StateUpdate
    time_ns: int = 0
    bundle: Bundle | None = None

    @property
    def valid(self) -> int:
        """How many transactions are valid."""
        return self.codes.count(ValidationCode.VALID)

    def successor(self, rules: ChannelRules) -> ChannelRules:
        """Return the rules for the next block, once this one's changes are in the state.

        Parameters
        ----------
        rules : that this block was judged by.
        """
        if self.bundle is not None:
            return ChannelRules(self.bundle, rules.clock)
        if any(namespace == LIFECYCLE for namespace, _ in self.state.updates):
            rules.forget_definitions()
        return rules


def validate_block(
    number: int,
    envelopes: Sequence[tuple[Parsed, Examined]],
    rules: ChannelRules,
    committed: Committed,
    *,
    known: Collection[str] = (),
    due: Iterable[Expiry] = (),
) -> ValidatedBlock:
    """Judge a block.

    Parameters
    ----------
    number : of the block.
    envelopes : each parsed, and what `examine` says about it.
    rules : for this block, as `ValidatedBlock.successor` of the block before gave them.
    committed : the rows as the block before left them.
    known : those of the transactions' ids that earlier blocks used.
    due : what expires with this block, as earlier blocks' `expiries` said.
    """
    if len(envelopes) == 1 and isinstance(envelopes[0][0], ConfigTransaction):
        state, bundle = StateUpdate(committed, number), configuration(number, envelopes[0][0], rules)
        state.expire(due)
        if bundle is None:
            return ValidatedBlock((ValidationCode.INVALID_CONFIG_TRANSACTION,), (), state)
        return ValidatedBlock((ValidationCode.VALID,), (), state, envelopes[0][0].timestamp_ns, bundle)
    codes = [item.code for _, item in envelopes]
    owners = _owners(envelopes, known, codes)
    policies = EndorsementPolicies(rules, committed)
    state = StateUpdate(committed, number)
    time_ns = 0
    for position, (transaction, item) in enumerate(envelopes):
        if codes[position] is not ValidationCode.VALID:
            continue
        if not isinstance(transaction, ParsedTransaction):
            codes[position] = ValidationCode.INVALID_CONFIG_TRANSACTION
            continue
        codes[position] = policies.judge(transaction, item.endorsers)
        if codes[position] is ValidationCode.VALID:
            codes[position] = conflict(transaction.rwset, committed, state)
        if codes[position] is ValidationCode.VALID:
            state.apply(transaction.rwset, position)
            time_ns = max(time_ns, transaction.timestamp_ns)
    _schedule(state, rules, committed)
    state.expire(due)
    return ValidatedBlock(tuple(codes), tuple(owners.items()), state, time_ns)


def _owners(
    envelopes: Sequence[tuple[Parsed, Examined]], known: Collection[str], codes: list[ValidationCode]
) -> dict[str, int]:
    """Mark duplicates; return who owns which id."""
    owners: dict[str, int] = {}
    for position, (_, item) in enumerate(envelopes):
        if not item.tx_id:
            continue
        if item.tx_id in known or item.tx_id in owners:
            codes[position] = ValidationCode.DUPLICATE_TXID
        else:
            owners[item.tx_id] = position
    return owners


def _schedule(state: StateUpdate, rules: ChannelRules, committed: Committed) -> None:
    """Note when the private rows that the block leaves will go."""
    for place, key in state.hashed.items():
        update = state.updates.get(place)
        if update is None or update.value is None:
            continue
        lives = block_to_live(rules, committed, key.namespace, key.collection)
        if lives:
            state.expiries.append(Expiry(state.number + lives + 1, key, Version(*update.version)))


def block_to_live(rules: ChannelRules, committed: Committed, namespace: str, collection: str) -> int:
    """Return for how many blocks a collection keeps its rows; 0 for ever."""
    try:
        definition = rules.definition(committed, namespace)
    except DefinitionError:
        return 0
    if definition is None:
        return 0
    found = find_collection(definition, rules.bundle, collection)
    return 0 if found is None else found.block_to_live


def configuration(number: int, transaction: ConfigTransaction, rules: ChannelRules) -> Bundle | None:
    """Return what a transaction, alone in block `number`, puts in force; None where it is invalid."""
    from fedpact.wire.config_update import ConfigUpdateError, next_bundle

    try:
        return next_bundle(rules.bundle, transaction.envelope, number)
    except ConfigUpdateError:
        return None
