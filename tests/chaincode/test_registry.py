"""Founding, nodes, devices, and the council's decisions."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chaincode.conftest import People, Stage

from fedpact_chaincode.caller import caller_of
from fedpact_chaincode.contract import Context
from fedpact_chaincode.contracts.registry import (
    CastVote,
    Device,
    DevicesOf,
    DeviceStatus,
    Found,
    Founder,
    Motion,
    MotionStatus,
    NodeKind,
    OneDevice,
    Propose,
    RegisterDevice,
    RegisterNode,
    enacts,
    require_active_device,
    require_organisation,
)
from fedpact_chaincode.contracts.registry.council import MotionsAfter, OneMotion
from fedpact_chaincode.contracts.registry.organisations import NodesAfter, OneNode
from fedpact_chaincode.contracts.registry.records import (
    ALREADY_FOUNDED,
    BAD_FOUNDERS,
    BAD_ORGANISATION,
    BAD_THRESHOLD,
    DEVICE_NOT_ACTIVE,
    DEVICE_STATUS_FORBIDS,
    DEVICES,
    MOTION_DECIDED,
    MOTIONS,
    NODE_NOT_REGISTERED,
    NOT_A_MEMBER,
    ORGANISATIONS,
    UNKNOWN_MOTION_KIND,
    UNKNOWN_ORGANISATION,
    VOTED_ALREADY,
    VOTES,
)
from fedpact_chaincode.errors import (
    MALFORMED_MESSAGE,
    NOT_THE_OWNER,
    RECORD_EXISTS,
    RECORD_NOT_FOUND,
    ROLE_REQUIRED,
    TIME_RUNS_BACKWARDS,
)
from fedpact_chaincode.state import State
from fedpact_chaincode.testing import MemoryLedger, MemoryStub, refused

KEY = "04" + "ab" * 64
DEVICE = "AlphaMSP/monitor"
EVERYBODY = ("AlphaMSP", "BetaMSP", "GammaMSP", "DeltaMSP")


def founders(*mspids: str) -> list[Founder]:
    return [Founder(mspid=mspid, name=mspid) for mspid in mspids]


def inside(ledger: MemoryLedger, creator: bytes) -> Context:
    """The context of a contract's function, outside any transaction."""
    stub = MemoryStub(ledger, creator, [], "tx")
    return Context(State(stub), caller_of(creator), ledger.time_ms, "tx", "consortium", {}, [])


def register(stage: Stage, name: str = "monitor", who: str = "AlphaMSP/nurse") -> Device:
    return stage.do(who, "registry:register_device", RegisterDevice(name=name, public_key=KEY))


def decide(stage: Stage, kind: str, subject: str, *, name: str = "", detail: str = "") -> Motion:
    """Propose, and let three of four organisations approve."""
    proposed = Propose(
        name=name or f"{kind} {stage.ledger.time_ms}", kind=kind, subject=subject, detail=detail
    )
    motion = stage.do("BetaMSP/admin", "registry:propose", proposed)
    for mspid in EVERYBODY[:3]:
        motion = stage.do(f"{mspid}/validator", "registry:vote", CastVote(motion=motion.id, approve=True))
    return motion


