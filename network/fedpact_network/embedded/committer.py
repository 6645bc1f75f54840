"""The block stage: cut a block, or take one from elsewhere; validate it; commit it in one transaction.

cut     the orderer's part: number, predecessor, last configuration, signature
append  the peer's part: verdicts, state, hashes; the database; whoever waits; a new configuration
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from fabric_protos.common import common_pb2

from fedpact.identity import Identity
from fedpact.validation import (
    BlockError,
    ChannelRules,
    ConfigTransaction,
    ValidatedBlock,
    check_link,
    configuration,
    signature_fault,
    validate_block,
)
from fedpact.wire.blocks import build_block, header_hash, parse_block
from fedpact.wire.commits import StateKey, ValidationCode, commit_hash, seal
from fedpact.wire.errors import WireError
from fedpact.wire.rwsets import Row
from fedpact.wire.state_hash import StateHash, digest_of_residue
from fedpact_network.embedded.channel import Channel
from fedpact_network.embedded.notifier import Notifier, Outcome
from fedpact_network.embedded.private_commit import PrivateChanges, PrivateData
from fedpact_network.embedded.snapshots import Snapshot, Snapshots
from fedpact_network.embedded.store import BlockRecord, Store, Tip
from fedpact_network.embedded.submission import Submission
from fedpact_network.embedded.validator import Validator

log = logging.getLogger(__name__)

_NS = 1_000_000_000


_Change = tuple[StateKey, Row | None, Row | None]


class _Prepared(NamedTuple):
    """A validated block that is not written yet: its rows before and after, what else it changes, and
    the first verdicts on transactions that it only repeats.
    """

    block: ValidatedBlock
    rows: Sequence[_Change]
    due: bool
    private: PrivateChanges | None
    repeated: Sequence[tuple[str, Outcome]]


class Committer:
    """Appends blocks to the chain. One thread at a time.

    Parameters
    ----------
    store, snapshots : the database and its views.
    channel : the rules in force; a configuration block renews them.
    validator : verifies signatures.
    notifier : is told what was committed.
    private : finds the content of private data.
    """

    def __init__(
        self,
        store: Store,
        snapshots: Snapshots,
        channel: Channel,
        validator: Validator,
        notifier: Notifier,
        private: PrivateData,
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._channel = channel
        self._validator = validator
        self._notifier = notifier
        self._private = private
        tip = store.tip()
        if tip is None:
            raise ValueError("the store has no genesis block")
        self._tip = tip
        self._state_hash = StateHash(tip.state_residue)
        self._next_expiry = self._find_next_expiry()
        self._commit_hash = parse_block(tip.data).commit_hash
        self._time_ns = self._find_time_ns()

    @property
    def height(self) -> int:
        """Number of blocks there are."""
        return self._tip.number + 1

    def commit(self, batch: Sequence[Submission], orderer: Identity) -> None:
        """Cut the next block and append it.

        Parameters
        ----------
        batch : its envelopes in order. Invalid transactions are stored with their code.
        orderer : who signs the block.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError
            If the database fails; then nothing of the block is stored, and this object is of no more use.
        """
        block = self._cut(batch, orderer)
        self._write(block, self._validate(block.header.number, batch), batch)

    def append(self, data: bytes) -> None:
        """Append a block that another node has cut, if it is the next one and its orderers signed it.

        What that node's peer wrote into its metadata is replaced by this node's own verdicts.

        Parameters
        ----------
        data : serialised `common.Block`.

        Raises
        ------
        BlockError
            If it does not belong here; nothing has changed then.
        WireError
            BAD_BLOCK.
        sqlalchemy.exc.SQLAlchemyError
            As `commit`.
        """
        parsed = parse_block(data)
        check_link(parsed, number=self._tip.number + 1, previous_hash=self._tip.header_hash)
        batch = [Submission.read(envelope) for envelope in parsed.envelopes]
        if not batch:
            raise BlockError(f"block {parsed.number} is empty")
        rules = self._channel.rules
        prepared = self._validate(parsed.number, batch)
        moment_ns = prepared.block.time_ns or self._time_ns
        fault = signature_fault(parsed, rules, moment_ns / _NS)
        if fault:
            raise BlockError(f"block {parsed.number}: {fault}")
        self._write(common_pb2.Block.FromString(data), prepared, batch)

    def _cut(self, batch: Sequence[Submission], orderer: Identity) -> common_pb2.Block:
        number = self._tip.number + 1
        bundle = self._channel.bundle
        if len(batch) == 1 and isinstance(batch[0].parsed, ConfigTransaction):
            bundle = configuration(number, batch[0].parsed, self._channel.rules) or bundle
        return build_block(
            number,
            self._tip.header_hash,
            [submission.envelope for submission in batch],
            signer=orderer,
            last_config=bundle.block_number,
        )

    def _validate(self, number: int, batch: Sequence[Submission]) -> _Prepared:
        """Find out what a block does; nothing changes."""
        rules = self._channel.rules
        examined = self._validator.examine(batch, rules)
        with self._snapshots.view() as committed:
            next_expiry = self._next_expiry
            expiring = next_expiry is not None and next_expiry <= number
            due = committed.reader.due(number) if expiring else []
            known = committed.reader.known([item.tx_id for item in examined if item.tx_id])
            validated = validate_block(
                number,
                [(item.parsed, found) for item, found in zip(batch, examined, strict=True)],
                rules,
                committed,
                known=known,
                due=due,
            )
            touched = expiring or validated.state.hashed
            private = self._private_changes(validated, batch, rules, committed) if touched else None
            rows = [(place, validated.state.before(place), row) for place, row in validated.state.rows()]
            places = [(tx_id, committed.place(tx_id)) for tx_id in known]
        repeated = [(tx_id, Outcome(ValidationCode(at.code), at.block)) for tx_id, at in places if at]
        return _Prepared(validated, rows, expiring, private, repeated)

    def _write(self, block: common_pb2.Block, prepared: _Prepared, batch: Sequence[Submission]) -> None:
        """Commit a block and let everybody see it."""
        record = self._record(block, prepared)
        self._store.append(record)
        self._tip = record.tip
        self._time_ns = prepared.block.time_ns or self._time_ns
        self._publish(prepared, batch)
        if prepared.due or prepared.block.state.purges:
            self._private.forget()
        if prepared.due or prepared.private is not None:
            self._next_expiry = self._find_next_expiry()

    def _find_time_ns(self) -> int:
        """Return the latest time that a valid transaction of the newest block with one claims; else 0."""
        for number in range(self._tip.number, 0, -1):
            block = parse_block(self._store.block(number))
            verdicts = zip(block.envelopes, block.filter, strict=True)
            valid = [Submission.read(envelope).parsed for envelope, code in verdicts if not code]
            if valid:
                return max(item.timestamp_ns for item in valid if not isinstance(item, WireError))
        return 0

    def _find_next_expiry(self) -> int | None:
        with self._snapshots.view() as snapshot:
            return snapshot.reader.next_expiry()

    def _publish(self, prepared: _Prepared, batch: Sequence[Submission]) -> None:
        validated = prepared.block
        number, codes = self._tip.number, validated.codes
        self._channel.renew(validated.successor(self._channel.rules))
        self._snapshots.advance((place, row) for place, _, row in prepared.rows)
        outcomes = [(tx_id, Outcome(codes[position], number)) for tx_id, position in validated.owners]
        outcomes += [
            (submission.tx_id, Outcome(code, number))
            for submission, code in zip(batch, codes, strict=True)
            if submission.alone
        ]
        self._notifier.publish(number + 1, [*outcomes, *prepared.repeated])
        log.info("block %d: %d transactions, %d invalid", number, len(codes), len(codes) - validated.valid)

    def _private_changes(
        self,
        validated: ValidatedBlock,
        batch: Sequence[Submission],
        rules: ChannelRules,
        committed: Snapshot,
    ) -> PrivateChanges:
        valid = [
            (position, submission.transaction)
            for position, submission in enumerate(batch)
            if validated.codes[position] is ValidationCode.VALID and submission.transaction is not None
        ]
        return self._private.changes(validated.state, valid, rules, committed)

    def _hash_state(self, rows: Sequence[_Change]) -> None:
        for place, before, row in rows:
            self._state_hash.replace(*place, before, row)

    def _record(self, block: common_pb2.Block, prepared: _Prepared) -> BlockRecord:
        validated, rows = prepared.block, prepared.rows
        number, state = block.header.number, validated.state
        self._hash_state(rows)
        verdicts = bytes(validated.codes)
        self._commit_hash = commit_hash(self._commit_hash, verdicts, state.updates.values())
        seal(block, verdicts, self._commit_hash)
        residue = self._state_hash.residue()
        header = block.header
        tip = Tip(
            number,
            header_hash(number, header.previous_hash, header.data_hash),
            digest_of_residue(residue),
            residue,
            block.SerializeToString(),
        )
        return BlockRecord(
            tip,
            [(tx_id, position, validated.codes[position]) for tx_id, position in validated.owners],
            [(*place, row.value, row.version.tx, row.metadata) for place, _, row in rows if row is not None],
            [place for place, _, row in rows if row is None],
            state.changes,
            state.expiries,
            prepared.due,
            prepared.private,
        )
