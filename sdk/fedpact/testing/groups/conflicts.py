"""Transactions that read what others change: version conflicts and phantoms, and trying again."""

# ruff: noqa: S101

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec
import pytest

from fedpact.gateway.commit import Result
from fedpact.gateway.errors import CommitError
from fedpact.ledger import Placement
from fedpact.testing.cases import LedgerCases
from fedpact.testing.interposed import Interposed
from fedpact.testing.probe.cells import Written
from fedpact.testing.probe.tallies import TALLIES, Change, Counted, Tally
from fedpact.testing.stage import SHELF, Client, Stage, impatient
from fedpact.wire.commits import ValidationCode
from fedpact_chaincode.errors import RECORD_EXISTS, Rejected

ADD = Change(name="n", amount=1)
COUNT = Counted(shelf=SHELF, into="count")
PEEK = Counted(shelf=SHELF, into="count", first_only=True)

Disturb = Callable[[Client], Result]
PHANTOMS: Mapping[str, Disturb] = MappingProxyType(
    {
        "appears": lambda client: client.create("b5"),
        "changes": lambda client: client.write("b", "other"),
        "disappears": lambda client: client.remove("b"),
    }
)


class ConflictCases(LedgerCases):
    """Who reads what another one changes meanwhile is invalid, and nothing else is."""

    def test_of_two_that_read_and_write_the_same_one_is_valid(self, stage: Stage) -> None:
        """The other one stays in its block, with its verdict, and changes nothing."""
        client = stage.client()
        client.submit("tallies:add", ADD)
        first, second = client.endorse("tallies:add", ADD), client.endorse("tallies:add", ADD)
        assert stage.outcome(first) is ValidationCode.VALID
        before = stage.ledger.state_hash()
        assert stage.outcome(second) is ValidationCode.MVCC_READ_CONFLICT
        assert stage.ledger.state_hash() == before
        assert _tallies(stage) == {"n": 2}
        block = second.commit().status().block_number
        code = ValidationCode.MVCC_READ_CONFLICT
        assert stage.ledger.locate(second.transaction_id) == Placement(block, 0, code)

    def test_two_that_create_the_same(self, stage: Stage) -> None:
        """That a key was absent is a read, too."""
        client = stage.client()
        message = Written(shelf=SHELF, place="a", text="second")
        second = client.endorse("cells:create", message)
        client.create("a", "first")
        assert stage.outcome(second) is ValidationCode.MVCC_READ_CONFLICT
        assert client.read("a") == "first"
        with pytest.raises(Rejected) as caught:
            client.submit("cells:create", message)
        assert caught.value.code == RECORD_EXISTS

    def test_a_key_that_was_removed_and_written_again_is_another(self, stage: Stage) -> None:
        """Equal content does not make a version equal."""
        client = stage.client()
        client.create("a", "same")
        stale = client.endorse("tallies:count", COUNT)
        client.remove("a")
        client.create("a", "same")
        assert stage.outcome(stale) is ValidationCode.PHANTOM_READ_CONFLICT

    def test_writes_without_reads_never_conflict(self, stage: Stage) -> None:
        """The later one counts."""
        client = stage.client()
        first, second = (
            client.endorse("cells:write", Written(shelf=SHELF, place="a", text=text)) for text in "12"
        )
        assert stage.outcome(second) is ValidationCode.VALID
        assert stage.outcome(first) is ValidationCode.VALID
        assert client.read("a") == "1"

    def test_the_client_tries_a_conflict_again(self, stage: Stage) -> None:
        """With a new proposal, which reads what is there now."""

        def disturb(endorsed: int) -> None:
            if endorsed <= 2:
                stage.client().submit("tallies:add", Change(name="n", amount=10))

        transport = Interposed(stage.ledger.transport(), after_endorse=disturb)
        client = stage.client(transport=transport, retries=impatient(2))
        result = client.submit("tallies:add", ADD)
        assert msgspec.json.decode(result.payload, type=Tally).value == 21
        assert transport.endorsed == 3
        assert [code for _, code in stage.transactions()] == [
            ValidationCode.VALID,
            ValidationCode.MVCC_READ_CONFLICT,
            ValidationCode.VALID,
            ValidationCode.MVCC_READ_CONFLICT,
            ValidationCode.VALID,
        ]

    def test_the_client_gives_up_at_last(self, stage: Stage) -> None:
        """And says why; whoever asks may try again."""
        transport = Interposed(
            stage.ledger.transport(), after_endorse=lambda _: stage.client().submit("tallies:add", ADD)
        )
        client = stage.client(transport=transport, retries=impatient(1))
        with pytest.raises(CommitError) as caught:
            client.submit("tallies:add", ADD)
        assert caught.value.code is ValidationCode.MVCC_READ_CONFLICT
        assert caught.value.retryable
        assert transport.endorsed == 2
        assert _tallies(stage) == {"n": 2}

    @pytest.mark.parametrize("what", PHANTOMS)
    def test_a_range_that_changes_is_a_phantom(self, stage: Stage, what: str) -> None:
        """Whether a key in it appears, changes or disappears; trying again counts anew."""
        client = stage.client()
        for place in "abc":
            client.create(place)
        counted = client.endorse("tallies:count", COUNT)
        PHANTOMS[what](client)
        assert stage.outcome(counted) is ValidationCode.PHANTOM_READ_CONFLICT
        assert _tallies(stage) == {}
        client.submit("tallies:count", COUNT)
        assert _tallies(stage) == {"count": len(client.places())}

    def test_the_client_tries_a_phantom_again(self, stage: Stage) -> None:
        """As it does a conflict."""

        def disturb(endorsed: int) -> None:
            if endorsed == 1:
                stage.client().create("b")

        stage.client().create("a")
        transport = Interposed(stage.ledger.transport(), after_endorse=disturb)
        stage.client(transport=transport, retries=impatient(1)).submit("tallies:count", COUNT)
        assert _tallies(stage) == {"count": 2}

    def test_what_happens_beside_a_range_disturbs_nobody(self, stage: Stage) -> None:
        """Other shelves, and removing what is not there."""
        client = stage.client()
        client.create("a")
        counted = client.endorse("tallies:count", COUNT)
        client.create("a", shelf=SHELF + "s")
        client.create("a", shelf=SHELF[:-1])
        client.remove("nothing")
        assert stage.outcome(counted) is ValidationCode.VALID
        assert _tallies(stage) == {"count": 1}

    def test_a_scan_is_protected_as_far_as_it_went(self, stage: Stage) -> None:
        """What comes behind the last key read was not read."""
        client = stage.client()
        client.create("b")
        client.create("d")
        behind, before = client.endorse("tallies:count", PEEK), client.endorse("tallies:count", PEEK)
        client.create("c")
        assert stage.outcome(behind) is ValidationCode.VALID
        client.create("a")
        assert stage.outcome(before) is ValidationCode.PHANTOM_READ_CONFLICT


def _tallies(stage: Stage) -> dict[str, int]:
    prefix = TALLIES.key_of()
    found = (TALLIES.decode(value) for key, value in stage.content().items() if key.startswith(prefix))
    return {tally.name: tally.value for tally in found}