class TestFounding:
    def test_the_founders_are_the_members(self, stage: Stage) -> None:
        members = stage.ask("registry:members").organisations
        assert [organisation.mspid for organisation in members] == sorted(EVERYBODY)
        settings_ = stage.ask("registry:settings")
        assert (settings_.council_numerator, settings_.council_denominator) == (2, 3)
        assert stage.ledger.events[0].name == "ConsortiumFounded"

    def test_only_once(self, stage: Stage) -> None:
        with refused(ALREADY_FOUNDED):
            stage.do("AlphaMSP/admin", "registry:found", Found(organisations=founders("AlphaMSP")))

    @pytest.mark.parametrize("mspids", [("BetaMSP",), ("AlphaMSP", "BetaMSP", "AlphaMSP")])
    def test_founders_are_distinct_and_include_the_caller(
        self, ledger: MemoryLedger, people: People, mspids: tuple[str, ...]
    ) -> None:
        admin = people("AlphaMSP", "admin", "admin")
        with refused(BAD_FOUNDERS, organisations=list(mspids)):
            ledger.submit(admin, "registry:found", Found(organisations=founders(*mspids)))
        assert ledger.state == {}

    @pytest.mark.parametrize(("numerator", "denominator"), [(1, 3), (1, 1), (3, 2), (0, 0), (0, 1)])
    def test_a_threshold_that_is_no_majority_or_cannot_be_passed(
        self, ledger: MemoryLedger, people: People, numerator: int, denominator: int
    ) -> None:
        message = Found(
            organisations=founders("AlphaMSP"), council_numerator=numerator, council_denominator=denominator
        )
        with refused(BAD_THRESHOLD, numerator=numerator):
            ledger.submit(people("AlphaMSP", "admin", "admin"), "registry:found", message)

    def test_an_administrator_founds(self, ledger: MemoryLedger, people: People) -> None:
        with refused(ROLE_REQUIRED, required=["admin"]):
            ledger.submit(
                people("AlphaMSP", "nurse"), "registry:found", Found(organisations=founders("AlphaMSP"))
            )

    def test_mspids_are_checked(self, ledger: MemoryLedger, people: People) -> None:
        with refused(MALFORMED_MESSAGE):
            ledger.submit(
                people("AlphaMSP", "admin", "admin"),
                "registry:found",
                Found(organisations=founders("AlphaMSP", "with/slash")),
            )

    def test_before_the_founding_nobody_is_a_member(self, ledger: MemoryLedger, people: People) -> None:
        nurse = people("AlphaMSP", "nurse")
        with refused(NOT_A_MEMBER, caller="AlphaMSP/nurse"):
            ledger.submit(nurse, "registry:register_node", RegisterNode(kind=NodeKind.PROVIDER))
        with refused(RECORD_NOT_FOUND):
            ledger.evaluate(nurse, "registry:settings")


class TestNodes:
    def test_a_node_registers_itself_with_its_certificates_key(self, stage: Stage) -> None:
        node = stage.do("AlphaMSP/node", "registry:register_node", RegisterNode(kind=NodeKind.PROVIDER))
        assert (node.id, node.mspid) == ("AlphaMSP/node", "AlphaMSP")
        assert node.public_key == caller_of(stage.creator("AlphaMSP/node")).public_key
        assert stage.ask("registry:node", OneNode(id=node.id)) == node

    def test_again_it_changes_what_is_known_of_it(self, stage: Stage) -> None:
        first = stage.do("AlphaMSP/node", "registry:register_node", RegisterNode(kind=NodeKind.PROVIDER))
        second = stage.do(
            "AlphaMSP/node",
            "registry:register_node",
            RegisterNode(kind=NodeKind.SUPER_NODE, endpoint="grpcs://node.example:7051"),
        )
        assert second.since_ms == first.since_ms < stage.ledger.time_ms
        assert stage.ask("registry:node", OneNode(id=first.id)) == second

    def test_neither_strangers_nor_devices_are_nodes(self, stage: Stage) -> None:
        message = RegisterNode(kind=NodeKind.PROVIDER)
        with refused(NOT_A_MEMBER, caller="OmegaMSP/node"):
            stage.do("OmegaMSP/node", "registry:register_node", message)
        with refused(ROLE_REQUIRED, role="device"):
            stage.do("AlphaMSP/device", "registry:register_node", message)
        with refused(NODE_NOT_REGISTERED, node="OmegaMSP/node"):
            stage.ask("registry:node", OneNode(id="OmegaMSP/node"))

    def test_pages(self, stage: Stage) -> None:
        ids = [f"{mspid}/{name}" for mspid in EVERYBODY for name in ("a", "b")]
        for identifier in ids:
            stage.do(identifier, "registry:register_node", RegisterNode(kind=NodeKind.PROVIDER))
        found: list[str] = []
        while page := stage.ask(
            "registry:nodes", NodesAfter(after=found[-1] if found else None, limit=3)
        ).nodes:
            assert len(page) <= 3
            found += [node.id for node in page]
        assert found == sorted(ids)


