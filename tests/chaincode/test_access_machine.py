"""Anything in any order, by anybody, at any time: members, devices, readings and sharing under audit."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.chaincode.access_auditor import AccessAuditor
from tests.chaincode.conftest import People, Stage

from fedpact_chaincode.contract import Context, Contract, Message
from fedpact_chaincode.contracts.catalog import Form, OneDataset, Publish, Update
from fedpact_chaincode.contracts.registry import (
    CastVote,
    NodeKind,
    OneDevice,
    Propose,
    RegisterDevice,
    RegisterNode,
)
from fedpact_chaincode.contracts.sharing import AskForModel, Deliver, GrantAccess, OneGrant, remember
from fedpact_chaincode.contracts.telemetry import FEEDS, AnchorBatch
from fedpact_chaincode.errors import Kind, Rejected

EXAMPLES, STEPS = 80, 80
OWNERS = st.sampled_from(["AlphaMSP", "BetaMSP"])
ANYBODY = st.sampled_from(["AlphaMSP", "BetaMSP", "GammaMSP", "DeltaMSP", "OmegaMSP"])
NAMES = st.sampled_from(["a", "b"])
SUBJECTS = st.builds("{}/{}".format, OWNERS, NAMES)
CATEGORIES = st.sampled_from(["diabetes", "diabetes", "digits"])
HASHES = st.sampled_from(["0" * 64, "1" * 64])
TASKS = st.sampled_from(["task-1", "task-2", "task-3"])
DEVICE_KINDS = st.sampled_from(["activate_device"] * 4 + ["suspend_device", "revoke_device"])
BALLOTS = st.lists(st.sampled_from([True, True, True, True, False]), min_size=1, max_size=4)
SLIPS = st.sampled_from(["none"] * 7 + ["role", "organisation", "stranger"])
"""Whether a call comes from who may make it, or what is wrong with its caller."""

completions = Contract("completions", "Lets tasks complete")


class Completion(Message, frozen=True, kw_only=True):
    fingerprint: str
    requester: str
    category: str
    task_id: str
    datasets: list[str]


@completions.transaction
def complete(ctx: Context, message: Completion) -> None:
    fields = msgspec.structs.asdict(message)
    remember(ctx, fields.pop("fingerprint"), **fields, model="a" * 64, location="", quality_nano=1)


class AccessMachine(RuleBasedStateMachine):
    people: People
    outcomes: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(self.people)
        self.stage.ledger.chaincode.contracts["completions"] = completions
        self.auditor = AccessAuditor()
        self.audited_ms = self.stage.ledger.time_ms
        self.names = 0
        for mspid in ("AlphaMSP", "BetaMSP"):
            self.attempt(f"{mspid}/node", "registry:register_node", RegisterNode(kind=NodeKind.PROVIDER))
            self.publish(mspid, "a", "diabetes", 5, "none")
            self.register_device(mspid, "a", "none")
            self.council_decides(mspid, "activate_device", f"{mspid}/a", [True, True, True], "none")
            self.grant(f"{mspid}/a", "GammaMSP", "diabetes", 10**6, "none")
        self.task_completes("0" * 64, "GammaMSP", "diabetes", "task-1", ["AlphaMSP/a"])

    def attempt(self, who: str, function: str, message: msgspec.Struct) -> Any:
        """Submit and audit; a refusal is an outcome like any other, a failure of the contract is not."""
        before = dict(self.stage.ledger.state)
        self.audited_ms = self.stage.ledger.time_ms
        result, outcome = None, function
        try:
            result = self.stage.do(who, function, message)
        except Rejected as rejected:
            outcome = rejected.code.name
            if rejected.code.kind is Kind.INTERNAL or self.stage.ledger.state != before:
                raise
        self.outcomes[outcome] += 1
        self.audit()
        return result

    def caller(self, mspid: str, role: str, slip: str) -> str:
        """Who calls: the one who may, unless there is a slip."""
        if slip == "role":
            role = "device"
        return f"{ {'organisation': 'GammaMSP', 'stranger': 'OmegaMSP'}.get(slip, mspid) }/{role}"

    def fresh(self, word: str) -> str:
        self.names += 1
        return f"{word}-{self.names}"

    @rule(pause_ms=st.sampled_from([-30, 1, 5, 20, 100, 200]))
    def time_passes(self, pause_ms: int) -> None:
        self.stage.ledger.time_ms += pause_ms

    @rule(mspid=OWNERS, name=NAMES, slip=SLIPS)
    def register_device(self, mspid: str, name: str, slip: str) -> None:
        message = RegisterDevice(name=name, public_key="04" + "00" * 64)
        self.attempt(self.caller(mspid, "node", slip), "registry:register_device", message)

    @rule(device=SUBJECTS, slip=SLIPS)
    def suspend(self, device: str, slip: str) -> None:
        who = self.caller(owner_of(device), "admin", slip)
        self.attempt(who, "registry:suspend_device", OneDevice(id=device))

    @rule(mspid=OWNERS, kind=DEVICE_KINDS, subject=SUBJECTS, ballots=BALLOTS, slip=SLIPS)
    def council_decides(self, mspid: str, kind: str, subject: str, ballots: list[bool], slip: str) -> None:
        proposed = Propose(name=self.fresh("m"), kind=kind, subject=subject)
        motion = self.attempt(self.caller(mspid, "admin", slip), "registry:propose", proposed)
        if motion is not None:
            for member, approve in zip(Stage.ORGANISATIONS, ballots, strict=False):
                ballot = CastVote(motion=motion.id, approve=approve)
                self.attempt(f"{member}/validator", "registry:vote", ballot)

    @rule(mspid=OWNERS)
    def propose_admission(self, mspid: str) -> None:
        proposed = Propose(
            name=self.fresh("m"), kind="admit_organisation", subject="OmegaMSP", detail="Omega"
        )
        self.attempt(f"{mspid}/admin", "registry:propose", proposed)

    @precondition(lambda self: self.stage.ledger.state)
    @rule(mspid=ANYBODY, data=st.data(), approve=st.booleans(), slip=SLIPS)
    def vote(self, mspid: str, data: st.DataObject, approve: bool, slip: str) -> None:
        known = [key for key in self.stage.ledger.state if key.startswith("\x00registry.motion\x00")]
        motion = data.draw(st.sampled_from(known)).split("\x00")[2]
        ballot = CastVote(motion=motion, approve=approve)
        self.attempt(self.caller(mspid, "validator", slip), "registry:vote", ballot)

    @rule(mspid=OWNERS, name=NAMES, category=CATEGORIES, rows=st.integers(1, 9), slip=SLIPS)
    def publish(self, mspid: str, name: str, category: str, rows: int, slip: str) -> None:
        custodian = f"{mspid}/node"
        message = Publish(name=name, category=category, form=Form.TEXT, rows=rows, custodian=custodian)
        self.attempt(self.caller(mspid, "admin", slip), "catalog:publish", message)

    @rule(dataset=SUBJECTS, rows=st.integers(1, 9), slip=SLIPS)
    def update(self, dataset: str, rows: int, slip: str) -> None:
        who = self.caller(owner_of(dataset), "node", slip)
        self.attempt(who, "catalog:update", Update(id=dataset, rows=rows))

    @precondition(lambda self: self.names % 10 == 9)
    @rule(dataset=SUBJECTS, slip=SLIPS)
    def withdraw(self, dataset: str, slip: str) -> None:
        who = self.caller(owner_of(dataset), "admin", slip)
        self.attempt(who, "catalog:withdraw", OneDataset(id=dataset))

    @rule(
        dataset=SUBJECTS,
        requester=ANYBODY,
        purpose=CATEGORIES,
        lasts_ms=st.sampled_from([0, 50, 500, 10**6]),
        slip=SLIPS,
    )
    def grant(self, dataset: str, requester: str, purpose: str, lasts_ms: int, slip: str) -> None:
        expires_ms = self.stage.ledger.time_ms + lasts_ms
        message = GrantAccess(dataset_id=dataset, requester=requester, purpose=purpose, expires_ms=expires_ms)
        self.attempt(self.caller(owner_of(dataset), "node", slip), "sharing:grant", message)

    @rule(dataset=SUBJECTS, requester=ANYBODY, purpose=CATEGORIES, slip=SLIPS)
    def revoke(self, dataset: str, requester: str, purpose: str, slip: str) -> None:
        message = OneGrant(dataset_id=dataset, requester=requester, purpose=purpose)
        self.attempt(self.caller(owner_of(dataset), "node", slip), "sharing:revoke", message)

    @rule(
        owner=OWNERS,
        names=st.sampled_from(["aa", "aa", "ab", "ba"]),
        skip=st.integers(-3, 4),
        count=st.integers(1, 6),
        slip=SLIPS,
    )
    def anchor(self, owner: str, names: str, skip: int, count: int, slip: str) -> None:
        dataset, device = (f"{owner}/{name}" for name in names)
        feed = self.stage.read(FEEDS, dataset, device)
        first = max(0, (feed.last_sequence if feed else 0) + skip)
        message = AnchorBatch(
            dataset_id=dataset,
            device=device,
            first_sequence=first,
            last_sequence=first + count - 1,
            content_hash="c" * 64,
            root="d" * 64,
            count=count,
            subjects=1,
            first_ms=0,
            last_ms=1,
            schema="vitals/1",
            schema_digest="e" * 64,
            size_bytes=1,
        )
        self.attempt(self.caller(owner, "manager", slip), "telemetry:anchor", message)

    @rule(
        fingerprint=HASHES,
        requester=ANYBODY,
        category=CATEGORIES,
        task=TASKS,
        datasets=st.lists(SUBJECTS, min_size=1, max_size=2),
    )
    def task_completes(
        self, fingerprint: str, requester: str, category: str, task: str, datasets: list[str]
    ) -> None:
        message = Completion(
            fingerprint=fingerprint,
            requester=requester,
            category=category,
            task_id=task,
            datasets=datasets,
        )
        self.attempt("AlphaMSP/node", "completions:complete", message)

    @rule(
        mspid=ANYBODY,
        fingerprint=HASHES,
        category=CATEGORIES,
        max_age_ms=st.sampled_from([0, 100, 10**6]),
        revokes=st.booleans(),
        slip=SLIPS,
    )
    def request(
        self, mspid: str, fingerprint: str, category: str, max_age_ms: int, revokes: bool, slip: str
    ) -> None:
        message = AskForModel(
            name=self.fresh("r"), fingerprint=fingerprint, category=category, max_age_ms=max_age_ms
        )
        asked = self.attempt(self.caller(mspid, "node", slip), "sharing:request", message)
        if asked is not None and asked.task_id is not None:
            if revokes:
                self.revoke("AlphaMSP/a", asked.requester, category, "none")
            answer = Deliver(request_id=asked.id, task_id=asked.task_id)
            self.attempt("AlphaMSP/node", "sharing:deliver", answer)

    @rule(holder=ANYBODY, data=st.data(), task=TASKS)
    def deliver(self, holder: str, data: st.DataObject, task: str) -> None:
        known = [key for key in self.stage.ledger.state if key.startswith("\x00sharing.request\x00")]
        if known:
            request_id = data.draw(st.sampled_from(known)).split("\x00")[2]
            self.attempt(f"{holder}/node", "sharing:deliver", Deliver(request_id=request_id, task_id=task))

    def audit(self) -> None:
        self.auditor.check(self.stage.ledger.state, time_ms=self.audited_ms)


def owner_of(identifier: str) -> str:
    return identifier.partition("/")[0]


def test_nothing_happens_that_the_auditor_cannot_explain(people: People) -> None:
    AccessMachine.people = staticmethod(people)
    AccessMachine.outcomes.clear()
    run_state_machine_as_test(
        AccessMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    outcomes = AccessMachine.outcomes
    print(f"{sum(outcomes.values())} transactions: {dict(outcomes.most_common())}")
    assert sum(outcomes.values()) > EXAMPLES * STEPS // 2
    reached = ("registry:vote", "catalog:update", "telemetry:anchor", "sharing:deliver")
    assert [name for name in reached if not outcomes[name]] == []


FORGERIES = {
    "a vote is turned round": ("registry.vote\x00AlphaMSP/m-1\x00BetaMSP", b"true", b"false"),
    "a motion is reopened": ("registry.motion\x00AlphaMSP/m-1", b"passed", b"open"),
    "a device comes back": ("registry.device\x00AlphaMSP/b", b"revoked", b"active"),
    "a dataset grows in the past": ("catalog.dataset\x00AlphaMSP/a", b'"rows":5', b'"rows":50'),
    "a size becomes a float": ("catalog.dataset\x00AlphaMSP/a", b'"rows":5', b'"rows":5.0'),
    "readings are added": ("telemetry.feed\x00AlphaMSP/a\x00AlphaMSP/a", b'"readings":3', b'"readings":4'),
    "an anchor is exchanged": ("telemetry.anchor\x00AlphaMSP/a\x00AlphaMSP/a", b"ccc", b"ccd"),
    "a hit becomes a miss": ("sharing.request\x00GammaMSP/r-", b'"hit"', b'"unknown"'),
    "a tally is raised": ("sharing.tally", b'"hits":1', b'"hits":2'),
    "a delivery is of another model": ("sharing.delivery", b"aaa", b"bbb"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_the_auditor_notices(people: People, forgery: str) -> None:
    AccessMachine.people = staticmethod(people)
    machine = AccessMachine()
    machine.register_device("AlphaMSP", "b", "none")
    machine.council_decides("AlphaMSP", "revoke_device", "AlphaMSP/b", [True, True, True], "none")
    machine.anchor("AlphaMSP", "aa", 1, 3, "none")
    machine.request("GammaMSP", "0" * 64, "diabetes", 10**6, False, "none")
    machine.audit()
    place, old, new = FORGERIES[forgery]
    state = machine.stage.ledger.state
    [key] = [key for key in state if key.startswith(f"\x00{place}")]
    assert old in state[key]
    state[key] = state[key].replace(old, new, 1)
    with pytest.raises(AssertionError):
        machine.audit()


def test_the_auditor_notices_what_is_missing(people: People) -> None:
    AccessMachine.people = staticmethod(people)
    machine = AccessMachine()
    machine.stage.ledger.state.pop("\x00registry.vote\x00AlphaMSP/m-1\x00BetaMSP\x00")
    with pytest.raises(AssertionError, match="lost a record"):
        machine.audit()
