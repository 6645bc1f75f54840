"""A transaction's way into the ledger, and the calls that do not get there."""

# ruff: noqa: S101

from __future__ import annotations

import msgspec
import pytest

from fedpact.gateway.errors import EndorseError, GatewayError
from fedpact.ledger import Placement
from fedpact.testing import probe
from fedpact.testing.cases import LedgerCases, MakeStage
from fedpact.testing.channels import CHANNEL_ID, Capability, Rules
from fedpact.testing.interposed import Interposed
from fedpact.testing.probe.cells import CELLS, Call, Cell, Place, Seen, Written
from fedpact.testing.probe.tallies import Change
from fedpact.testing.stage import NOTHING, SHELF, Stage, impatient
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import BatchRules
from fedpact.wire.rwsets import Version
from fedpact_chaincode.chaincode import PublishedEvent
from fedpact_chaincode.errors import (
    MALFORMED_MESSAGE,
    RECORD_EXISTS,
    RECORD_NOT_FOUND,
    UNKNOWN_TRANSACTION,
    Code,
    Rejected,
)

MEBIBYTE = 1 << 20


class SubmitCases(LedgerCases):
    """What becomes of single transactions."""

    def test_a_created_record_is_read_back(self, stage: Stage) -> None:
        """By a query, in the state, under the version of its block, and where its id is located."""
        result = stage.client().create("a", "text")
        assert msgspec.json.decode(result.payload, type=Cell) == Cell(shelf=SHELF, place="a", text="text")
        assert stage.client().read("a") == "text"
        [row] = stage.rows()
        placement = stage.ledger.locate(result.transaction_id)
        assert placement is not None
        assert (row.namespace, row.key) == (probe.NAME, CELLS.key_of(SHELF, "a"))
        assert CELLS.decode(row.value).text == "text"
        assert row.version == Version(placement.block, placement.position)
        assert placement.block == result.block_number == stage.ledger.height() - 1
        assert placement.code == ValidationCode.VALID

    def test_a_query_leaves_no_trace(self, stage: Stage) -> None:
        """Also where it is a transaction that is only evaluated."""
        message = Written(shelf=SHELF, place="a", text="text")
        assert stage.client().ask("cells:create", message, Cell).text == "text"
        assert stage.rows() == []
        assert stage.ledger.height() == 1

    def test_the_committed_envelope_carries_the_events(self, stage: Stage) -> None:
        """As a JSON array, under the first one's name; a transaction without events carries none."""
        created = stage.client().create("a")
        written = stage.client().write("a")
        events = {t.transaction_id: t.event for t, _ in stage.transactions()}
        event = events[created.transaction_id]
        assert event is not None
        assert event.name == "CellCreated"
        [published] = msgspec.json.decode(event.payload, type=list[PublishedEvent])
        assert published.name == "CellCreated"
        assert msgspec.json.decode(published.data) == {"shelf": SHELF, "place": "a"}
        assert events[written.transaction_id] is None

    def test_a_rejected_call_leaves_no_trace(self, stage: Stage) -> None:
        """Even if the contract had written before it refused; code, values and id reach the caller."""
        client = stage.client()
        client.submit("cells:put", probe.cells.Plain(key="kept", value="x"))
        before, height = stage.content(), stage.ledger.height()
        with pytest.raises(Rejected) as caught:
            client.submit("cells:spoil", Written(shelf=SHELF, place="a", text="text"))
        assert caught.value.code == RECORD_EXISTS
        assert caught.value.fields == {"place": "a"}
        assert caught.value.transaction_id
        assert stage.ledger.locate(caught.value.transaction_id) is None
        assert stage.content() == before
        assert stage.ledger.height() == height

    @pytest.mark.parametrize(
        ("function", "message", "code"),
        [
            ("cells:nonsense", NOTHING, UNKNOWN_TRANSACTION),
            ("nonsense:create", NOTHING, UNKNOWN_TRANSACTION),
            ("create", NOTHING, UNKNOWN_TRANSACTION),
            ("cells:create", Place(shelf=SHELF, place="a"), MALFORMED_MESSAGE),
            ("cells:read", Place(shelf=SHELF, place="nothing"), RECORD_NOT_FOUND),
        ],
    )
    def test_a_call_that_cannot_be_executed(
        self, stage: Stage, function: str, message: msgspec.Struct, code: Code
    ) -> None:
        """It is refused with the framework's code, submitted or evaluated."""
        with pytest.raises(Rejected) as submitted:
            stage.client().submit(function, message)
        with pytest.raises(Rejected) as asked:
            stage.client().ask(function, message, Cell)
        for rejected in (submitted.value, asked.value):
            assert rejected.code == code
            assert rejected.transaction_id
        assert stage.ledger.height() == 1

    def test_chaincodes_and_channels_that_are_not_there(self, stage: Stage) -> None:
        """Nothing is executed."""
        for client in (stage.client(chaincode="nonsense"), stage.client(channel_id="nonsense")):
            with pytest.raises(EndorseError) as caught:
                client.create("a")
            assert not caught.value.retryable
        assert stage.ledger.height() == 1

    def test_a_transaction_sees_its_own_writes(self, stage: Stage) -> None:
        """Through the framework; the ledger's own reads show what is committed."""
        stage.client().create("b")
        result = stage.client().submit("cells:see_own_writes", Written(shelf=SHELF, place="a", text="new"))
        seen = msgspec.json.decode(result.payload, type=Seen)
        assert seen == Seen(written="new", listed=["a", "b"], removed=None, remaining=["b"])
        assert stage.client().places() == ["a", "b"]

    def test_the_contract_knows_who_calls_and_when(self, stage: Stage) -> None:
        """From certificate and proposal alone."""
        bob = stage.authorities["Org2MSP"].issue("bob", role="manager")
        gateway = stage.client(bob).gateway
        proposal = gateway.new_proposal("cells:call")
        earliest_ms = stage.clock() // 1_000_000 - 60_000
        call = msgspec.json.decode(proposal.evaluate(), type=Call)
        assert (call.caller, call.role) == ("Org2MSP/bob", "manager")
        assert (call.tx_id, call.channel_id) == (proposal.transaction_id, CHANNEL_ID)
        assert earliest_ms < call.time_ms <= stage.clock() // 1_000_000
        assert call.secret is None

    def test_transient_data_reaches_the_contract_and_no_block(self, stage: Stage) -> None:
        """It is for the endorsers only."""
        gateway, transient = stage.client().gateway, {"secret": b"s3cr3t"}
        proposal = gateway.new_proposal("cells:call", transient=transient)
        assert msgspec.json.decode(proposal.evaluate(), type=Call).secret == "s3cr3t"  # noqa: S105
        message = msgspec.json.encode(Written(shelf=SHELF, place="a", text="text"))
        gateway.submit("cells:create", message, transient=transient)
        assert all(b"s3cr3t" not in block for block in stage.ledger.blocks())

    def test_a_verdict_is_there_when_it_is_committed(self, stage: Stage) -> None:
        """Before that the transaction is nowhere."""
        transaction = stage.client().endorse("tallies:add", Change(name="n", amount=1))
        assert not stage.is_committed(transaction)
        assert stage.ledger.locate(transaction.transaction_id) is None
        assert stage.rows() == []
        status = transaction.submit().status()
        assert status.valid
        assert stage.is_committed(transaction)
        placement = Placement(status.block_number, 0, ValidationCode.VALID)
        assert stage.ledger.locate(transaction.transaction_id) == placement
        assert stage.ledger.locate("0" * 64) is None

    def test_an_envelope_that_comes_again_counts_once(self, stage: Stage) -> None:
        """While it waits, and after it is committed."""
        transaction = stage.client().endorse("cells:write", Written(shelf=SHELF, place="a", text="text"))
        commits = [transaction.submit(), transaction.submit()]
        verdicts = {commit.status() for commit in commits}
        verdicts.add(transaction.submit().status())
        assert len(verdicts) == 1
        stage.client().write("b")  # whatever became of the repetitions is in a block by now
        _written_once(stage, transaction.transaction_id)

    def test_a_lost_answer_is_no_second_transaction(self, stage: Stage) -> None:
        """The client sends the same envelope until it knows the outcome."""
        transport = Interposed(stage.ledger.transport(), lost_answers=2)
        result = stage.client(transport=transport, retries=impatient(0)).write("a")
        assert len(set(transport.submitted)) == 1
        assert transport.endorsed == 1
        stage.client().write("b")
        _written_once(stage, result.transaction_id)

    def test_large_values(self, stage: Stage) -> None:
        """A mebibyte is kept as it is."""
        self.need(Capability.LARGE_VALUES)
        text = "0123456789abcdéf" * (MEBIBYTE // 17)
        stage.client().create("a", text)
        assert stage.client().read("a") == text
        [row] = stage.rows()
        assert CELLS.decode(row.value).text == text
        assert len(row.value) > MEBIBYTE - 100

    def test_a_transaction_larger_than_the_channel_allows(self, make_stage: MakeStage) -> None:
        """It is refused before it can block anybody."""
        stage = make_stage(Rules(batch=BatchRules(max_bytes=20_000, absolute_max_bytes=20_000)))
        with pytest.raises(GatewayError) as caught:
            stage.client().create("a", "x" * 30_000)
        assert not caught.value.retryable
        stage.client().create("b", "x" * 2_000)
        assert stage.client().places() == ["b"]

    def test_chaincodes_have_namespaces_of_their_own(self, stage: Stage) -> None:
        """What one of them writes no other one sees."""
        stage.client().create("a")
        assert stage.rows("fedpact") == []
        assert len(stage.rows(probe.NAME)) == 1


def _written_once(stage: Stage, transaction_id: str) -> None:
    codes = [code for t, code in stage.transactions() if t.transaction_id == transaction_id]
    assert codes.count(ValidationCode.VALID) == 1
    assert set(codes) <= {ValidationCode.VALID, ValidationCode.DUPLICATE_TXID}
    key = CELLS.key_of(SHELF, "a")
    assert [change.transaction_id for change in stage.ledger.history(probe.NAME, key)] == [transaction_id]
