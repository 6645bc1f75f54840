"""The audit: replay a ledger from its genesis block and compare everything that is stored with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from fedpact.audit.execution import disagreement
from fedpact.audit.findings import AuditReport, Check, Findings
from fedpact.audit.records import check_records
from fedpact.audit.replayed_state import ReplayedState
from fedpact.audit.transactions import Judge
from fedpact.ledger import LedgerError, Placement
from fedpact.wire.blocks import ParsedBlock, data_hash, parse_block
from fedpact.wire.commits import Update, ValidationCode, commit_hash
from fedpact.wire.config import ChannelConfig
from fedpact.wire.envelopes import ParsedTransaction, parse_envelope
from fedpact.wire.errors import WireError
from fedpact.wire.rwsets import Version
from fedpact.wire.state_hash import Mark, digests_of

if TYPE_CHECKING:
    from fedpact.ledger import LedgerView
    from fedpact_chaincode.chaincode import Chaincode

HASHES_TOGETHER = 512
"""Blocks whose state hashes are computed at once: one inversion instead of one a block."""

Progress = Callable[[int, int], None]
Parsed = ParsedTransaction | WireError


def audit(
    ledger: LedgerView,
    *,
    chaincodes: Mapping[str, Chaincode] | None = None,
    progress: Progress | None = None,
) -> AuditReport:
    """Verify a ledger completely.

    Every block's number, hashes and orderer signature; every transaction's signatures, endorsement
    policy, duplicates, versions and recorded verdict; every valid transaction's contract, executed again;
    commit and state hash after every block; then every stored state row, history and transaction id against
    the replay, and that there are no others; and every verdict, election and payment against the papers'
    rules, from the records alone.

    Parameters
    ----------
    ledger : opened; only its reads are used.
    chaincodes : by name; default the consortium's contracts.
    progress : called with (blocks done, height).

    Returns
    -------
    The report; `ok` is False if anything at all is wrong. O(transactions + state).
    """
    return _Auditor(ledger, chaincodes).run(progress)


class _Auditor:
    def __init__(self, ledger: LedgerView, chaincodes: Mapping[str, Chaincode] | None) -> None:
        self._ledger = ledger
        self._chaincodes = chaincodes if chaincodes is not None else _consortium()
        self._findings = Findings()
        self._state = ReplayedState()
        self._judge: Judge | None = None
        self._previous = b""
        self._commit = b""
        self._genesis = ""
        self._transactions = 0
        self._owned_ids = 0
        self._height = 0
        self._time_s = 0.0
        self._hashes: list[tuple[int, str, Mark]] = []

    def run(self, progress: Progress | None) -> AuditReport:
        height = self._ledger.height()
        try:
            for data in self._ledger.blocks():
                if not self._block(data):
                    break
                if progress is not None:
                    progress(self._height, height)
        except (WireError, LedgerError) as error:
            self._findings.check(Check.READABLE, False, str(error), block=self._height)
        self._compare_hashes()
        complete = self._height == height
        self._findings.check(Check.BLOCK_NUMBER, complete, f"{self._height} of {height} blocks replayed")
        if complete:
            self._stored()
            check_records(self._state, self._findings)
        found = self._findings
        return AuditReport(
            ok=not found.found,
            findings=found.in_order(),
            checked={check: count for check, count in found.checked.items() if count},
            height=self._height,
            transactions=self._transactions,
            state_hash=self._state.hash(),
            genesis_hash=self._genesis,
            tip_hash=self._previous.hex(),
        )

    def _block(self, data: bytes) -> bool:
        block = parse_block(data)
        number, check = self._height, self._findings.check
        check(Check.READABLE, True, "", block=number)
        check(Check.BLOCK_NUMBER, block.number == number, f"it says {block.number}", block=number)
        check(
            Check.PREVIOUS_HASH, block.previous_hash == self._previous, "not the block before", block=number
        )
        digest = data_hash(block.envelopes)
        check(
            Check.DATA_HASH, block.data_hash == digest, f"the envelopes hash to {digest.hex()}", block=number
        )
        if self._judge is None:
            if not self._open(data, block):
                return False
        else:
            transactions = [_parsed(envelope) for envelope in block.envelopes]
            self._signed(block, transactions, self._judge)
            self._commits(block, transactions, self._judge)
        self._previous = block.hash
        self._height += 1
        self._hashes.append((number, self._ledger.state_hash_at(number), self._state.mark()))
        if len(self._hashes) == HASHES_TOGETHER:
            self._compare_hashes()
        return True

    def _compare_hashes(self) -> None:
        digests = digests_of([mark for _, _, mark in self._hashes])
        for (number, stored, _), digest in zip(self._hashes, digests, strict=True):
            mine = digest.hex()
            detail = f"stored {stored}, replayed {mine}"
            self._findings.check(Check.STATE_HASH, stored == mine, detail, block=number)
        self._hashes.clear()

    def _open(self, data: bytes, block: ParsedBlock) -> bool:
        from fabric_protos.common import common_pb2

        try:
            self._judge = Judge(ChannelConfig.from_block(common_pb2.Block.FromString(data)))
        except ValueError as error:
            return self._findings.check(Check.GENESIS, False, str(error), block=0)
        self._genesis = block.hash.hex()
        return self._findings.check(Check.GENESIS, True, "", block=0)

    def _signed(self, block: ParsedBlock, transactions: Sequence[Parsed], judge: Judge) -> None:
        wrong = "it has no signature"
        # its orderer must have been valid at the time of its latest transaction
        times = [t.timestamp_ns / 1e9 for t in transactions if not isinstance(t, WireError)]
        at_s = max([self._time_s, *times])
        for signer, message, signature in block.signatures:
            wrong = judge.identify_orderer(signer, message, signature, at_s)
            if wrong:
                break
        self._findings.check(Check.BLOCK_SIGNATURE, not wrong, wrong, block=block.number)
        self._time_s = at_s

    def _commits(self, block: ParsedBlock, transactions: Sequence[Parsed], judge: Judge) -> None:
        number = block.number
        updates: dict[tuple[str, str], Update] = {}
        codes = bytearray()
        for position, transaction in enumerate(transactions):
            self._transactions += 1
            if isinstance(transaction, WireError):
                codes.append(ValidationCode.of(transaction))
                self._compare(block, position, codes[-1], str(transaction))
                continue
            code = judge.verdict(transaction, self._state, updates)
            codes.append(code)
            self._compare(block, position, code, transaction.transaction_id)
            if code not in (ValidationCode.DUPLICATE_TXID, ValidationCode.BAD_CREATOR_SIGNATURE):
                self._indexed(transaction.transaction_id, Placement(number, position, code))
            if code == ValidationCode.VALID:
                self._apply(transaction, Version(number, position), updates)
        self._commit = commit_hash(self._commit, bytes(codes), updates.values())
        same = self._commit == block.commit_hash
        self._findings.check(Check.COMMIT_HASH, same, f"replayed {self._commit.hex()}", block=number)

    def _indexed(self, transaction: str, mine: Placement) -> None:
        self._owned_ids += 1
        stored = self._ledger.locate(transaction)
        self._findings.check(
            Check.TRANSACTION_INDEX,
            stored == mine,
            f"the index says {stored}",
            block=mine.block,
            transaction=transaction,
        )

    def _compare(self, block: ParsedBlock, position: int, code: int, transaction: str) -> None:
        recorded = block.filter[position] if position < len(block.filter) else 255
        detail = f"recorded {recorded}, deserved {code} ({ValidationCode(code).name})"
        same = recorded == code
        self._findings.check(Check.VALIDATION_CODE, same, detail, block=block.number, transaction=transaction)

    def _apply(
        self, transaction: ParsedTransaction, version: Version, updates: dict[tuple[str, str], Update]
    ) -> None:
        chaincode = self._chaincodes.get(transaction.headers.chaincode)
        if chaincode is None:
            wrong = f"no contract is called {transaction.headers.chaincode}"
        else:
            wrong = disagreement(self._state, chaincode, transaction)
        self._findings.check(
            Check.EXECUTION, not wrong, wrong, block=version.block, transaction=transaction.transaction_id
        )
        self._state.apply(transaction.rwset, version, transaction.transaction_id, transaction.timestamp_ns)
        for rwset in transaction.rwset:
            for key, value in dict(rwset.writes).items():
                updates[rwset.namespace, key] = Update(rwset.namespace, key, value, version)

    def _stored(self) -> None:
        check = self._findings.check
        for namespace in self._state.namespaces:
            expected = dict(self._state.scan(namespace, "", ""))
            for row in self._ledger.state(namespace):
                entry = expected.pop(row.key, None)
                same = entry is not None and entry == (row.value, row.version)
                check(Check.STATE_ROW, same, "the stored row is not what was written", transaction=row.key)
            for key in expected:
                check(Check.STATE_ROW, False, "the row is missing", transaction=key)
        for (namespace, key), changes in self._state.changes.items():
            mine = changes[::-1]
            try:
                stored = list(self._ledger.history(namespace, key))
            except (LookupError, ValueError):
                stored = []
            check(Check.HISTORY, stored == mine, "the stored history is another", transaction=key)
        self._counted()
        total = self._ledger.state_hash()
        check(Check.STATE_HASH, total == self._state.hash(), f"stored {total}", block=self._height - 1)

    def _counted(self) -> None:
        """Find rows that no block accounts for: every row that one does was looked up already."""
        stored = self._ledger.counts()
        changes = sum(map(len, self._state.changes.values()))
        for check, found, mine in (
            (Check.STATE_ROW, stored.state, self._state.rows),
            (Check.HISTORY, stored.history, changes),
            (Check.TRANSACTION_INDEX, stored.transactions, self._owned_ids),
        ):
            self._findings.check(check, found == mine, f"{found} rows are stored, the blocks make {mine}")


def _parsed(envelope: bytes) -> Parsed:
    try:
        return parse_envelope(envelope)
    except WireError as error:
        return error


def _consortium() -> dict[str, Chaincode]:
    from fedpact_chaincode.consortium import chaincode

    return {"fedpact": chaincode()}
