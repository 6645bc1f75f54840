"""Rounds from opening to sealing, through real transactions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from fedpact_chaincode.contracts.credit.records import ACCOUNTS
from fedpact_chaincode.contracts.elections.committee import Approve, OneTask
from fedpact_chaincode.contracts.elections.records import (
    COMMITTEE_OPEN,
    NO_GLOBAL_MODEL,
    NOT_FINAL,
    NOT_YOUR_TURN,
    WRONG_MODEL,
)
from fedpact_chaincode.contracts.elections.sealing import Seal
from fedpact_chaincode.contracts.privacy.records import BUDGET_EXHAUSTED, NO_BUDGET, Gaussian
from fedpact_chaincode.contracts.privacy.transactions import Bound
from fedpact_chaincode.contracts.tasks.records import TASKS, TaskStatus
from fedpact_chaincode.contracts.teams.records import NOT_SEATED, SEATS, SeatStatus
from fedpact_chaincode.contracts.teams.recruiting import OneTeam
from fedpact_chaincode.contracts.training.appeals import AppealElimination
from fedpact_chaincode.contracts.training.closing import RecordGlobal
from fedpact_chaincode.contracts.training.opening import OneRound, OpenRound
from fedpact_chaincode.contracts.training.recording import RecordScores, RecordUpdate
from fedpact_chaincode.contracts.training.records import (
    APPEALED_ALREADY,
    GLOBAL_RECORDED,
    NO_MORE_ROUNDS,
    NOT_A_PARTICIPANT,
    NOT_ELIMINATED,
    NOT_THE_AGGREGATOR,
    PRIVACY_REQUIRED,
    ROUND_DEADLINE,
    ROUND_NOT_DUE,
    ROUND_ORDER,
    ROUND_STATUS,
    ROUNDS,
    SCORES_MALFORMED,
    SECRET_MISMATCH,
    TOO_FEW_PARTICIPANTS,
    UPDATES,
    RoundStatus,
)
from fedpact_chaincode.errors import RECORD_EXISTS
from fedpact_chaincode.rules.evidence import NOT_ASKED, UNAVAILABLE
from fedpact_chaincode.rules.lottery import commitment_of
from fedpact_chaincode.testing import refused

NANO = 10**9
NODES = ("AlphaMSP/node", "BetaMSP/node", "DeltaMSP/node", "GammaMSP/node")
LEADER, OUTSIDER = "BetaMSP/node", "AlphaMSP/stranger"
GOOD, BAD = 40 * NANO, 90 * NANO
EVENT = Gaussian(noise_multiplier_nano=5 * NANO, count=1)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Game:
    """A running task of four nodes of four organisations; the last one may turn bad."""

    def __init__(self, stage: Any, **terms: Any) -> None:
        self.stage = stage
        for node in NODES:
            stage.provider(node)
        stage.task(team_size=len(NODES), deadline_ms=stage.ledger.time_ms + 10**8, **terms)
        stage.team("task", LEADER, *[node for node in NODES if node != LEADER])
        stage.start("task", LEADER)

    def do(self, who: str, function: str, message: Any) -> Any:
        return self.stage.do(who, function, message)

    @property
    def number(self) -> int:
        return int(self.stage.read(TASKS, "task").rounds_closed) + 1

    def round(self, number: int | None = None) -> Any:
        return self.stage.ask("training:round_state", OneRound(task_id="task", number=number or self.number))

    def open(self, who: str = LEADER) -> Any:
        return self.do(who, "training:open_round", OpenRound(task_id="task"))

    def update(self, node: str, *, model: str | None = None, **changes: Any) -> Any:
        fields: dict[str, Any] = {
            "model": sha(model or f"{node} {self.number}"),
            "size_bytes": 100,
            "location": "store://model",
            "commitment": commitment_of(sha(f"secret {node} {self.number}")),
        }
        message = RecordUpdate(task_id="task", number=self.number, **{**fields, **changes})
        return self.do(node, "training:record_update", message)

    def updates(self, *nodes: str) -> None:
        for node in nodes or self.round().participants:
            self.update(node)

    def scoring(self, who: str = OUTSIDER) -> Any:
        return self.do(who, "training:begin_scoring", OneRound(task_id="task", number=self.number))

    def row(self, node: str, bad: tuple[str, ...] = ()) -> tuple[int, ...]:
        state = self.round()
        asked = state.asked[state.participants.index(node)]
        return tuple(
            (BAD if other in bad else GOOD + place) if place in asked else NOT_ASKED
            for place, other in enumerate(state.participants)
        )

    def score(self, node: str, scores: tuple[int, ...] | None = None, *, reveal: bool = True) -> Any:
        secret = sha(f"secret {node} {self.number}") if reveal else None
        message = RecordScores(
            task_id="task", number=self.number, scores=scores or self.row(node), secret=secret
        )
        return self.do(node, "training:record_scores", message)

    def scores(self, *nodes: str, bad: tuple[str, ...] = ()) -> None:
        for node in nodes or self.round().participants:
            self.score(node, self.row(node, bad))

    def close(self, who: str = OUTSIDER) -> Any:
        return self.do(who, "training:close_round", OneRound(task_id="task", number=self.number))

    def globally(self, who: str = LEADER, **changes: Any) -> Any:
        fields: dict[str, Any] = {"model": sha(f"global {self.number}"), "size_bytes": 9, "location": "here"}
        message = RecordGlobal(task_id="task", number=self.number, **{**fields, **changes})
        return self.do(who, "training:record_global", message)

    def seal(self, who: str | None = None, model: str | None = None) -> Any:
        leader = who or self.round().election.ranking[0]
        digest = model or sha(f"global {self.number}")
        return self.do(leader, "elections:seal", Seal(task_id="task", number=self.number, model=digest))

    def play(self, *, bad: tuple[str, ...] = ()) -> Any:
        """Play a whole round; return its state."""
        number = self.number
        self.open()
        self.updates()
        self.scoring()
        self.scores(bad=bad)
        self.close()
        self.globally()
        self.seal()
        return self.round(number)

    def approve(self, *nodes: str, quality: int = GOOD) -> None:
        for node in nodes:
            self.do(node, "elections:approve", Approve(task_id="task", quality_nano=quality))

    def complete(self, who: str = OUTSIDER) -> Any:
        return self.do(who, "elections:complete", OneTask(task_id="task"))

    def wait(self, time_ms: int) -> None:
        self.stage.ledger.time_ms += time_ms


@pytest.fixture
def start(stage: Any) -> Callable[..., Game]:
    return lambda **terms: Game(stage, **terms)


def test_a_task_from_its_first_round_to_its_completion(start: Callable[..., Game]) -> None:
    game = start(rounds=2)
    before = game.stage.read(ACCOUNTS, "escrow:task").balance
    for number in (1, 2):
        state = game.play()
        assert state.status is RoundStatus.SEALED
        assert sum(state.verdict.weights) == NANO
        assert sum(state.verdict.rewards) == 100
        assert state.election.sealed_by == state.election.ranking[0]
        assert before - 100 * number == game.stage.read(ACCOUNTS, "escrow:task").balance
    with refused(COMMITTEE_OPEN):
        game.complete()
    game.approve(*NODES[:3])
    assert game.complete().status is TaskStatus.COMPLETED
    assert game.stage.read(TASKS, "task").model.digest == sha("global 2")
    assert game.stage.read(ACCOUNTS, "escrow:task").balance == 0


def test_a_liar_is_eliminated_after_the_warm_up_and_earns_nothing_then(start: Callable[..., Game]) -> None:
    game = start(rounds=3)
    liar = NODES[0]
    assert game.play(bad=(liar,)).verdict.eliminated == ()
    verdict = game.play(bad=(liar,)).verdict
    assert verdict.eliminated == (liar,)
    assert (verdict.weights[0], verdict.rewards[0]) == (0, 0)
    assert game.stage.read(SEATS, "task", liar).status is SeatStatus.ELIMINATED
    assert liar not in game.play().participants


def test_an_eliminated_member_may_appeal_once_and_returns_after_cooling(start: Callable[..., Game]) -> None:
    game = start(rounds=6)
    liar = NODES[0]
    appeal = AppealElimination(task_id="task")
    with refused(NOT_ELIMINATED):
        game.do(liar, "training:appeal", appeal)
    game.play(bad=(liar,))
    game.play(bad=(liar,))
    assert game.do(liar, "training:appeal", appeal).returns_at_round == 4
    with refused(APPEALED_ALREADY):
        game.do(liar, "training:appeal", appeal)
    assert liar not in game.play().participants
    assert liar in game.play().participants


def test_an_appeal_is_too_late_when_the_rounds_are_over_before_the_return(start: Callable[..., Game]) -> None:
    game = start(rounds=3)
    game.play(bad=(NODES[0],))
    game.play(bad=(NODES[0],))
    with refused(NO_MORE_ROUNDS):
        game.do(NODES[0], "training:appeal", AppealElimination(task_id="task"))


def test_a_round_closes_without_those_who_are_silent(start: Callable[..., Game]) -> None:
    game = start(rounds=2)
    game.open()
    game.updates(*NODES[:3])
    with refused(ROUND_NOT_DUE):
        game.scoring()
    game.wait(600_001)
    with refused(ROUND_DEADLINE):
        game.update(NODES[3])
    game.scoring()
    game.scores(*NODES[:3])
    with refused(ROUND_NOT_DUE):
        game.close()
    game.wait(600_001)
    with refused(ROUND_DEADLINE):
        game.score(NODES[3])
    verdict = game.close().verdict
    assert verdict.missed == (NODES[3],)
    assert verdict.weights[3] == verdict.rewards[3] == 0
    assert game.stage.read(SEATS, "task", NODES[3]).missed == 1


def test_a_model_that_nobody_can_have_counts_as_missed(start: Callable[..., Game]) -> None:
    game = start(rounds=2)
    game.open()
    game.updates()
    game.scoring()
    for node in NODES:
        game.score(node, tuple(UNAVAILABLE if i == 0 and s >= 0 else s for i, s in enumerate(game.row(node))))
    assert NODES[0] in game.close().verdict.missed


def test_copies_are_lazy(start: Callable[..., Game]) -> None:
    game = start(rounds=3)
    game.play()
    game.open()
    game.update(NODES[0], model="original")
    game.update(NODES[1], model="original")
    game.update(NODES[2], model="global 1")
    game.update(NODES[3])
    game.scoring()
    game.scores()
    assert set(game.close().verdict.lazy) == {NODES[1], NODES[2]}
    assert game.stage.read(SEATS, "task", NODES[1]).lazy == 1


def test_the_aggregator_opens_and_records_and_others_only_when_it_is_late(start: Callable[..., Game]) -> None:
    game = start(rounds=3)
    with refused(NOT_THE_AGGREGATOR):
        game.open(NODES[0])
    game.wait(60_001)
    game.open(NODES[0])
    game.updates()
    game.scoring()
    game.scores()
    game.close()
    ranking = game.round().election.ranking
    first = next(node for node in ranking if node != LEADER)
    with refused(NOT_THE_AGGREGATOR):
        game.globally(first)
    with refused(NO_GLOBAL_MODEL):
        game.seal()
    game.wait(60_000 * (ranking.index(first) + 1))
    game.globally(first)
    with refused(GLOBAL_RECORDED):
        game.globally()
    game.seal()


def test_the_next_in_rank_seals_when_the_leader_does_not(start: Callable[..., Game]) -> None:
    game = start(rounds=2)
    game.open()
    game.updates()
    game.scoring()
    game.scores()
    game.close()
    game.globally()
    leader, second, *_ = game.round().election.ranking
    with refused(NOT_YOUR_TURN):
        game.seal(second)
    with refused(WRONG_MODEL):
        game.seal(leader, model=sha("another"))
    with refused(ROUND_ORDER):
        game.open()
    game.wait(60_000)
    assert game.seal(second).sealed_by == second
    with refused(ROUND_STATUS):
        game.do(leader, "elections:seal", Seal(task_id="task", number=1, model=sha("global 1")))


def test_what_is_recorded_twice_by_others_or_in_the_wrong_phase_is_refused(
    start: Callable[..., Game],
) -> None:
    game = start(rounds=2)
    game.open()
    with refused(NOT_A_PARTICIPANT):
        game.update(OUTSIDER)
    with refused(ROUND_STATUS):
        game.score(NODES[0])
    game.update(NODES[0])
    with refused(RECORD_EXISTS):
        game.update(NODES[0], model="second thoughts")
    game.updates(*NODES[1:])
    with refused(ROUND_NOT_DUE):
        game.close()
    game.scoring()
    with refused(ROUND_STATUS):
        game.update(NODES[0])
    game.score(NODES[0])
    with refused(RECORD_EXISTS):
        game.score(NODES[0])


@pytest.mark.parametrize(
    "row",
    [
        (GOOD, GOOD, GOOD),
        (GOOD, GOOD, GOOD, GOOD),
        (NOT_ASKED, NOT_ASKED, GOOD, GOOD),
    ],
)
def test_rows_answer_what_was_asked(start: Callable[..., Game], row: tuple[int, ...]) -> None:
    game = start(rounds=1)
    game.open()
    game.updates()
    game.scoring()
    with refused(SCORES_MALFORMED):
        game.score(NODES[0], row)


def test_an_accuracy_is_at_most_one(start: Callable[..., Game]) -> None:
    game = start(rounds=1, kind="classification")
    game.open()
    game.updates()
    game.scoring()
    with refused(SCORES_MALFORMED):
        game.score(NODES[0], (NOT_ASKED, NANO + 1, NANO, NANO))


def test_a_secret_is_what_was_committed_to_and_seeds_the_next_round(start: Callable[..., Game]) -> None:
    game = start(rounds=2)
    game.open()
    game.updates()
    game.scoring()
    message = RecordScores(task_id="task", number=1, scores=game.row(NODES[0]), secret=sha("made up"))
    with refused(SECRET_MISMATCH):
        game.do(NODES[0], "training:record_scores", message)
    game.scores(*NODES[1:])
    twin = Game.__new__(Game)
    twin.stage = game.stage.fork()
    game.score(NODES[0])
    twin.score(NODES[0], reveal=False)
    assert game.close().next_seed != twin.close().next_seed


def test_validators_are_drawn_from_the_seed(start: Callable[..., Game]) -> None:
    game = start(rounds=1, rules={"validators_per_model": 2})
    game.open()
    state = game.round()
    assert sum(len(asked) for asked in state.asked) == 2 * len(NODES)
    assert all(place not in asked for place, asked in enumerate(state.asked))
    game.updates()
    game.scoring()
    game.scores()
    assert sum(game.close().verdict.rewards) == 100


def test_rounds_without_validation_close_after_their_updates(start: Callable[..., Game]) -> None:
    game = start(rounds=1, rules={"elimination": "none"})
    game.open()
    game.updates()
    verdict = game.close().verdict
    assert verdict.level is None
    assert sum(verdict.weights) == NANO
    assert sum(verdict.rewards) == 100
    game.globally()
    game.seal()
    game.approve(*NODES)
    assert game.complete().status is TaskStatus.COMPLETED


def test_the_budget_decides_whether_an_update_is_taken(start: Callable[..., Game]) -> None:
    game = start(rounds=3, rules={"elimination": "none"})
    game.open()
    with refused(NO_BUDGET):
        game.update(NODES[0], events=(EVENT,))
    for node in NODES:
        bound = Bound(
            dataset_id=f"{node}-data", requester="AlphaMSP", epsilon_nano=2 * NANO, delta_pico=10**7
        )
        game.do(node.replace("node", "admin"), "privacy:grant", bound)
    with refused(BUDGET_EXHAUSTED):
        game.update(NODES[0], events=(Gaussian(noise_multiplier_nano=NANO // 10, count=100),))
    assert game.update(NODES[0], events=(EVENT,)).spent_nano > 0


def test_a_private_task_takes_no_update_without_events(start: Callable[..., Game], stage: Any) -> None:
    for node in NODES:
        stage.provider(node)
        bound = Bound(dataset_id=f"{node}-data", requester="AlphaMSP", epsilon_nano=NANO, delta_pico=10**7)
        stage.do(node.replace("node", "admin"), "privacy:grant", bound)
    stage.task(team_size=4, rounds=1, privacy_required=True)
    stage.team("task", LEADER, *[node for node in NODES if node != LEADER])
    stage.start("task", LEADER)
    game = Game.__new__(Game)
    game.stage = stage
    game.open()
    with refused(PRIVACY_REQUIRED):
        game.update(NODES[0])


def test_a_round_needs_two_members(start: Callable[..., Game]) -> None:
    game = start(rounds=2)
    for node in NODES:
        if node != LEADER:
            game.do(node, "teams:leave", OneTeam(task_id="task"))
    with refused(TOO_FEW_PARTICIPANTS):
        game.open()


def test_no_round_follows_the_last(start: Callable[..., Game]) -> None:
    game = start(rounds=1)
    with refused(NOT_FINAL):
        game.approve(NODES[0])
    game.play()
    with refused(NO_MORE_ROUNDS):
        game.open()


def test_a_model_worse_than_claimed_is_not_taken(start: Callable[..., Game]) -> None:
    game = start(rounds=1)
    game.play()
    with refused(NOT_A_PARTICIPANT):
        game.approve(OUTSIDER)
    game.approve(*NODES, quality=2 * GOOD)
    assert game.complete().status is TaskStatus.EXPIRED
    assert game.stage.read(ACCOUNTS, "escrow:task").balance == 0


def test_an_absent_committee_decides_when_its_time_is_over(start: Callable[..., Game]) -> None:
    game = start(rounds=1)
    game.play()
    game.approve(*NODES[:2])
    game.wait(600_001)
    assert game.complete().status is TaskStatus.EXPIRED


def test_reaching_the_target_ends_a_task_early_and_refunds_the_rest(start: Callable[..., Game]) -> None:
    game = start(rounds=5, target_quality_nano=GOOD + 10)
    game.play()
    state = game.stage.ask("elections:committee", OneTask(task_id="task"))
    assert state.members == list(NODES)
    game.approve(*NODES)
    assert game.complete().status is TaskStatus.COMPLETED


def test_fifty_members_commit_in_parallel_without_touching_a_common_key(stage: Any) -> None:
    from fedpact_chaincode.state import encode
    from fedpact_chaincode.testing import MemoryStub

    game = Game(stage, rounds=1)
    game.open()
    touched = []
    for node in NODES:
        message = RecordUpdate(
            task_id="task",
            number=1,
            model=sha(node),
            size_bytes=1,
            location="here",
            commitment=sha("c"),
        )
        args = [b"training:record_update", encode(message)]
        stub = MemoryStub(stage.ledger, stage.creator(node), args, "0" * 64)
        assert stage.ledger.chaincode.invoke(stub).status == 200
        touched.append(set(stub.writes))
    assert not set.intersection(*touched)
    state = stage.read(ROUNDS, "task", 1)
    assert all(ROUNDS.key_of(state.task_id, state.number) not in writes for writes in touched)


def test_of_two_equal_updates_the_one_that_the_ledger_took_first_is_the_original(
    start: Callable[..., Game],
) -> None:
    game = start(rounds=2)
    game.open()
    game.updates(*NODES[1:])
    game.stage.ledger.time_ms -= 2  # a copy may be dated before its original
    copied = game.stage.read(UPDATES, "task", 1, NODES[1]).model
    message = RecordUpdate(
        task_id="task",
        number=1,
        model=copied,
        size_bytes=1,
        location="here",
        commitment=commitment_of(sha(f"secret {NODES[0]} 1")),
    )
    game.do(NODES[0], "training:record_update", message)
    game.scoring()
    game.scores()
    assert game.close().verdict.lazy == (NODES[0],)


def test_who_has_left_records_nothing_and_is_not_paid(start: Callable[..., Game]) -> None:
    game = start(rounds=2)
    game.open()
    game.updates()
    game.do(NODES[0], "teams:leave", OneTeam(task_id="task"))
    game.scoring()
    with refused(NOT_SEATED):
        game.score(NODES[0])
    game.scores(*NODES[1:])
    game.wait(600_001)
    closed = game.close()
    assert closed.absent == (NODES[0],)
    assert closed.verdict.rewards[0] == closed.verdict.weights[0] == 0
    assert sum(closed.verdict.rewards) == 100


def test_when_all_in_rank_are_gone_any_participant_may_seal(start: Callable[..., Game]) -> None:
    game = start(rounds=2)
    game.open()
    game.updates(NODES[2])
    game.wait(600_001)
    game.scoring()
    game.score(NODES[2], game.row(NODES[2]))
    game.wait(600_001)
    game.close()
    game.globally()
    ranking = game.round().election.ranking
    assert ranking == (NODES[2],)
    with refused(NOT_YOUR_TURN):
        game.seal(NODES[0])
    game.wait(60_000)
    assert game.seal(NODES[0]).sealed_by == NODES[0]


def test_measurements_of_one_round_say_nothing_of_another(start: Callable[..., Game]) -> None:
    game = start(rounds=5, target_quality_nano=GOOD + 10)
    game.play()
    game.approve(*NODES)
    game.play()
    with refused(COMMITTEE_OPEN):
        game.complete()


def test_claims_and_measurements_are_accuracies_where_scores_are(start: Callable[..., Game]) -> None:
    game = start(rounds=1, kind="classification", rules={"elimination": "none"})
    game.open()
    game.updates()
    game.close()
    with refused(SCORES_MALFORMED):
        game.globally(quality_nano=NANO + 1)
    game.globally(quality_nano=NANO)
    game.seal()
    with refused(SCORES_MALFORMED):
        game.approve(NODES[0], quality=NANO + 1)


def test_large_errors_are_taken(start: Callable[..., Game]) -> None:
    game = start(rounds=1, rules={"elimination": "none"})
    game.open()
    game.updates()
    game.close()
    assert game.globally(quality_nano=10**16).model.quality_nano == 10**16
