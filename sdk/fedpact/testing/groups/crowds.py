"""Many at once: nothing is lost, nothing is done twice, and readers see one moment."""

# ruff: noqa: S101

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

from fedpact.identity import Identity
from fedpact.testing.cases import LedgerCases
from fedpact.testing.probe.cells import Written
from fedpact.testing.probe.tallies import TALLIES, Change, Tally, Transfer
from fedpact.testing.stage import NOTHING, SHELF, Stage, impatient
from fedpact.wire.commits import ValidationCode

SUBMITTERS = 200
ADDERS, ADDITIONS = 8, 5
ACCOUNTS = ("a", "b", "c", "d", "e", "f")
PATIENT = impatient(1_000)


class CrowdCases(LedgerCases):
    """What concurrent clients leave behind."""

    def test_of_two_hundred_submitters_none_is_lost(self, stage: Stage) -> None:
        """Each one's record is there once, under its own name."""
        people = [
            authority.issue(f"member{number}", role="member")
            for authority in stage.authorities.values()
            for number in range(4)
        ]
        together = threading.Barrier(SUBMITTERS)

        def submit(number: int) -> str:
            who: Identity = people[number % len(people)]
            client = stage.client(who)
            together.wait(60)
            return client.create(f"{number:03d}", who.id).transaction_id

        with ThreadPoolExecutor(SUBMITTERS) as pool:
            ids = list(pool.map(submit, range(SUBMITTERS)))
        assert stage.client().places() == [f"{number:03d}" for number in range(SUBMITTERS)]
        assert stage.client().read("042") == people[42 % len(people)].id
        committed = stage.transactions()
        assert {code for _, code in committed} == {ValidationCode.VALID}
        assert sorted(t.transaction_id for t, _ in committed) == sorted(ids)
        assert len(set(ids)) == SUBMITTERS

    def test_every_addition_counts_once(self, stage: Stage) -> None:
        """Though all of them change the same number, and conflict."""

        def add(_: int) -> None:
            client = stage.client(retries=PATIENT)
            for _ in range(ADDITIONS):
                client.submit("tallies:add", Change(name="n", amount=1))

        with ThreadPoolExecutor(ADDERS) as pool:
            list(pool.map(add, range(ADDERS)))
        [row] = stage.rows()
        assert TALLIES.decode(row.value).value == ADDERS * ADDITIONS
        valid = [t for t, code in stage.transactions() if code is ValidationCode.VALID]
        assert len(valid) == ADDERS * ADDITIONS

    def test_of_many_that_create_the_same_one_wins(self, stage: Stage) -> None:
        """Whoever it is, the others are told."""
        client = stage.client()
        rivals = [
            client.endorse("cells:create", Written(shelf=SHELF, place="a", text=str(number)))
            for number in range(20)
        ]
        commits = [transaction.submit() for transaction in rivals]
        verdicts = [commit.status().code for commit in commits]
        assert sorted(verdicts) == [ValidationCode.VALID] + [ValidationCode.MVCC_READ_CONFLICT] * 19
        assert client.read("a") == str(verdicts.index(ValidationCode.VALID))

    def test_readers_see_one_moment(self, stage: Stage) -> None:
        """While amounts move to and fro, their sum is the same for everybody who looks."""
        for account in ACCOUNTS:
            stage.client().submit("tallies:add", Change(name=account, amount=100))
        expected = Tally(name="total", value=100 * len(ACCOUNTS))
        moved = threading.Event()
        sums: list[Tally] = []

        def look() -> None:
            client = stage.client()
            while not moved.is_set() or len(sums) < 10:
                sums.append(client.ask("tallies:total", NOTHING, Tally))
                rows = stage.rows()
                sums.append(Tally(name="total", value=sum(TALLIES.decode(row.value).value for row in rows)))

        def move(seed: int) -> None:
            client, choices = stage.client(retries=PATIENT), random.Random(seed)
            for _ in range(10):
                source, target = choices.sample(ACCOUNTS, 2)
                client.submit("tallies:transfer", Transfer(source=source, target=target, amount=seed + 1))

        with ThreadPoolExecutor(5) as pool:
            looking = pool.submit(look)
            try:
                list(pool.map(move, range(4)))
            finally:
                moved.set()
            looking.result()
        assert sums == [expected] * len(sums)
        assert stage.client().ask("tallies:total", NOTHING, Tally) == expected
