"""The audit: replay a ledger from its genesis block and compare everything that is stored with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from fedpact.audit.execution import disagreement
from fedpact.audit.findings import AuditReport, Check, Findings
from fedpact.audit.records import check_records
from fedpact.audit.replayed_state import ReplayedState, Writer
from fedpact.ledger import LedgerError, Placement
from fedpact.validation import (
    ChannelRules,
    Examined,
    Parsed,
    ValidatedBlock,
    envelopes_fault,
    examine,
    parse,
    signature_fault,
    validate_block,
)
from fedpact.wire.blocks import ParsedBlock, data_hash, parse_block
from fedpact.wire.bundle import Bundle
from fedpact.wire.commits import ValidationCode, commit_hash
from fedpact.wire.definitions import LIFECYCLE
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.errors import WireError
from fedpact.wire.state_hash import Mark, digests_of

if TYPE_CHECKING:
    from fedpact.ledger import LedgerView
    from fedpact_chaincode.chaincode import Chaincode

HASHES_TOGETHER = 512
"""Blocks whose state hashes are computed at once: one inversion instead of one a block."""

Progress = Callable[[int, int], None]


def audit(
    ledger: LedgerView,
    *,
    chaincodes: Mapping[str, Chaincode] | None = None,
    progress: Progress | None = None,
) -> AuditReport:
    """Verify a ledger completely.

    Every block's number, hashes and orderer signature; every transaction's signatures, endorsement
    policy, duplicates, versions and recorded verdict; every valid transaction's contract, executed again (but
    for what needs private data, is of `_lifecycle`, or of a defined version that is not the one given here);
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
        self._rules: ChannelRules | None = None
        self._previous = b""
        self._commit = b""
        self._genesis = ""
        self._transactions = 0
        self._owned: set[str] = set()
        self._height = 0
        self._time_ns = 0
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
        if self._rules is None:
            if not self._open(data, block):
                return False
        else:
            fault = envelopes_fault(block.envelopes)
            check(Check.DATA_HASH, not fault, fault, block=number)
            self._replay(block, self._rules)
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
            self._rules = ChannelRules(Bundle.from_block(common_pb2.Block.FromString(data)))
        except ValueError as error:
            return self._findings.check(Check.GENESIS, False, str(error), block=0)
        self._genesis = block.hash.hex()
        return self._findings.check(Check.GENESIS, True, "", block=0)

    def _replay(self, block: ParsedBlock, rules: ChannelRules) -> None:
        transactions = [parse(envelope) for envelope in block.envelopes]
        number = self._height
        envelopes = [(transaction, examine(transaction, rules)) for transaction in transactions]
        validated = validate_block(
            number, envelopes, rules, self._state, known=self._owned, due=self._state.due(number)
        )
        self._signed(block, validated, rules)
        self._compare(block, envelopes, validated)
        for position, transaction in enumerate(transactions):
            if validated.codes[position] is ValidationCode.VALID and isinstance(
                transaction, ParsedTransaction
            ):
                self._execute(number, transaction, rules)
        for tx_id, position in validated.owners:
            self._indexed(tx_id, Placement(number, position, validated.codes[position]))
        self._commit = commit_hash(self._commit, bytes(validated.codes), validated.state.updates.values())
        same = self._commit == block.commit_hash
        self._findings.check(Check.COMMIT_HASH, same, f"replayed {self._commit.hex()}", block=number)
        self._state.apply(validated.state, [_writer(transaction) for transaction in transactions])
        self._transactions += len(transactions)
        self._rules = validated.successor(rules)

    def _signed(self, block: ParsedBlock, validated: ValidatedBlock, rules: ChannelRules) -> None:
        self._time_ns = validated.time_ns or self._time_ns
        wrong = signature_fault(block, rules, self._time_ns / 1e9)
        self._findings.check(Check.BLOCK_SIGNATURE, not wrong, wrong, block=block.number)

    def _indexed(self, transaction: str, mine: Placement) -> None:
        self._owned.add(transaction)
        stored = self._ledger.locate(transaction)
        self._findings.check(
            Check.TRANSACTION_INDEX,
            stored == mine,
            f"the index says {stored}",
            block=mine.block,
            transaction=transaction,
        )

    def _compare(
        self, block: ParsedBlock, envelopes: Sequence[tuple[Parsed, Examined]], validated: ValidatedBlock
    ) -> None:
        for position, (transaction, _) in enumerate(envelopes):
            code = validated.codes[position]
            recorded = block.filter[position] if position < len(block.filter) else 255
            self._findings.check(
                Check.VALIDATION_CODE,
                recorded == code,
                f"recorded {recorded}, deserved {code} ({code.name})",
                block=block.number,
                transaction=_name(transaction),
            )

    def _execute(self, number: int, transaction: ParsedTransaction, rules: ChannelRules) -> None:
        """Execute again what can be: code that is here, data that everybody may know."""
        name = transaction.chaincode
        if name == LIFECYCLE:
            return
        chaincode = self._chaincodes.get(name)
        if chaincode is None:
            wrong = f"no contract is called {name}"
        elif (
            rules.definition(self._state, name) is not None
            and chaincode.version != transaction.chaincode_version
        ):
            return
        else:
            wrong = disagreement(self._state, chaincode, transaction)
        self._findings.check(
            Check.EXECUTION, not wrong, wrong, block=number, transaction=transaction.transaction_id
        )

    def _stored(self) -> None:
        check = self._findings.check
        for namespace in self._state.namespaces:
            expected = dict(self._state.scan(namespace, "", ""))
            for row in self._ledger.state(namespace):
                entry = expected.pop(row.key, None)
                same = entry == (row.value, row.version, row.metadata)
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
            (Check.TRANSACTION_INDEX, stored.transactions, len(self._owned)),
        ):
            self._findings.check(check, found == mine, f"{found} rows are stored, the blocks make {mine}")


def _writer(transaction: Parsed) -> Writer | None:
    if not isinstance(transaction, ParsedTransaction):
        return None
    values = {(rwset.namespace, key): value for rwset in transaction.rwset for key, value in rwset.writes}
    return Writer(transaction.transaction_id, transaction.timestamp_ns, values)


def _name(transaction: Parsed) -> str:
    if isinstance(transaction, WireError):
        return str(transaction)
    return transaction.transaction_id if isinstance(transaction, ParsedTransaction) else "configuration"


def _consortium() -> dict[str, Chaincode]:
    from fedpact_chaincode.consortium import chaincode

    return {"fedpact": chaincode()}
