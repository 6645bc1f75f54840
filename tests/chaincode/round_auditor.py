"""The auditor of rounds: order, verdicts, payments, seeds and seals, by code of its own."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.chaincode.auditor import Auditor, Row

ROUND_STEPS = {
    None: {"updates"},
    "updates": {"updates", "scoring", "closed"},
    "scoring": {"scoring", "closed"},
    "closed": {"closed", "sealed"},
    "sealed": set(),
}
NANO = 10**9


def audit_rounds(auditor: Auditor, task: Row) -> None:
    """Assert what holds of all rounds of a task together."""
    rounds = sorted(auditor.rows("training.round", task["id"]), key=lambda row: row["number"])
    assert [row["number"] for row in rounds] == list(range(1, len(rounds) + 1))
    assert len(rounds) <= task["rounds"]
    sealed = [row for row in rounds if row["status"] == "sealed"]
    assert len(sealed) == task["rounds_closed"] >= len(rounds) - 1, "a round is open beside another"
    assert task["status"] in {"running", "completed", "expired"} or not rounds
    verdicts = [row["verdict"] for row in rounds if row["verdict"]]
    assert -auditor.flows[f"escrow:{task['id']}", "reward"] == sum(sum(v["rewards"]) for v in verdicts)
    missed = Counter(node for verdict in verdicts for node in verdict["missed"])
    lazy = Counter(node for verdict in verdicts for node in verdict["lazy"])
    dropped = Counter(node for verdict in verdicts for node in verdict["eliminated"])
    appeals = {row["node"]: row for row in auditor.rows("training.appeal", task["id"])}
    for seat in auditor.rows("teams.seat", task["id"]):
        node = seat["node"]
        assert seat["status"] == "left" or seat["missed"] <= missed[node]
        assert seat["lazy"] <= lazy[node]
        if seat["status"] in {"active", "eliminated"}:
            assert (seat["missed"], seat["lazy"]) == (missed[node], lazy[node])
            back = dropped[node] - (seat["status"] == "eliminated")
            assert 0 <= back <= (node in appeals), "back without an appeal"
    if task["status"] == "completed":
        assert sealed == rounds
        assert task["model"]["digest"] == rounds[-1]["model"]["digest"]
        assert auditor.rows("elections.approval", task["id"])
        [cached] = [row for row in auditor.rows("sharing.cache") if row["task_id"] == task["id"]]
        assert cached["model"] == task["model"]["digest"]


def audit_charges(auditor: Auditor) -> None:
    """Assert that every private update was charged once, and nothing else was."""
    updates = Counter(
        (row["task_id"], row["round"], row["node"], str(row["events"]), row["spent_nano"])
        for row in auditor.rows("training.update")
        if row["events"]
    )
    charges = Counter(
        (row["task_id"], row["round"], row["node"], str(row["events"]), row["spent_nano"])
        for row in auditor.rows("privacy.charge")
    )
    assert updates == charges


def audit_round(auditor: Auditor, old: Row | None, new: Row | None) -> None:
    """Assert what holds of one round that changed."""
    assert new is not None
    assert new["status"] in ROUND_STEPS[old and old["status"]]
    task = auditor.tables["tasks.task"][new["task_id"],]
    for name in ("participants", "asked", "seed", "opened_ms", "updates_due_ms"):
        assert old is None or new[name] == old[name], f"{name} of a round changed"
    place = new["task_id"], f"{new['number']:020d}"
    nodes = [participant["node"] for participant in new["participants"]]
    updates = {row["node"]: row for row in auditor.rows("training.update", *place)}
    scores = {row["node"]: row for row in auditor.rows("training.scores", *place)}
    assert updates.keys() | scores.keys() <= set(nodes)
    if old is None:
        _opened(auditor, task, new)
    if new["status"] in {"closed", "sealed"}:
        _verdict(task, new, updates, scores)
        secrets = sorted(row["secret"] for row in scores.values() if row["secret"])
        assert new["next_seed"] == hashed("next", new["seed"], *secrets)
    election = auditor.tables["elections.election"].get(place)
    assert (election is None) == (new["verdict"] is None)
    if election:
        assert election["ranking"] == new["verdict"]["ranking"]
        assert (election["sealed_by"] is not None) == (new["status"] == "sealed")
    if election and new["status"] == "sealed":
        others = {person["node"] for person in new["participants"]} - set(election["ranking"])
        rank = [*election["ranking"], *sorted(others)].index(election["sealed_by"])
        turn_ms = new["model"]["recorded_ms"] + rank * task["rules"]["act_time_ms"]
        assert election["sealed_ms"] >= turn_ms, "sealed before its turn"
        assert election["seal"] == _seal(auditor, place)


def audit_scores(auditor: Auditor, row: Row) -> None:
    """Assert that a row of scores answers what was asked, and reveals what was committed to."""
    place = row["task_id"], f"{row['round']:020d}"
    round_ = auditor.tables["training.round"][place]
    people = round_["participants"]
    position = [person["node"] for person in people].index(row["node"])
    asked = set(asked_of(round_, position))
    assert all(people[other]["mspid"] != people[position]["mspid"] for other in asked)
    assert [score == -2 for score in row["scores"]] == [p not in asked for p in range(len(people))]
    if row["secret"]:
        update = auditor.tables["training.update"][*place, row["node"]]
        assert hashlib.sha256(bytes.fromhex(row["secret"])).hexdigest() == update["commitment"]


def _opened(auditor: Auditor, task: Row, round_: Row) -> None:
    seats = {seat["node"]: seat for seat in auditor.rows("teams.seat", task["id"])}
    people = round_["participants"]
    assert [p["node"] for p in people] == sorted(n for n, s in seats.items() if s["status"] == "active")
    assert all(p["rows"] == seats[p["node"]]["rows"] for p in people)
    if round_["number"] == 1:
        assert round_["seed"] == hashed("first", task["id"], *sorted(p["node"] for p in people))
    else:
        before = auditor.tables["training.round"][task["id"], f"{round_['number'] - 1:020d}"]
        assert round_["seed"] == before["next_seed"]
    per_model = task["rules"]["validators_per_model"]
    validators = Counter(model for position in range(len(people)) for model in asked_of(round_, position))
    for model, person in enumerate(people):
        others = sum(other["mspid"] != person["mspid"] for other in people)
        assert validators[model] == (min(per_model, others) if per_model else others)


def _verdict(task: Row, round_: Row, updates: dict[str, Row], scores: dict[str, Row]) -> None:
    verdict, people = round_["verdict"], round_["participants"]
    nodes = [person["node"] for person in people]
    reward, size = task["reward_per_round"], task["team_size"]
    most = Fraction(reward) * (1 + Fraction(1, size) if task["rules"]["rewards"] == "paper" else 1)
    assert sum(verdict["rewards"]) <= most
    if task["rules"]["rewards"] == "default":
        assert sum(verdict["rewards"]) in {0, reward}
    assert sum(verdict["weights"]) in {0, NANO}
    assert sum(verdict["contributions"]) in {0, NANO}
    assert all(0 <= honest <= NANO for honest in verdict["honesty"])
    assert set(nodes) - updates.keys() <= set(verdict["missed"])
    earned = dict(zip(nodes, verdict["rewards"], strict=True))
    weight = dict(zip(nodes, verdict["weights"], strict=True))
    for node in verdict["missed"] + verdict["lazy"] + verdict["eliminated"]:
        assert earned[node] == 0
    for node in {*verdict["lazy"], *verdict["eliminated"], *(set(nodes) - updates.keys())}:
        assert weight[node] == 0
    assert {update["node"] for update in updates.values() if update["copied"]} == set(verdict["lazy"])
    originals = Counter(update["model"] for update in updates.values() if not update["copied"])
    assert max(originals.values(), default=1) == 1, "one model has two authors"
    for position, person in enumerate(people):
        total = sum(
            row["scores"][position]
            for other in people
            if (row := scores.get(other["node"])) and other["mspid"] != person["mspid"]
            if row["scores"][position] >= 0
        )
        assert verdict["totals"][position] == total  # BPCV eq. 6
    _eliminations(task, round_, scores)
    _ranking(task, round_)


def _eliminations(task: Row, round_: Row, scores: dict[str, Row]) -> None:
    verdict, rules, people = round_["verdict"], task["rules"], round_["participants"]
    nodes = [person["node"] for person in people]
    if rules["elimination"] == "none":
        assert verdict["eliminated"] == []
    if rules["elimination"] == "paper":
        assert len(verdict["eliminated"]) <= 1
    if rules["elimination"] == "guarded":
        assert verdict["eliminated"] == [] or round_["number"] > rules["warmup_rounds"]
        for node in verdict["eliminated"]:
            model = nodes.index(node)
            judges = {
                person["mspid"]
                for person in people
                if person["node"] in scores and scores[person["node"]]["scores"][model] >= 0
            }
            assert len(judges) >= rules["min_validators"]


def _ranking(task: Row, round_: Row) -> None:
    """Assert that the leader has the best quality: highest accuracy, or lowest MAE_u (Lu eq. 7)."""
    verdict, people = round_["verdict"], round_["participants"]
    ranking = verdict["ranking"]
    assert len(set(ranking)) == len(ranking) > 0
    assert set(ranking) <= {person["node"] for person in people}
    positions = [position for position, person in enumerate(people) if person["node"] in ranking]
    qualities = {people[p]["node"]: verdict["qualities"][p] for p in positions}
    if None in qualities.values():
        return
    if task["kind"] == "classification":
        assert qualities[ranking[0]] == max(qualities.values())
    else:
        rows = {people[p]["node"]: people[p]["rows"] for p in positions}
        weighted = {n: (1 + Fraction(rows[n], sum(rows.values()))) * q for n, q in qualities.items()}
        assert weighted[ranking[0]] == min(weighted.values())


def _seal(auditor: Auditor, place: tuple[str, str]) -> str:
    """Hash the raw rows of a round, of its updates and of its scores, in order of key."""
    digest = hashlib.sha256()
    for prefix in ("training.round", "training.update", "training.scores"):
        start = "\0" + "\0".join((prefix, *place)) + "\0"
        for key in sorted(key for key in auditor.raw if key.startswith(start)):
            digest.update(auditor.raw[key])
    return digest.hexdigest()


def asked_of(round_: Row, position: int) -> Sequence[int]:
    """Return whom a participant validates."""
    if round_["asked"]:
        asked: Sequence[int] = round_["asked"][position]
        return asked
    people: list[dict[str, Any]] = round_["participants"]
    return [p for p, person in enumerate(people) if person["mspid"] != people[position]["mspid"]]


def hashed(*parts: str) -> str:
    """Return SHA-256 over parts with their lengths before them."""
    text = "".join(f"{len(part)}:{part}" for part in ("fedpact", *parts))
    return hashlib.sha256(text.encode()).hexdigest()