class TestDevices:
    def test_its_organisation_registers_it_and_the_council_activates_it(self, stage: Stage) -> None:
        assert register(stage).status is DeviceStatus.PENDING
        ctx = inside(stage.ledger, stage.creator("AlphaMSP/manager"))
        with refused(DEVICE_NOT_ACTIVE, device=DEVICE, status="pending"):
            require_active_device(ctx, DEVICE)
        assert decide(stage, "activate_device", DEVICE).status is MotionStatus.PASSED
        active = stage.ask("registry:device", OneDevice(id=DEVICE))
        assert active.status is DeviceStatus.ACTIVE
        assert active.changed_ms > active.registered_ms
        ctx = inside(stage.ledger, stage.creator("AlphaMSP/manager"))
        assert require_active_device(ctx, DEVICE) == active

    def test_who_may_register(self, stage: Stage) -> None:
        register(stage)
        with refused(RECORD_EXISTS):
            register(stage)
        with refused(ROLE_REQUIRED, required=["admin", "member"]):
            register(stage, "other", "AlphaMSP/validator")
        with refused(NOT_A_MEMBER):
            register(stage, "other", "OmegaMSP/nurse")

    @pytest.mark.parametrize("key", ["", "04", "04" + "AB" * 64, "02" + "ab" * 64, "04" + "ab" * 65])
    def test_keys_are_points_on_p256(self, stage: Stage, key: str) -> None:
        with refused(MALFORMED_MESSAGE):
            stage.do(
                "AlphaMSP/nurse", "registry:register_device", RegisterDevice(name="monitor", public_key=key)
            )

    def test_every_transition_of_its_life(self, stage: Stage) -> None:
        allowed = {
            ("pending", "activate_device"): "active",
            ("suspended", "activate_device"): "active",
            ("active", "suspend_device"): "suspended",
            ("pending", "revoke_device"): "revoked",
            ("active", "revoke_device"): "revoked",
            ("suspended", "revoke_device"): "revoked",
        }
        ways = {
            "pending": [],
            "active": ["activate_device"],
            "suspended": ["activate_device", "suspend_device"],
            "revoked": ["revoke_device"],
        }
        for status, way in ways.items():
            for kind in ("activate_device", "suspend_device", "revoke_device"):
                device = register(stage, f"{status} {kind}")
                for step in way:
                    decide(stage, step, device.id)
                assert stage.read(DEVICES, device.id).status == status
                if (status, kind) in allowed:
                    decide(stage, kind, device.id)
                    assert stage.read(DEVICES, device.id).status == allowed[status, kind]
                else:
                    with refused(DEVICE_STATUS_FORBIDS, device=device.id, status=status):
                        decide(stage, kind, device.id)

    def test_its_administrator_suspends_it_at_once(self, stage: Stage) -> None:
        register(stage)
        with refused(DEVICE_STATUS_FORBIDS, status="pending", wanted="suspended"):
            stage.do("AlphaMSP/admin", "registry:suspend_device", OneDevice(id=DEVICE))
        decide(stage, "activate_device", DEVICE)
        with refused(NOT_THE_OWNER, owner="AlphaMSP"):
            stage.do("BetaMSP/admin", "registry:suspend_device", OneDevice(id=DEVICE))
        with refused(ROLE_REQUIRED):
            stage.do("AlphaMSP/nurse", "registry:suspend_device", OneDevice(id=DEVICE))
        with refused(RECORD_NOT_FOUND):
            stage.do("AlphaMSP/admin", "registry:suspend_device", OneDevice(id="AlphaMSP/none"))
        stage.ledger.time_ms -= 100
        with refused(TIME_RUNS_BACKWARDS):
            stage.do("AlphaMSP/admin", "registry:suspend_device", OneDevice(id=DEVICE))
        stage.ledger.time_ms += 100
        suspended = stage.do("AlphaMSP/admin", "registry:suspend_device", OneDevice(id=DEVICE))
        assert suspended.status is DeviceStatus.SUSPENDED
        assert decide(stage, "activate_device", DEVICE).status is MotionStatus.PASSED

    def test_pages_hold_one_organisations_devices_only(self, stage: Stage) -> None:
        for who in ("AlphaMSP/nurse", "BetaMSP/nurse"):
            for name in ("a", "b", "c"):
                register(stage, name, who)
        page = stage.ask("registry:devices", DevicesOf(mspid="AlphaMSP", limit=2)).devices
        assert [device.id for device in page] == ["AlphaMSP/a", "AlphaMSP/b"]
        rest = stage.ask("registry:devices", DevicesOf(mspid="AlphaMSP", after="b")).devices
        assert [device.id for device in rest] == ["AlphaMSP/c"]
        assert stage.ask("registry:devices", DevicesOf(mspid="Alpha")).devices == []


