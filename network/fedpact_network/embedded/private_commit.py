"""What a block does to the private rows and write sets that this node holds.

Content comes from a source beside the chain and may be missing or wrong; the chain holds its hashes. Only
content that has its hash is stored; for the rest the row says that it is missing. Which rows go depends on
the chain alone: with their hashed row, or when that gets a value that is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fabric_protos.ledger.rwset import rwset_pb2

from fedpact.validation import ChannelRules, Committed, HashedKey, StateUpdate
from fedpact.wire.definitions import DefinitionError, find_collection
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.errors import WireError
from fedpact.wire.rwsets import CollectionRwset, PrivateRwset, Version, encode_private, hash_of, hashed

PrivateSource = Callable[[str], Iterable[PrivateRwset]]
"""Transaction id -> the private write sets that are known here; of one collection there may be several."""


class PrivateRow(NamedTuple):
    """A plain row as the block leaves it."""

    hashed: HashedKey
    key: str
    value: bytes
    version: Version


class PrivateContent(NamedTuple):
    """What a transaction wrote in a collection, `content` None where it is missing here."""

    position: int
    namespace: str
    collection: str
    expires_block: int | None
    content: bytes | None


@dataclass(slots=True)
class PrivateChanges:
    """What the tables of private data are to be changed by, in this order.

    Attributes
    ----------
    removed : keys without a row from now on.
    moved : keys whose rows get another version if they have the first one.
    rows : rows with their new values.
    contents : write sets of this block.
    purged : keys that go from all write sets of earlier transactions, with the position of who purges.
    """

    removed: list[HashedKey] = field(default_factory=list)
    moved: list[tuple[HashedKey, Version, Version]] = field(default_factory=list)
    rows: list[PrivateRow] = field(default_factory=list)
    contents: list[PrivateContent] = field(default_factory=list)
    purged: Sequence[tuple[HashedKey, int]] = ()


class PrivateData:
    """Finds out what belongs into this node's private tables.

    Parameters
    ----------
    organisations : whose peers this node plays; it holds what they are members of.
    sources : where content comes from.
    forget : drops there what is committed; called after a block that purges or expires.
    """

    def __init__(
        self,
        organisations: Iterable[str],
        sources: Iterable[PrivateSource],
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._organisations = frozenset(organisations)
        self._sources = tuple(sources)
        self.forget = forget

    def changes(
        self,
        state: StateUpdate,
        valid: Iterable[tuple[int, ParsedTransaction]],
        rules: ChannelRules,
        committed: Committed,
    ) -> PrivateChanges:
        """Return what a validated block changes.

        Parameters
        ----------
        state : what it changes for everybody.
        valid : its valid transactions that touch collections, with their positions.
        rules : that it was judged by.
        committed : the rows as the block before left them.
        """
        changes = PrivateChanges(purged=state.purges)
        contents: dict[tuple[int, str, str], PrivateContent] = {}
        values: dict[HashedKey, tuple[str, bytes | None]] = {}
        for position, transaction in valid:
            known: list[PrivateRwset] | None = None
            for namespace, rwset, lives in self._held(transaction, rules, committed):
                if known is None:
                    tx_id = transaction.transaction_id
                    known = [rwset for source in self._sources for rwset in source(tx_id)]
                found = _matching(known, namespace, rwset)
                names = namespace, rwset.collection
                expires = state.number + lives + 1 if lives else None
                content = None if found is None else content_of(found)
                place = position, *names  # a write set may name a collection twice: one of them is kept
                if place not in contents or contents[place].content is None:
                    contents[place] = PrivateContent(*place, expires, content)
                for key, value in () if found is None else found.writes:
                    values[HashedKey(*names, hash_of(key))] = key, value
        changes.contents = list(contents.values())
        _rows(state, values, changes)
        changes.removed += state.expired
        return changes

    def _held(
        self, transaction: ParsedTransaction, rules: ChannelRules, committed: Committed
    ) -> Iterator[tuple[str, CollectionRwset, int]]:
        """Yield the collections that a transaction writes and this node holds, and how long they live."""
        for rwset in transaction.rwset:
            for collection in rwset.collections:
                if not collection.private_hash:
                    continue
                try:
                    definition = rules.definition(committed, rwset.namespace)
                except DefinitionError:  # not for a valid transaction
                    continue
                found = find_collection(
                    definition or rules.undefined(rwset.namespace), rules.bundle, collection.collection
                )
                if found is not None and found.members & self._organisations:
                    yield rwset.namespace, collection, found.block_to_live


def content_of(private: PrivateRwset) -> bytes:
    """Return the serialised `CollectionPvtReadWriteSet.rwset` of one collection's write set."""
    message = rwset_pb2.TxPvtReadWriteSet.FromString(encode_private([private]))
    content: bytes = message.ns_pvt_rwset[0].collection_pvt_rwset[0].rwset
    return content


def _matching(known: Iterable[PrivateRwset], namespace: str, public: CollectionRwset) -> PrivateRwset | None:
    for candidate in known:
        if (candidate.namespace, candidate.collection) == (namespace, public.collection):
            try:
                if hashed(candidate).private_hash == public.private_hash:
                    return candidate
            except WireError:
                continue
    return None


def _rows(
    state: StateUpdate, values: dict[HashedKey, tuple[str, bytes | None]], changes: PrivateChanges
) -> None:
    for place, key in state.hashed.items():
        update = state.updates.get(place)
        if update is None:
            continue
        plain, value = values.get(key, ("", None))
        before = state.before(place)
        if update.value is not None and value is not None and hash_of(value) == update.value:
            changes.rows.append(PrivateRow(key, plain, value, update.version))
        elif before is not None and before.value == update.value:
            changes.moved.append((key, before.version, update.version))
        else:
            changes.removed.append(key)
