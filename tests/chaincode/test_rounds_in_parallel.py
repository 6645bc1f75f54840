"""Fifty members record at the same time: no call reads or scans what another one of the phase writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.chaincode.conftest import Stage
from tests.chaincode.test_training import NANO, Game, sha

from fedpact_chaincode.contracts.elections.committee import Approve
from fedpact_chaincode.contracts.elections.committee import OneTask as OneFinalModel
from fedpact_chaincode.contracts.elections.sealing import Seal
from fedpact_chaincode.contracts.privacy.records import Laplace
from fedpact_chaincode.contracts.privacy.transactions import Bound
from fedpact_chaincode.contracts.tasks.records import TASKS, TaskStatus
from fedpact_chaincode.contracts.training.closing import RecordGlobal
from fedpact_chaincode.contracts.training.opening import OneRound, OpenRound
from fedpact_chaincode.contracts.training.recording import RecordScores, RecordUpdate
from fedpact_chaincode.rules.evidence import NOT_ASKED
from fedpact_chaincode.rules.lottery import commitment_of
from fedpact_chaincode.state import encode
from fedpact_chaincode.testing import MemoryStub

MEMBERS = 50
SPEND = (Laplace(epsilon_nano=NANO // 10),)


class WatchedStub(MemoryStub):
    """Remembers what was read."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.reads: set[str] = set()
        self.ranges: list[tuple[str, str]] = []

    def get_state(self, key: str) -> bytes | None:
        self.reads.add(key)
        return super().get_state(key)

    def get_state_by_range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        self.ranges.append((start, end))
        return super().get_state_by_range(start, end)


def commit_together(stage: Stage, function: str, messages: dict[str, msgspec.Struct]) -> None:
    """Execute every call on one state, assert that none conflicts with another, and commit them all."""
    stubs = []
    for node, message in messages.items():
        args = [function.encode(), encode(message)]
        stub = WatchedStub(stage.ledger, stage.creator(node), args, sha(node))
        response = stage.ledger.chaincode.invoke(stub)
        assert response.status == 200, response.message
        stubs.append(stub)
    written: dict[str, int] = {}
    for number, stub in enumerate(stubs):
        assert stub.writes
        for key in stub.writes:
            assert written.setdefault(key, number) == number, f"two calls write {key!r}"
    for number, stub in enumerate(stubs):
        assert stub.ranges == []
        assert {written.get(key, number) for key in stub.reads} == {number}
    for stub in stubs:
        stage.ledger.state.update({key: value for key, value in stub.writes.items() if value is not None})


@pytest.fixture(scope="module")
def members() -> list[str]:
    return sorted(f"{Stage.ORGANISATIONS[i % 4]}/member{i:02}" for i in range(MEMBERS))


@pytest.fixture
def big(stage: Stage, members: list[str]) -> Stage:
    """A running task of fifty members with a privacy budget each, its first round open."""
    for node in members:
        stage.provider(node)
        bound = Bound(dataset_id=f"{node}-data", requester="AlphaMSP", epsilon_nano=NANO, delta_pico=0)
        stage.do(node.partition("/")[0] + "/admin", "privacy:grant", bound)
    stage.task(
        rounds=1,
        team_size=MEMBERS,
        privacy_required=True,
        reward_per_round=1_000,
        deadline_ms=stage.ledger.time_ms + 10**8,
    )
    stage.team("task", members[0], *members[1:])
    stage.start("task", members[0])
    stage.do(members[0], "training:open_round", OpenRound(task_id="task"))
    return stage


def test_fifty_members_record_without_a_conflict_and_are_paid(big: Stage, members: list[str]) -> None:
    one = OneRound(task_id="task", number=1)
    updates = {
        node: RecordUpdate(
            task_id="task",
            number=1,
            model=sha(node),
            size_bytes=1,
            location="store://model",
            commitment=commitment_of(sha(f"secret {node}")),
            events=SPEND,
        )
        for node in members
    }
    commit_together(big, "training:record_update", updates)
    big.do(members[1], "training:begin_scoring", one)
    state = big.ask("training:round_state", one)
    assert state.participants == members
    scores = {
        node: RecordScores(
            task_id="task",
            number=1,
            scores=tuple(40 * NANO + model if model in asked else NOT_ASKED for model in range(len(members))),
            secret=sha(f"secret {node}"),
        )
        for node, asked in zip(members, state.asked, strict=True)
    }
    commit_together(big, "training:record_scores", scores)
    verdict = big.do(members[2], "training:close_round", one).verdict
    assert sum(verdict.rewards) == 1_000
    assert sum(verdict.weights) == NANO
    recorded = RecordGlobal(
        task_id="task", number=1, model=sha("global"), size_bytes=1, location="here", quality_nano=40 * NANO
    )
    big.do(members[0], "training:record_global", recorded)
    big.do(verdict.ranking[0], "elections:seal", Seal(task_id="task", number=1, model=sha("global")))
    measured = {node: Approve(task_id="task", quality_nano=41 * NANO) for node in members}
    commit_together(big, "elections:approve", measured)
    big.do(members[3], "elections:complete", OneFinalModel(task_id="task"))
    assert big.read(TASKS, "task").status is TaskStatus.COMPLETED


def test_a_game_of_few_conflicts_nowhere_either(stage: Stage) -> None:
    game = Game(stage, rounds=2)
    game.play()
    game.open()
    nodes = game.round().participants
    commit_together(
        stage,
        "training:record_update",
        {
            node: RecordUpdate(
                task_id="task",
                number=2,
                model=sha(node),
                size_bytes=1,
                location="here",
                commitment=sha("c"),
            )
            for node in nodes
        },
    )