class TestCouncil:
    def test_votes_are_kept_and_the_deciding_one_carries_the_motion_out(self, stage: Stage) -> None:
        motion = decide(stage, "admit_organisation", "OmegaMSP", name="omega", detail="Omega Clinic")
        assert motion.id == "BetaMSP/omega"
        assert (motion.status, motion.decided_ms) == (MotionStatus.PASSED, stage.ledger.time_ms - 1)
        assert stage.read(ORGANISATIONS, "OmegaMSP").name == "Omega Clinic"
        standing = stage.ask("registry:motion", OneMotion(id=motion.id))
        assert standing.motion == motion
        assert standing.organisations == 5
        assert [(vote.mspid, vote.voter, vote.approve) for vote in standing.votes] == [
            (mspid, f"{mspid}/validator", True) for mspid in sorted(EVERYBODY[:3])
        ]
        assert [event.name for event in stage.ledger.events[-2:]] == ["VoteCast", "OrganisationAdmitted"]
        stage.do("OmegaMSP/node", "registry:register_node", RegisterNode(kind=NodeKind.PROVIDER))

    def test_one_organisation_one_vote(self, stage: Stage) -> None:
        register(stage)
        proposed = Propose(name="m", kind="activate_device", subject=DEVICE)
        motion = stage.do("AlphaMSP/validator", "registry:propose", proposed)
        ballot = CastVote(motion=motion.id, approve=True)
        stage.do("AlphaMSP/validator", "registry:vote", ballot)
        for who in ("AlphaMSP/validator", "AlphaMSP/admin"):
            with refused(VOTED_ALREADY, mspid="AlphaMSP"):
                stage.do(who, "registry:vote", ballot)
        with refused(ROLE_REQUIRED, required=["validator", "admin"]):
            stage.do("BetaMSP/nurse", "registry:vote", ballot)
        with refused(NOT_A_MEMBER):
            stage.do("OmegaMSP/validator", "registry:vote", ballot)
        assert stage.read(DEVICES, DEVICE).status is DeviceStatus.PENDING

    def test_decided_motions_take_no_votes(self, stage: Stage) -> None:
        register(stage)
        motion = decide(stage, "activate_device", DEVICE)
        with refused(MOTION_DECIDED, status="passed"):
            stage.do("DeltaMSP/admin", "registry:vote", CastVote(motion=motion.id, approve=False))

    def test_a_vote_is_not_dated_before_its_motion(self, stage: Stage) -> None:
        register(stage)
        proposed = Propose(name="m", kind="activate_device", subject=DEVICE)
        motion = stage.do("AlphaMSP/admin", "registry:propose", proposed)
        stage.ledger.time_ms -= 100
        with refused(TIME_RUNS_BACKWARDS):
            stage.do("AlphaMSP/admin", "registry:vote", CastVote(motion=motion.id, approve=True))

    def test_who_may_propose_what(self, stage: Stage) -> None:
        good = Propose(name="m", kind="admit_organisation", subject="OmegaMSP", detail="Omega")
        with refused(UNKNOWN_MOTION_KIND, kind="abolish_council"):
            stage.do(
                "AlphaMSP/admin", "registry:propose", msgspec.structs.replace(good, kind="abolish_council")
            )
        with refused(ROLE_REQUIRED):
            stage.do("AlphaMSP/nurse", "registry:propose", good)
        with refused(NOT_A_MEMBER):
            stage.do("OmegaMSP/admin", "registry:propose", good)
        with refused(RECORD_NOT_FOUND):
            stage.do("AlphaMSP/admin", "registry:vote", CastVote(motion="AlphaMSP/m", approve=True))
        stage.do("AlphaMSP/admin", "registry:propose", good)
        with refused(RECORD_EXISTS):
            stage.do("AlphaMSP/validator", "registry:propose", good)
        stage.do("BetaMSP/admin", "registry:propose", good)
        page = stage.ask("registry:motions", MotionsAfter(after="AlphaMSP/m"))
        assert [motion.id for motion in page.motions] == ["BetaMSP/m"]

    def test_what_cannot_be_carried_out_cannot_be_proposed(self, stage: Stage) -> None:
        with refused(RECORD_NOT_FOUND, key=["AlphaMSP/none"]):
            decide(stage, "activate_device", "AlphaMSP/none")
        for subject, detail in [("no/mspid", "Omega"), ("OmegaMSP", ""), ("OmegaMSP", "x" * 65)]:
            with refused(BAD_ORGANISATION):
                decide(stage, "admit_organisation", subject, detail=detail)
        with refused(RECORD_EXISTS, key=["AlphaMSP"]):
            decide(stage, "admit_organisation", "AlphaMSP", detail="Alpha again")

    def test_if_it_has_become_impossible_the_deciding_vote_is_refused(self, stage: Stage) -> None:
        register(stage)
        proposed = Propose(name="late", kind="activate_device", subject=DEVICE)
        motion = stage.do("AlphaMSP/admin", "registry:propose", proposed)
        for mspid in EVERYBODY[:2]:
            stage.do(f"{mspid}/validator", "registry:vote", CastVote(motion=motion.id, approve=True))
        decide(stage, "revoke_device", DEVICE)
        with refused(DEVICE_STATUS_FORBIDS, status="revoked"):
            stage.do("GammaMSP/validator", "registry:vote", CastVote(motion=motion.id, approve=True))
        assert not VOTES.has(
            inside(stage.ledger, stage.creator("GammaMSP/admin")).state, motion.id, "GammaMSP"
        )
        for mspid in ("GammaMSP", "DeltaMSP"):
            motion = stage.do(f"{mspid}/admin", "registry:vote", CastVote(motion=motion.id, approve=False))
        assert motion.status is MotionStatus.REJECTED

    def test_a_kind_is_enacted_by_one_function(self) -> None:
        with pytest.raises(ValueError, match="twice"):
            enacts("activate_device")(lambda ctx, motion: None)

    def test_an_organisation_is_known_or_refused(self, stage: Stage) -> None:
        ctx = inside(stage.ledger, stage.creator("AlphaMSP/admin"))
        assert require_organisation(ctx, "BetaMSP").name == "BetaMSP"
        with refused(UNKNOWN_ORGANISATION, mspid="OmegaMSP"):
            require_organisation(ctx, "OmegaMSP")


