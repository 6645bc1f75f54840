"""A consortium at work: any member does anything at any time, and an auditor adds up after every step."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.chaincode.auditor import LIVING, Auditor, Row
from tests.chaincode.conftest import People, Stage, data_of
from tests.chaincode.round_auditor import NANO, asked_of

from fedpact_chaincode.contracts.credit import Transfer
from fedpact_chaincode.contracts.elections.committee import Approve
from fedpact_chaincode.contracts.elections.committee import OneTask as CommitteeOf
from fedpact_chaincode.contracts.elections.sealing import Seal
from fedpact_chaincode.contracts.privacy import Bound, Gaussian, Laplace, Mechanism
from fedpact_chaincode.contracts.tasks.transactions import Appoint, CreateTask, OneTask
from fedpact_chaincode.contracts.teams.discipline import Slash
from fedpact_chaincode.contracts.teams.forming import Assess
from fedpact_chaincode.contracts.teams.recruiting import Apply, OneTeam, OpenTeam
from fedpact_chaincode.contracts.training.appeals import AppealElimination
from fedpact_chaincode.contracts.training.closing import RecordGlobal
from fedpact_chaincode.contracts.training.opening import OneRound, OpenRound
from fedpact_chaincode.contracts.training.recording import RecordScores, RecordUpdate
from fedpact_chaincode.errors import Kind, Rejected

EXAMPLES, STEPS = 180, 70
NODES = [
    "AlphaMSP/node",
    "BetaMSP/node",
    "BetaMSP/second",
    "GammaMSP/node",
    "DeltaMSP/node",
    "DeltaMSP/second",
]
REQUESTERS = ["AlphaMSP/researcher", "AlphaMSP/scientist"]
TASKS = [f"task-{number}" for number in range(5)]
ACCOUNTS = [*NODES, *REQUESTERS, "BetaMSP", "escrow:task-0", "council:issue"]

seldom = st.sampled_from([False] * 9 + [True])
amounts = st.integers(-1, 3_000)  # 0 stands for all there is, -1 for one more
nodes = st.sampled_from(NODES)
numbers = st.integers(0, 1000)
mechanisms = st.lists(
    st.builds(Laplace, epsilon_nano=st.integers(1, 4 * 10**8), count=st.integers(1, 3))
    | st.builds(Gaussian, noise_multiplier_nano=st.integers(4 * 10**9, 10**11), count=st.integers(1, 3)),
    max_size=3,
).map(tuple)
terms = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["classification", "regression"]),
        "rounds": st.integers(1, 5),
        "reward_per_round": st.integers(0, 1_000),
        "team_size": st.integers(2, 5),
        "min_mortgage": st.integers(0, 1_000),
        "min_credit": st.sampled_from([0] * 29 + [1]),
        "privacy_required": st.booleans(),
        "target_quality_nano": st.sampled_from([None, None, 900_000_000]),
        "rules": st.fixed_dictionaries(
            {
                "rewards": st.sampled_from(["default", "paper"]),
                "compensation": st.sampled_from(["default", "paper"]),
                "elimination": st.sampled_from(["guarded", "guarded", "paper", "none"]),
                "committee": st.sampled_from(["quorum", "all"]),
                "validators_per_model": st.sampled_from([0, 0, 1]),
                "warmup_rounds": st.integers(0, 1),
                "cooling_rounds": st.integers(0, 1),
                "update_time_ms": st.just(60),
                "score_time_ms": st.just(60),
                "act_time_ms": st.just(20),
            }
        ),
    }
)


def while_some(*statuses: str) -> Any:
    """Enable a rule while there is a task in one of these statuses; its wild attempts still go anywhere."""
    return precondition(lambda machine: machine.in_status(*statuses))


@dataclass(frozen=True)
class Play:
    """How participants behave: who is away (bits), whose model is bad, what else they do wrong."""

    away: int
    liar: int
    copied: bool
    reveals: bool
    claims: bool
    events: tuple[Mechanism, ...]


plays = st.builds(
    Play,
    away=st.sampled_from([0, 0, 0, 0, 1, 2, 5]),
    liar=st.integers(0, 7),
    copied=seldom,
    reveals=st.booleans(),
    claims=st.booleans(),
    events=mechanisms,
)


class Consortium(RuleBasedStateMachine):
    """Every rule is one attempt: the contracts take it, or refuse it and leave no trace."""

    origin: ClassVar[Stage]
    issued_at_origin: ClassVar[int]
    done: ClassVar[Counter[str]] = Counter()
    refused: ClassVar[Counter[str]] = Counter()
    steps: ClassVar[int] = 0

    @initialize(
        some_terms=st.lists(terms, min_size=3, max_size=3), order=st.permutations(NODES), started=numbers
    )
    def begin(self, some_terms: list[dict[str, Any]], order: list[str], started: int) -> None:
        """Begin with three tasks, at least one of them at work: by chance it would take long to get there."""
        self.stage = self.origin.fork()
        self.auditor = Auditor()
        self.issued = self.issued_at_origin
        self.audited()
        for number, drawn in enumerate(some_terms):
            self.create(TASKS[number], REQUESTERS[0], drawn, 3_000)
            self.audited()
            if number <= started % 3:
                self.staff(number, order[number:] + order[:number], 2_000)

    @invariant()
    def audited(self) -> None:
        if hasattr(self, "auditor"):
            self.auditor.check(self.stage.ledger.state, issued=self.issued)

    def attempt(self, who: str, function: str, message: msgspec.Struct) -> None:
        type(self).steps += 1
        before = dict(self.stage.ledger.state)
        refusal = None
        try:
            self.stage.do(who, function, message)
        except Rejected as rejected:
            refusal = rejected
        if refusal is None:
            self.done[function] += 1
        else:
            assert self.stage.ledger.state == before, "a refused call left a trace"
            assert refusal.code.kind is not Kind.INTERNAL, str(refusal)
            self.refused[refusal.code.name] += 1

    def some_task(self, number: int, *statuses: str, wild: bool) -> str:
        """Return a task in one of the statuses, if there is one; any task for a wild attempt."""
        fit = self.in_status(*statuses)
        among = TASKS if wild or not fit else fit
        return among[number % len(among)]

    def in_status(self, *statuses: str) -> list[str]:
        rows = self.auditor.rows("tasks.task")
        return sorted(row["id"] for row in rows if row["status"] in statuses)

    def leader(self, task_id: str) -> str:
        [team] = self.auditor.rows("teams.team", task_id) or [{"leader": NODES[0]}]
        return str(team["leader"])

    def members(self, task_id: str) -> list[str]:
        seats: list[Row] = self.auditor.rows("teams.seat", task_id)
        return sorted(seat["node"] for seat in seats) or NODES

    def outsiders(self, task_id: str) -> list[str]:
        busy = {
            row["node"]
            for prefix in ("teams.seat", "teams.candidate")
            for row in self.auditor.rows(prefix, task_id)
        }
        return [node for node in NODES if node not in busy] or NODES

    # Credit and privacy

    @rule(account=st.sampled_from(ACCOUNTS), amount=st.integers(0, 5_000), seldom=seldom)
    def issue(self, account: str, amount: int, seldom: bool) -> None:
        if not seldom:
            account, amount = NODES[amount % len(NODES)], amount + 1
        self.stage.motions += 1
        before = dict(self.stage.ledger.state)
        try:
            self.stage.issue(account, amount)
        except Rejected:
            self.stage.ledger.state = before
            return
        type(self).steps += 1
        self.issued += amount

    @rule(
        who=nodes,
        ends=st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS)),
        amount=amounts,
        wild=seldom,
    )
    def transfer(self, who: str, ends: tuple[str, str], amount: int, wild: bool) -> None:
        source, target = (ends[0] if wild else who), ends[1]
        message = Transfer(source=source, target=target, amount=max(1, self.sum(source, amount)))
        self.attempt(who, "credit:transfer", message)

    @rule(node=nodes, epsilon=st.integers(1, 5 * 10**9), delta=st.sampled_from([0, 10**7, 10**7]))
    def amend(self, node: str, epsilon: int, delta: int) -> None:
        bound = Bound(dataset_id=data_of(node), requester="AlphaMSP", epsilon_nano=epsilon, delta_pico=delta)
        self.attempt(node, "privacy:amend", bound)

    # Tasks

    @rule(
        id_=st.sampled_from(TASKS),
        who=st.sampled_from(REQUESTERS),
        terms=terms,
        time=st.sampled_from([20, 300, 3_000]),
    )
    def create(self, id_: str, who: str, terms: dict[str, Any], time: int) -> None:
        fixed = {"id": id_, "category": Stage.CATEGORY, "fingerprint": "f" * 64}
        deadline = self.stage.ledger.time_ms + time * 10
        message = msgspec.convert({**fixed, **terms, "deadline_ms": deadline}, CreateTask)
        self.attempt(who, "tasks:create", message)

    @while_some(*LIVING)
    @rule(number=numbers, node=nodes, what=st.sampled_from(["appoint", "expire", "cancel"]), wild=seldom)
    def end_or_appoint(self, number: int, node: str, what: str, wild: bool) -> None:
        """Do what requesters do, and ending a task after its deadline, which anybody may."""
        usual = {"appoint": ["teamed", "running"], "expire": LIVING, "cancel": ["open", "teamed"]}
        task_id = self.some_task(number, *usual[what], wild=wild)
        if what == "appoint":
            among = NODES if wild else self.members(task_id)
            message = Appoint(task_id=task_id, node=among[number % len(among)])
            self.attempt(node if wild else self.requester(task_id), "tasks:appoint", message)
        elif what == "expire":
            self.attempt(node, "tasks:expire", OneTask(task_id=task_id))
        elif number % 3 == 0:
            self.attempt(self.requester(task_id), "tasks:cancel", OneTask(task_id=task_id))

    @rule(time=st.integers(0, 100), number=numbers, to_deadline=seldom)
    def wait(self, time: int, number: int, to_deadline: bool) -> None:
        """Let time pass, sometimes to just before or after a task's deadline."""
        type(self).steps += 1
        self.stage.ledger.time_ms += time
        living = self.in_status(*LIVING)
        if to_deadline and living:
            task = self.auditor.tables["tasks.task"][living[number % len(living)],]
            self.stage.ledger.time_ms = max(self.stage.ledger.time_ms, task["deadline_ms"] + number % 2)

    def sum(self, account: str, amount: int) -> int:
        """Return the amount that a drawn number stands for."""
        held = self.auditor.balance(account)
        return {0: held, -1: held + 1}.get(amount, amount)

    def requester(self, task_id: str) -> str:
        row = self.auditor.tables["tasks.task"].get((task_id,))
        return str(row["requester"]) if row else REQUESTERS[0]

    # Teams

    @while_some("open")
    @rule(number=numbers, node=nodes, mortgage=st.integers(0, 2_500), wild=seldom)
    def open_team(self, number: int, node: str, mortgage: int, wild: bool) -> None:
        task_id = self.some_task(number, "open", wild=wild)
        respond_by = self.stage.ledger.time_ms + number if wild else 0
        message = OpenTeam(
            task_id=task_id, dataset_id=data_of(node), mortgage=mortgage, respond_by_ms=respond_by
        )
        self.attempt(node, "teams:open_team", message)

    @while_some("open")
    @rule(number=numbers, other=nodes, mortgage=amounts, wish=st.integers(0, 10**9), wild=seldom)
    def apply(self, number: int, other: str, mortgage: int, wish: int, wild: bool) -> None:
        task_id = self.some_task(number, "open", wild=wild)
        free = self.outsiders(task_id)
        node = other if wild else free[number % len(free)]
        message = Apply(
            task_id=task_id,
            dataset_id=data_of(other if wild and number % 2 else node),
            mortgage=self.sum(node, mortgage),
            preference_nano=wish,
        )
        self.attempt(node, "teams:apply", message)

    @while_some("open")
    @rule(number=numbers, ability=st.integers(0, 10**9), wild=seldom)
    def assess(self, number: int, ability: int, wild: bool) -> None:
        task_id = self.some_task(number, "open", wild=wild)
        candidates = [row["node"] for row in self.auditor.rows("teams.candidate", task_id)] or NODES
        message = Assess(task_id=task_id, node=candidates[number % len(candidates)], ability_nano=ability)
        self.attempt(self.leader(task_id), "teams:assess", message)

    @while_some("open")
    @rule(number=numbers, order=st.permutations(NODES), mortgage=st.integers(1_000, 2_000))
    def staff(self, number: int, order: list[str], mortgage: int) -> None:
        """Open a team, let everybody apply, form and start: what would take long to happen by chance."""
        task_id = self.some_task(number, "open", wild=False)
        opening = OpenTeam(task_id=task_id, dataset_id=data_of(order[0]), mortgage=mortgage)
        self.attempt(order[0], "teams:open_team", opening)
        self.audited()
        if not self.auditor.rows("teams.team", task_id):
            return
        for rank, node in enumerate(order[1:]):
            message = Apply(
                task_id=task_id, dataset_id=data_of(node), mortgage=mortgage, preference_nano=rank
            )
            self.attempt(node, "teams:apply", message)
        self.audited()
        for step in ("form", "start"):
            self.attempt(self.leader(task_id), f"teams:{step}", OneTeam(task_id=task_id))
            self.audited()

    @while_some(*LIVING)
    @rule(
        number=numbers,
        who=nodes,
        what=st.sampled_from(["form", "start", "promote", "withdraw", "dissolve", "leave", "accuse_leader"]),
        wild=seldom,
    )
    def team(self, number: int, who: str, what: str, wild: bool) -> None:
        """Take one of the steps that need no more than a task and a caller."""
        status = {"form": "open", "dissolve": "open", "start": "teamed"}.get(what, "running")
        task_id = self.some_task(number, status, wild=wild)
        if not wild:
            members = self.members(task_id)
            by_leader = what in {"form", "start", "dissolve"}
            who = self.leader(task_id) if by_leader else members[number % len(members)]
            if what == "withdraw":
                waiting = [row["node"] for row in self.auditor.rows("teams.candidate", task_id)] or NODES
                who = waiting[number % len(waiting)]
        self.attempt(who, f"teams:{what}", OneTeam(task_id=task_id))

    @while_some("running")
    @rule(number=numbers, who=nodes, wild=seldom)
    def slash(self, number: int, who: str, wild: bool) -> None:
        task_id = self.some_task(number, "running", wild=wild)
        leader = self.leader(task_id)
        seats = self.auditor.rows("teams.seat", task_id)
        guilty = [s["node"] for s in seats if s["missed"] + s["lazy"] and s["node"] != leader]
        among = NODES if wild or not guilty else sorted(guilty)
        message = Slash(task_id=task_id, node=among[number % len(among)])
        for _ in range(1 + number % 2):
            self.attempt(who if wild else leader, "teams:slash", message)

    # Rounds

    @while_some("running")
    @rule(number=numbers, play=plays, steps=st.integers(1, 14))
    def play(self, number: int, play: Play, steps: int) -> None:
        """Carry the current round on by some steps, as its participants would; some are away, one lies."""
        task_id = self.some_task(number, "running", wild=False)
        for _ in range(steps):
            self.next_step(task_id, play)

    @while_some("running")
    @rule(number=numbers, who=nodes, play=plays, steps=st.integers(0, 6), wild=seldom)
    def meddle(self, number: int, who: str, play: Play, steps: int, wild: bool) -> None:
        """Do anything that belongs to rounds out of turn."""
        task_id = self.some_task(number, "running", wild=wild)
        rounds = self.auditor.rows("training.round", task_id)
        place = {"task_id": task_id, "number": 1 + number % (len(rounds) + 1)}
        messages: list[tuple[str, msgspec.Struct]] = [
            ("training:open_round", OpenRound(task_id=task_id)),
            ("training:record_update", RecordUpdate(**place, **model_of(who, number), commitment="0" * 64)),
            ("training:begin_scoring", OneRound(**place)),
            ("training:record_scores", RecordScores(**place, scores=tuple(range(-2, number % 5)))),
            ("training:close_round", OneRound(**place)),
            ("training:record_global", RecordGlobal(**place, **model_of(who, number))),
            ("elections:seal", Seal(**place, model="0" * 64)),
        ]
        self.attempt(who, *messages[steps])

    @while_some("running")
    @rule(number=numbers, wild=seldom)
    def appeal(self, number: int, wild: bool) -> None:
        task_id = self.some_task(number, "running", wild=wild)
        seats = self.auditor.rows("teams.seat", task_id)
        out = sorted(seat["node"] for seat in seats if seat["status"] == "eliminated" or wild)
        if out:
            self.attempt(out[number % len(out)], "training:appeal", AppealElimination(task_id=task_id))

    def next_step(self, task_id: str, play: Play) -> None:
        """Do what comes next in a task's rounds."""
        rounds = sorted(self.auditor.rows("training.round", task_id), key=lambda row: row["number"])
        task = self.auditor.tables["tasks.task"].get((task_id,))
        if task is None or task["status"] != "running":
            return
        if not rounds or (rounds[-1]["status"] == "sealed" and task["rounds_closed"] < task["rounds"]):
            self.attempt(
                task["aggregator"] or self.leader(task_id), "training:open_round", OpenRound(task_id=task_id)
            )
        elif rounds[-1]["status"] == "sealed":
            self.finish(task, rounds[-1], play)
        else:
            self.advance(task, rounds[-1], play)
        self.audited()

    def advance(self, task: Row, round_: Row, play: Play) -> None:
        """Record updates, then scores, then close the round, record its model and seal it."""
        place = {"task_id": task["id"], "number": round_["number"]}
        people = [person["node"] for person in round_["participants"]]
        here = [node for bit, node in enumerate(people) if not play.away >> bit & 1]
        key = task["id"], f"{round_['number']:020d}"
        table = "training.update" if round_["status"] == "updates" else "training.scores"
        done = {row["node"] for row in self.auditor.rows(table, *key)}
        late = self.stage.ledger.time_ms > (round_["scores_due_ms"] or round_["updates_due_ms"])
        over = late or round_["status"] not in {"updates", "scoring"}
        missing = [] if over else [node for node in here if node not in done]
        someone = here[0] if here else people[0]
        if missing:
            record = self.record_updates if round_["status"] == "updates" else self.record_scores
            record(task, round_, missing, play)
            if here != people:
                self.pass_time(round_["scores_due_ms"] or round_["updates_due_ms"])
        elif round_["status"] == "updates" and not (task["rules"]["elimination"] == "none" and play.copied):
            self.attempt(someone, "training:begin_scoring", OneRound(**place))
        elif round_["status"] in {"updates", "scoring"}:
            self.attempt(someone, "training:close_round", OneRound(**place))
        elif round_["model"] is None:
            model = model_of("global", round_["number"])
            quality = round_["verdict"]["level"] if play.claims else None
            message = RecordGlobal(**place, **model, quality_nano=quality)
            self.attempt(task["aggregator"] or self.leader(task["id"]), "training:record_global", message)
        else:
            rank = play.away % len(round_["verdict"]["ranking"])
            message = Seal(**place, model=round_["model"]["digest"])
            for _ in range(1 + bool(rank)):  # those before it in rank are away, and it comes too early first
                self.attempt(round_["verdict"]["ranking"][rank], "elections:seal", message)
                self.stage.ledger.time_ms += 20 * rank

    def record_updates(self, task: Row, round_: Row, nodes: list[str], play: Play) -> None:
        for node in nodes:
            commitment = hashlib.sha256(bytes.fromhex(secret_of(node, round_["number"]))).hexdigest()
            message = RecordUpdate(
                task_id=task["id"],
                number=round_["number"],
                **model_of("copy" if play.copied else node, round_["number"]),
                commitment=commitment,
                events=play.events,
            )
            self.attempt(node, "training:record_update", message)

    def record_scores(self, task: Row, round_: Row, nodes: list[str], play: Play) -> None:
        place = {"task_id": task["id"], "number": round_["number"]}
        people = [person["node"] for person in round_["participants"]]
        for node in nodes:
            scores = measured(task, round_, people.index(node), play)
            if play.copied:  # it is not asked about its own organisation's models, but says something
                everything = tuple(max(0, score) for score in scores)
                self.attempt(node, "training:record_scores", RecordScores(**place, scores=everything))
            secret = secret_of(node, round_["number"]) if play.reveals else None
            message = RecordScores(**place, scores=scores, secret=secret)
            self.attempt(node, "training:record_scores", message)

    def finish(self, task: Row, round_: Row, play: Play) -> None:
        """Let the committee measure the final model, and decide."""
        people = [person["node"] for person in round_["participants"]]
        claim = round_["model"]["quality_nano"] or round_["verdict"]["level"] or 0
        for bit, node in enumerate(people):
            if not play.away >> bit & 1:
                quality = claim // 2 if play.liar == bit else claim
                self.attempt(node, "elections:approve", Approve(task_id=task["id"], quality_nano=quality))
        self.pass_time(self.stage.ledger.time_ms + 60)
        self.attempt(people[0], "elections:complete", CommitteeOf(task_id=task["id"]))

    def pass_time(self, until_ms: int) -> None:
        self.stage.ledger.time_ms = max(self.stage.ledger.time_ms, until_ms + 1)


