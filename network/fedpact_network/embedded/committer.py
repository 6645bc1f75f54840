"""The block stage: validate a batch, build its block, commit everything in one database transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from fedpact.identity import Identity
from fedpact.wire.blocks import build_block, header_hash, parse_block
from fedpact.wire.commits import ValidationCode, commit_hash, seal
from fedpact.wire.rwsets import NamespaceRwset, Row
from fedpact.wire.state_hash import StateHash, digest_of_residue
from fedpact_network.embedded.conflicts import BlockState
from fedpact_network.embedded.notifier import Notifier, Outcome
from fedpact_network.embedded.snapshots import Snapshots
from fedpact_network.embedded.state_cache import StateKey
from fedpact_network.embedded.store import BlockRecord, Store, Tip
from fedpact_network.embedded.submission import Submission
from fedpact_network.embedded.validator import Validator

log = logging.getLogger(__name__)


class Committer:
    """Appends blocks to the chain. One thread at a time.

    Parameters
    ----------
    store, snapshots : the database and its views.
    validator : judges what needs no state.
    notifier : is told what was committed.
    orderer : signs the blocks.
    """

    def __init__(
        self, store: Store, snapshots: Snapshots, validator: Validator, notifier: Notifier, orderer: Identity
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._validator = validator
        self._notifier = notifier
        self._orderer = orderer
        tip = store.tip()
        if tip is None:
            raise ValueError("the store has no genesis block")
        self._tip = tip
        self._state_hash = StateHash(tip.state_residue)
        self._commit_hash = parse_block(tip.data).commit_hash

    def commit(self, batch: Sequence[Submission]) -> None:
        """Append one block.

        Parameters
        ----------
        batch : its envelopes in order. Invalid transactions are stored with their code.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError
            If the database fails; then nothing of the block is stored, and this object is of no more use.
        """
        number = self._tip.number + 1
        codes = self._validator.judge(batch)
        with self._snapshots.view() as committed:
            owners = self._owners(batch, codes, committed.reader.known([s.tx_id for s in batch if s.tx_id]))
            state = BlockState(committed, number)
            for position, submission in enumerate(batch):
                if codes[position] is ValidationCode.VALID:
                    rwset = _rwset(submission)
                    codes[position] = state.check(rwset)
                    if codes[position] is ValidationCode.VALID:
                        state.apply(rwset, position)
            self._hash_state(state)
        record = self._record(batch, codes, owners, state)
        self._store.append(record)
        self._tip = record.tip
        self._snapshots.advance(_rows(state))
        self._notifier.publish(
            number + 1,
            [(tx_id, Outcome(ValidationCode(code), number)) for tx_id, _, code in record.transactions],
        )
        valid = codes.count(ValidationCode.VALID)
        log.info("block %d: %d transactions, %d invalid", number, len(batch), len(batch) - valid)

    def _owners(
        self, batch: Sequence[Submission], codes: list[ValidationCode], known: set[str]
    ) -> list[tuple[str, int]]:
        """Mark duplicates; return (transaction id, position) of those that own their id.

        An id belongs to the first transaction that its creator has signed, valid or not: what somebody
        else made of a seen envelope cannot take the id away.
        """
        owners: dict[str, int] = {}
        for position, submission in enumerate(batch):
            if not submission.authentic:
                continue
            if submission.tx_id in known or submission.tx_id in owners:
                codes[position] = ValidationCode.DUPLICATE_TXID
            else:
                owners[submission.tx_id] = position
        return list(owners.items())

    def _hash_state(self, state: BlockState) -> None:
        for update in state.updates.values():
            before = state.before(update)
            if before is not None:
                self._state_hash.remove(update.namespace, update.key, before.value)
            if update.value is not None:
                self._state_hash.add(update.namespace, update.key, update.value)

    def _record(
        self,
        batch: Sequence[Submission],
        codes: list[ValidationCode],
        owners: list[tuple[str, int]],
        state: BlockState,
    ) -> BlockRecord:
        number = self._tip.number + 1
        envelopes = [submission.envelope for submission in batch]
        block = build_block(number, self._tip.header_hash, envelopes, signer=self._orderer)
        verdicts = bytes(codes)
        self._commit_hash = commit_hash(self._commit_hash, verdicts, state.updates.values())
        seal(block, verdicts, self._commit_hash)
        residue = self._state_hash.residue()
        tip = Tip(
            number,
            header_hash(number, self._tip.header_hash, block.header.data_hash),
            digest_of_residue(residue),
            residue,
            block.SerializeToString(),
        )
        updates = state.updates.values()
        return BlockRecord(
            tip,
            [(tx_id, position, codes[position]) for tx_id, position in owners],
            [(u.namespace, u.key, u.value, u.version.tx) for u in updates if u.value is not None],
            [(u.namespace, u.key) for u in updates if u.value is None],
            state.changes,
        )


def _rwset(submission: Submission) -> tuple[NamespaceRwset, ...]:
    return () if submission.transaction is None else submission.transaction.rwset


def _rows(state: BlockState) -> list[tuple[StateKey, Row | None]]:
    return [
        (place, None if update.value is None else Row(update.value, update.version))
        for place, update in state.updates.items()
    ]
