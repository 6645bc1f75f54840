"""An auditor of the raw state: derives money, mortgages, escrow and budgets by code of its own.

It reads keys and JSON only and shares nothing with the contracts: no record types, no arithmetic. `check`
takes the state after every step, compares it with what it must be and with the state before it.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

from tests.chaincode.round_auditor import audit_charges, audit_round, audit_rounds, audit_scores

Row = dict[str, Any]
Table = dict[tuple[str, ...], Row]
Change = tuple[str, Row | None, Row | None]

APPEND_ONLY = {
    "credit.entry",
    "privacy.charge",
    "teams.accusation",
    "training.update",
    "training.scores",
    "training.appeal",
    "elections.approval",
}
KEPT = APPEND_ONLY | {"tasks.task", "privacy.budget", "credit.account", "credit.supply", "training.round"}

TASK_STEPS = {
    None: {"open"},
    "open": {"open", "teamed", "cancelled", "expired"},
    "teamed": {"teamed", "running", "cancelled", "expired"},
    "running": {"running", "completed", "expired"},
    "completed": {"completed"},
    "cancelled": {"cancelled"},
    "expired": {"expired"},
}
SEAT_STEPS = {
    None: {"active"},
    "active": {"active", "eliminated", "left", "slashed"},
    "eliminated": {"eliminated", "active", "left", "slashed"},
    "left": {"left"},
    "slashed": {"slashed"},
}
LIVING = {"open", "teamed", "running"}
PRESENT = {"active", "eliminated"}


class Auditor:
    """Remembers the last state it saw, and what every entry since the beginning adds up to.

    Attributes
    ----------
    tables : decoded rows by object type and key.
    running : balance of every account by its entries.
    flows : sum of entries by account and reason.
    compensated : punishments received, by task.
    """

    def __init__(self) -> None:
        self.raw: dict[str, bytes] = {}
        self.tables: dict[str, Table] = defaultdict(dict)
        self.running: Counter[str] = Counter()
        self.lengths: Counter[str] = Counter()
        self.flows: Counter[tuple[str, str]] = Counter()
        self.compensated: Counter[str] = Counter()
        self.checks = 0

    def check(self, state: dict[str, bytes], *, issued: int) -> None:
        """Assert everything about a state; `issued` is what the council is known to have issued."""
        changes: list[Change] = []
        for key in sorted(self.raw.keys() | state.keys()):
            if self.raw.get(key) is state.get(key):
                continue
            prefix, parts = split(key)
            old = self.tables[prefix].pop(parts, None)
            new = json.loads(state[key]) if key in state else None
            if new is not None:
                self.tables[prefix][parts] = new
            changes.append((prefix, old, new))
        self.raw = dict(state)
        self._entries([new for prefix, _, new in changes if prefix == "credit.entry"])
        self._money(issued)
        for task in self.rows("tasks.task"):
            self._escrow(task)
            self._team(task)
            audit_rounds(self, task)
        self._mortgages()
        for budget in self.rows("privacy.budget"):
            self._budget(budget)
        audit_charges(self)
        for prefix, old, new in changes:
            transition(prefix, old, new)
            if prefix == "training.round":
                audit_round(self, old, new)
            if prefix == "training.scores" and new is not None:
                audit_scores(self, new)
        self.checks += 1

    def rows(self, prefix: str, *leading: str) -> list[Row]:
        """Return the rows of a table whose key begins with these parts."""
        return [row for key, row in self.tables[prefix].items() if key[: len(leading)] == leading]

    def balance(self, account: str) -> int:
        row = self.tables["credit.account"].get((account,))
        return int(row["balance"]) if row else 0

    def _entries(self, new: list[Row | None]) -> None:
        """Add new entries to the books; each must have another side with the opposite amount."""
        pairs: Counter[tuple[str, str, int, int, str]] = Counter()
        for entry in new:
            assert entry is not None, "an entry was removed"
            account, amount = entry["account"], entry["amount"]
            sign = 1 if amount > 0 else -1
            ends = (account, entry["counterparty"])[::sign]
            pairs[(*ends, abs(amount), entry["time_ms"], entry["reason"])] += sign
            self.running[account] += amount
            self.flows[account, entry["reason"]] += amount
            if entry["reason"] == "penalty" and amount > 0:
                self.compensated[entry["reference"]] += amount
            if entry["reason"] == "reward":
                self.flows[account, "earned"] += max(0, amount)
            assert entry["sequence"] == self.lengths[account]
            assert entry["balance_after"] == self.running[account]
            assert self.running[account] >= 0 or account == "council:issue", f"{account} was negative"
            self.lengths[account] += 1
        assert not any(pairs.values()), "an entry without its other side"

    def _money(self, issued: int) -> None:
        for row in self.rows("credit.account"):
            name = row["id"]
            derived = (self.running[name], self.lengths[name], self.flows[name, "earned"])
            assert (row["balance"], row["entries"], row["earned"]) == derived
        held = sum(row["balance"] for row in self.rows("credit.account"))
        supply = self.tables["credit.supply"][()]["issued"]
        assert held == supply == issued == -self.running["council:issue"], "credit appeared or vanished"

    def _escrow(self, task: Row) -> None:
        escrow = f"escrow:{task['id']}"
        reward = task["reward_per_round"]
        printed = task["rules"]["rewards"] == "paper"
        funding = task["rounds"] * (
            reward + (math.ceil(Fraction(reward, task["team_size"])) if printed else 0)
        )
        assert self.flows[escrow, "funding"] == funding
        paid, penalties = -self.flows[escrow, "reward"], self.flows[escrow, "penalty"]
        rest = funding - paid + penalties
        assert paid >= 0
        assert rest >= 0
        if task["status"] in LIVING:
            assert self.balance(escrow) == rest
        else:
            assert self.balance(escrow) == 0
            assert -self.flows[escrow, "refund"] == rest

    def _mortgages(self) -> None:
        held: Counter[str] = Counter()
        for task in self.rows("tasks.task"):
            living, taken = task["status"] in LIVING, 0
            for seat in self.rows("teams.seat", task["id"]):
                account = f"mortgage:{task['id']}:{seat['node']}"
                assert 0 <= seat["slashed_micros"] <= punishable(task, seat) <= seat["mortgage"]
                assert seat["mortgage"] >= task["min_mortgage"] * (2 if seat["standing"] == 0 else 1)
                assert -self.flows[account, "penalty"] == seat["slashed_micros"]
                taken += seat["slashed_micros"]
                if living and seat["status"] != "left":
                    held[account] = seat["mortgage"] - seat["slashed_micros"]
            for candidate in self.rows("teams.candidate", task["id"]):
                assert candidate["mortgage"] >= task["min_mortgage"]
                if living:
                    held[f"mortgage:{task['id']}:{candidate['node']}"] = candidate["mortgage"]
            assert self.compensated[task["id"]] == taken, "a punishment is not what others received"
        for (account,) in self.tables["credit.account"]:
            if account.startswith("mortgage:"):
                assert self.balance(account) == held[account], account

    def _team(self, task: Row) -> None:
        seats, candidates = self.rows("teams.seat", task["id"]), self.rows("teams.candidate", task["id"])
        present = [seat for seat in seats if seat["status"] in PRESENT]
        assert sorted(seat["standing"] for seat in seats) == list(range(len(seats)))
        assert sum(seat["status"] == "active" for seat in seats) <= task["team_size"]
        for seat in seats:
            assert seat["node"].split("/")[0] == seat["mspid"] == seat["dataset_id"].split("/")[0]
        if task["status"] not in LIVING:
            return
        brought = [(row["dataset_id"], row["node"]) for row in present + candidates]
        assert len({dataset for dataset, _ in brought}) == len(brought), "a dataset counts twice"
        sources = self.rows("teams.source", task["id"])
        assert sorted((row["dataset_id"], row["node"]) for row in sources) == sorted(brought)
        teams = self.rows("teams.team", task["id"])
        assert teams or task["status"] == "open"
        for team in teams:
            assert team["leader"] in {seat["node"] for seat in present}
            assert team["seated"] == len(seats)
            assert (team["status"] == "formed") == (task["status"] != "open")

    def _budget(self, budget: Row) -> None:
        charges = self.rows("privacy.charge", budget["dataset_id"], budget["requester"])
        assert sorted(charge["sequence"] for charge in charges) == list(range(budget["releases"]))
        pure, rho_pure, rho_noise = Fraction(), Fraction(), Fraction()
        for event in (event for charge in charges for event in charge["events"]):
            count = event.get("count", 1)
            if event["type"] == "laplace":
                one = Fraction(event["epsilon_nano"], 10**9)
                pure, rho_pure = pure + count * one, rho_pure + count * one**2 / 2
            else:
                rho_noise += count / (2 * Fraction(event["noise_multiplier_nano"], 10**9) ** 2)
        spent = proven(float(pure), float(rho_pure), float(rho_noise), budget["delta_pico"] * 1e-12)
        assert spent <= budget["epsilon_nano"] * 1e-9 * (1 + 1e-12), "a budget is overspent"
        assert pure == Fraction(budget["pure_nano"], 10**9)
        for kept, exact in ((budget["pure_rho_pico"], rho_pure), (budget["gaussian_rho_pico"], rho_noise)):
            assert 0 <= Fraction(kept, 10**12) - exact < Fraction(len(charges) + 1, 10**11)


def transition(prefix: str, old: Row | None, new: Row | None) -> None:
    """Assert that one row changed as rows of its table may."""
    if prefix in APPEND_ONLY:
        assert old is None, f"{prefix} is append-only"
    if prefix in KEPT:
        assert new is not None, f"{prefix} is never removed"
    if prefix == "tasks.task" and new is not None:
        assert new["status"] in TASK_STEPS[old and old["status"]]
        assert new["rounds_closed"] <= new["rounds"]
        if old is not None:
            assert new["updated_ms"] >= old["updated_ms"]
            assert new["rounds_closed"] - old["rounds_closed"] in {0, 1}
            fixed = new.keys() - {"status", "updated_ms", "aggregator", "rounds_closed", "model"}
            assert all(new[name] == old[name] for name in fixed), "a task's terms changed"
    if prefix == "teams.seat" and new is not None:
        assert new["status"] in SEAT_STEPS[old and old["status"]]
        for name in ("missed", "lazy", "slashed_micros", "deposed"):
            assert old is None or new[name] >= old[name]
    if prefix == "privacy.budget" and old is not None and new is not None:
        for name in ("pure_nano", "pure_rho_pico", "gaussian_rho_pico", "releases"):
            assert new[name] >= old[name]


def punishable(task: Row, seat: Row) -> int:
    """Return mortgage * min(1, (p + q) / v), with one fault at least for a deposed leader (Miao eq. 1-2)."""
    faults = max(seat["missed"] + seat["lazy"], 1 if seat["deposed"] else 0)
    return math.floor(seat["mortgage"] * min(Fraction(1), Fraction(faults, task["rounds"])))


def proven(pure: float, rho_pure: float, rho_noise: float, delta: float) -> float:
    """Return epsilon at delta in floating point (Bun & Steinke 2016, Prop. 1.3)."""

    def convert(rho: float) -> float:
        if rho == 0:
            return 0.0
        return rho + 2 * math.sqrt(rho * math.log(1 / delta)) if delta else math.inf

    return min(pure + convert(rho_noise), convert(rho_pure + rho_noise))


def split(key: str) -> tuple[str, tuple[str, ...]]:
    """Return the object type and the attributes of a composite key."""
    prefix, *parts = key[1:].rstrip("\0").split("\0")
    return prefix, tuple(parts)