@settings(max_examples=60, deadline=None)
@given(
    votes=st.lists(st.booleans(), min_size=1, max_size=7),
    threshold=st.sampled_from([(1, 2), (2, 3), (3, 4), (6, 7), (99, 100)]),
)
def test_the_threshold_is_exact(people: People, votes: list[bool], threshold: tuple[int, int]) -> None:
    """Against fractions: passed when strictly more than it approve, rejected when that cannot be any more."""
    mspids = [f"Org{number}MSP" for number in range(len(votes))]
    ledger = MemoryLedger(Stage(people).ledger.chaincode)
    message = Found(
        organisations=founders(*mspids), council_numerator=threshold[0], council_denominator=threshold[1]
    )
    ledger.submit(people(mspids[0], "admin", "admin"), "registry:found", message)
    proposed = Propose(name="m", kind="admit_organisation", subject="OmegaMSP", detail="Omega")
    ledger.submit(people(mspids[0], "admin", "admin"), "registry:propose", proposed)
    motion_id, needed = f"{mspids[0]}/m", Fraction(*threshold) * len(votes)
    for cast, (mspid, approve) in enumerate(zip(mspids, votes, strict=True), start=1):
        ballot = CastVote(motion=motion_id, approve=approve)
        payload = ledger.submit(people(mspid, "validator", "validator"), "registry:vote", ballot)
        approvals = sum(votes[:cast])
        best = approvals + len(votes) - cast
        expected = "passed" if approvals > needed else "rejected" if best <= needed else "open"
        assert MOTIONS.decode(payload).status == expected
        assert ("OmegaMSP" in str(ledger.state.keys())) is (expected == "passed")
        if expected != "open":
            break
