"""Whatever part of a stored ledger is altered, the audit names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from fedpact import CertificateAuthority, Consortium
from fedpact.audit.findings import Check
from fedpact.identity import Identity
from fedpact.wire.blocks import build_block, header_hash
from fedpact.wire.commits import ValidationCode

if TYPE_CHECKING:
    from tests.sdk.audit.conftest import Copy

LAST = -1
Change = Callable[[common_pb2.Block], None]


def flipped(data: bytes, position: int = LAST) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def on_envelope(change: Callable[[common_pb2.Envelope], None]) -> Change:
    def altered(block: common_pb2.Block) -> None:
        envelope = common_pb2.Envelope.FromString(block.data.data[0])
        change(envelope)
        block.data.data[0] = envelope.SerializeToString()

    return altered


def on_action(change: Callable[[transaction_pb2.ChaincodeActionPayload], None]) -> Change:
    def altered(envelope: common_pb2.Envelope) -> None:
        payload = common_pb2.Payload.FromString(envelope.payload)
        transaction = transaction_pb2.Transaction.FromString(payload.data)
        action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
        change(action)
        transaction.actions[0].payload = action.SerializeToString()
        payload.data = transaction.SerializeToString()
        envelope.payload = payload.SerializeToString()

    return on_envelope(altered)


def on_result(change: Callable[[proposal_pb2.ChaincodeAction], None]) -> Change:
    def altered(action: transaction_pb2.ChaincodeActionPayload) -> None:
        response = proposal_response_pb2.ProposalResponsePayload.FromString(
            action.action.proposal_response_payload
        )
        result = proposal_pb2.ChaincodeAction.FromString(response.extension)
        change(result)
        response.extension = result.SerializeToString()
        action.action.proposal_response_payload = response.SerializeToString()

    return on_action(altered)


def rich(result: proposal_pb2.ChaincodeAction) -> None:
    outer = rwset_pb2.TxReadWriteSet.FromString(result.results)
    inner = kv_rwset_pb2.KVRWSet.FromString(outer.ns_rwset[0].rwset)
    inner.writes[0].value = inner.writes[0].value.replace(b"50", b"99")
    outer.ns_rwset[0].rwset = inner.SerializeToString()
    result.results = outer.SerializeToString()


def header(field: str, value: object) -> Change:
    return lambda block: setattr(block.header, field, value)


def slot(index: int, change: Callable[[bytes], bytes]) -> Change:
    def altered(block: common_pb2.Block) -> None:
        block.metadata.metadata[index] = change(block.metadata.metadata[index])

    return altered


def envelope_field(name: str) -> Change:
    return on_envelope(lambda envelope: setattr(envelope, name, flipped(getattr(envelope, name))))


def endorsement_field(name: str) -> Change:
    def altered(action: transaction_pb2.ChaincodeActionPayload) -> None:
        for endorsement in action.action.endorsements:
            setattr(endorsement, name, flipped(getattr(endorsement, name)))

    return on_action(altered)


def drop_endorsements(action: transaction_pb2.ChaincodeActionPayload) -> None:
    del action.action.endorsements[:]


def repeat(block: common_pb2.Block) -> None:
    block.data.data.append(block.data.data[0])
    block.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] += b"\x00"


PARTS: dict[str, tuple[Change, Check]] = {
    "header number": (header("number", 99), Check.BLOCK_NUMBER),
    "previous hash": (header("previous_hash", b"\x01" * 32), Check.PREVIOUS_HASH),
    "data hash": (header("data_hash", b"\x01" * 32), Check.DATA_HASH),
    "orderer's signature": (slot(common_pb2.SIGNATURES, flipped), Check.BLOCK_SIGNATURE),
    "no signature": (slot(common_pb2.SIGNATURES, lambda _: b""), Check.BLOCK_SIGNATURE),
    "validation code": (slot(common_pb2.TRANSACTIONS_FILTER, flipped), Check.VALIDATION_CODE),
    "no validation code": (slot(common_pb2.TRANSACTIONS_FILTER, lambda _: b""), Check.VALIDATION_CODE),
    "commit hash": (slot(common_pb2.COMMIT_HASH, flipped), Check.COMMIT_HASH),
    "creator's signature": (envelope_field("signature"), Check.VALIDATION_CODE),
    "payload": (envelope_field("payload"), Check.DATA_HASH),
    "endorser": (endorsement_field("endorser"), Check.VALIDATION_CODE),
    "endorser's signature": (endorsement_field("signature"), Check.VALIDATION_CODE),
    "no endorsement": (on_action(drop_endorsements), Check.VALIDATION_CODE),
    "written value": (on_result(rich), Check.VALIDATION_CODE),
    "event": (on_result(lambda result: setattr(result, "events", b"")), Check.VALIDATION_CODE),
    "response": (
        on_result(lambda result: setattr(result.response, "payload", b"{}")),
        Check.VALIDATION_CODE,
    ),
    "arguments": (
        on_action(
            lambda action: setattr(
                action, "chaincode_proposal_payload", action.chaincode_proposal_payload.replace(b"50", b"51")
            )
        ),
        Check.VALIDATION_CODE,
    ),
    "repeated transaction": (repeat, Check.DATA_HASH),
    "no transaction": (lambda block: block.data.data.__delitem__(0), Check.DATA_HASH),
}


def test_the_original_is_clean(copy: Copy) -> None:
    report = copy.audit()
    assert report.findings == []
    assert report.ok
    assert report.height == copy.height()
    # but for the genesis block, and four transactions with which the founders agree on their contract
    assert report.checked[Check.EXECUTION] == report.transactions - 5
    assert report.checked[Check.CONSERVATION] == 1
    assert all(count > 0 for count in report.checked.values())


@pytest.mark.parametrize("part", PARTS)
def test_an_altered_block_is_found(copy: Copy, part: str) -> None:
    change, check = PARTS[part]
    number = copy.height() - 1
    copy.alter(number, change)
    report = copy.audit()
    assert not report.ok
    assert check in {finding.check for finding in report.findings if finding.block == number}


@pytest.mark.parametrize("number", range(9))
def test_a_changed_byte_in_any_block_is_found(copy: Copy, number: int) -> None:
    data = copy.block(number).SerializeToString()
    for position in range(0, len(data), max(1, len(data) // 12)):
        with copy.sql() as connection:
            changed = flipped(data, position)
            connection.execute("update blocks set data = ? where number = ?", (changed, number))
        assert not copy.audit().ok, position


def test_a_missing_block_is_found(copy: Copy) -> None:
    with copy.sql() as connection:
        connection.execute("delete from blocks where number = 3")
    assert not copy.audit().ok


def test_a_replayed_block_is_found(copy: Copy) -> None:
    copy.replace(5, copy.block(4))
    assert {Check.BLOCK_NUMBER, Check.PREVIOUS_HASH} <= {f.check for f in copy.audit().findings}


def holds(column: str, text: str) -> str:
    return f"instr({column}, cast('{text}' as blob)) > 0"


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        (
            "update state set value = cast(replace(cast(value as text), '850', '950') as blob)"
            f" where {holds('value', '850')}",
            Check.STATE_ROW,
        ),
        (f"update state set block = block + 1 where {holds('key', 'credit.account')}", Check.STATE_ROW),
        (f"delete from state where {holds('key', 'credit.account')}", Check.STATE_ROW),
        (
            "insert into state select namespace, cast(key || 'x' as blob), value, block, position, null"
            " from state limit 1",
            Check.STATE_ROW,
        ),
        ("update state set metadata = x'0a00'", Check.STATE_ROW),
        (f"delete from history where {holds('key', 'credit.account')}", Check.HISTORY),
        (f"update history set position = 'x' where {holds('key', 'credit.account')}", Check.HISTORY),
        (f"update history set position = 1 where {holds('key', 'credit.account')}", Check.HISTORY),
        ("update blocks set state_hash = zeroblob(32) where number = 4", Check.STATE_HASH),
        ("update transactions set code = 0 where code != 0", Check.TRANSACTION_INDEX),
        ("update transactions set block = 1 where block = 2", Check.TRANSACTION_INDEX),
        ("delete from transactions where block = 2", Check.TRANSACTION_INDEX),
    ],
)
def test_an_altered_row_is_found(copy: Copy, statement: str, check: Check) -> None:
    with copy.sql() as connection:
        assert connection.execute(statement).rowcount > 0, "the test changed nothing"
    report = copy.audit()
    assert check in {finding.check for finding in report.findings}


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("insert into state values ('unknown', x'61', x'62', 1, 0, null)", Check.STATE_ROW),
        (
            "insert into state select namespace, cast(key as text), value, block, position, null from state"
            " limit 1",
            Check.STATE_ROW,
        ),
        ("insert into history values ('unknown', x'61', 1, 0)", Check.HISTORY),
        ("insert into history values ('fedpact', x'61', 1, 0)", Check.HISTORY),
        (
            "insert into history select namespace, key, 1, 99 from history"
            f" where {holds('key', 'credit.account')} limit 1",
            Check.HISTORY,
        ),
        ("insert into transactions values (hex(zeroblob(32)), 1, 0, 0)", Check.TRANSACTION_INDEX),
        (
            "insert into transactions select upper(tx_id), block, position, code from transactions limit 1",
            Check.TRANSACTION_INDEX,
        ),
    ],
)
def test_a_row_that_nobody_wrote_is_found(copy: Copy, statement: str, check: Check) -> None:
    with copy.sql() as connection:
        assert connection.execute(statement).rowcount == 1, "the test changed nothing"
    assert {finding.check for finding in copy.audit().findings} == {check}


def forged(copy: Copy, number: int, orderer: Identity, change: Change) -> None:
    """Rewrite a block and all that follow, with fitting hashes, signed by somebody."""
    for current in range(number, copy.height()):
        block = copy.block(current)
        if current == number:
            change(block)
            previous = block.header.previous_hash
        again = build_block(current, previous, list(block.data.data), signer=orderer)
        for index in (common_pb2.TRANSACTIONS_FILTER, common_pb2.COMMIT_HASH):
            again.metadata.metadata[index] = block.metadata.metadata[index]
        copy.replace(current, again)
        previous = header_hash(current, previous, again.header.data_hash)


def test_a_chain_rewritten_by_a_foreign_orderer_is_found(copy: Copy) -> None:
    stranger = CertificateAuthority.create("Alpha", "AlphaMSP").issue("orderer0", role=None, ou="orderer")
    number = copy.height() - 1
    forged(copy, number, stranger, on_result(rich))
    checks = {finding.check for finding in copy.audit().findings}
    assert {Check.BLOCK_SIGNATURE, Check.VALIDATION_CODE} <= checks
    assert Check.DATA_HASH not in checks


def test_a_chain_rewritten_by_the_orderer_itself_is_found(copy: Copy, consortium: Consortium) -> None:
    insider = consortium.authorities["AlphaMSP"].issue("orderer0", role=None, ou="orderer")
    forged(copy, copy.height() - 1, insider, on_result(rich))
    findings = copy.audit().findings
    assert {Check.VALIDATION_CODE, Check.STATE_ROW} <= {finding.check for finding in findings}
    assert Check.BLOCK_SIGNATURE not in {finding.check for finding in findings}


def test_a_conflict_that_is_declared_valid_is_found(copy: Copy) -> None:
    for number in range(1, copy.height()):
        codes = copy.block(number).metadata.metadata[common_pb2.TRANSACTIONS_FILTER]
        if ValidationCode.MVCC_READ_CONFLICT in codes:
            copy.alter(number, slot(common_pb2.TRANSACTIONS_FILTER, lambda old: bytes(len(old))))
            assert Check.VALIDATION_CODE in {f.check for f in copy.audit().findings if f.block == number}
            return
    pytest.fail("the ledger holds no conflict")


def test_another_genesis_is_seen(copy: Copy) -> None:
    before = copy.audit().genesis_hash
    copy.alter(0, lambda block: setattr(block.header, "data_hash", b"\x02" * 32))
    report = copy.audit()
    assert not report.ok
    assert report.genesis_hash != before