def model_of(node: str, number: int) -> dict[str, Any]:
    """Return what a node records of a model: it trains another one in every round."""
    return {
        "model": hashlib.sha256(f"{node} {number}".encode()).hexdigest(),
        "size_bytes": 1_000,
        "location": f"store://{node}/{number}",
    }


def secret_of(node: str, number: int) -> str:
    return hashlib.sha256(f"secret {node} {number}".encode()).hexdigest()


def measured(task: Row, round_: Row, validator: int, play: Play) -> tuple[int, ...]:
    """Return a validator's scores: models differ a little, and one is far worse for everybody."""
    scores = [-2] * len(round_["participants"])
    for model in asked_of(round_, validator):
        noise = (7919 * (model + 1) * (validator + 2)) % 1009
        bad = model == play.liar
        if task["kind"] == "classification":
            scores[model] = (300_000_000 if bad else 900_000_000) + noise * 10_000
        else:
            scores[model] = (90 if bad else 45) * NANO + noise * 1_000_000
    return tuple(scores)


def consortium(people: People) -> Stage:
    """Return a consortium whose nodes have credit, datasets, grants and budgets."""
    stage = Stage(people)
    for node in NODES:
        stage.provider(node, credit=10_000)
        bound = Bound(
            dataset_id=data_of(node), requester="AlphaMSP", epsilon_nano=2 * 10**9, delta_pico=10**7
        )
        stage.do(node, "privacy:grant", bound)
    for requester in REQUESTERS:
        stage.issue(requester, 20_000)
    return stage


@pytest.mark.timeout(600)
def test_anything_anybody_does_keeps_the_books(people: People) -> None:
    Consortium.origin = consortium(people)
    Consortium.issued_at_origin = len(NODES) * 10_000 + len(REQUESTERS) * 20_000
    run_state_machine_as_test(
        Consortium,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        ),
    )
    print(f"{Consortium.steps} steps, done {dict(Consortium.done)}, refused {dict(Consortium.refused)}")
    assert Consortium.steps >= 10_000
