"""A fixed script of consortium calls: the same calls leave the same state on every ledger.

Identities come from a seed and times from the script, so that the state's hash is a constant. It changes with
the layout of the contracts' records, and with nothing else: a change of `STATE_HASH` is a change of what is
stored, and a ledger whose hash is another one executes or stores something differently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fedpact.consortium.connecting import connect
from fedpact.consortium.session import Session
from fedpact.identity import CertificateAuthority, Identity
from fedpact.ledger import Ledger
from fedpact.telemetry import Reading, schema_of
from fedpact.testing.channels import Channel, Rules, configured
from fedpact_chaincode.contracts.catalog import Form
from fedpact_chaincode.contracts.registry import NodeKind
from fedpact_chaincode.contracts.tasks.records import LearningKind
from fedpact_chaincode.contracts.tasks.transactions import CreateTask

STATE_HASH = "aa033f8b656154ec7213ade8d74a70b4d020404b861011f7b97cee7745516425"
"""What `play` leaves behind: `Ledger.state_hash`."""

SEED = b"fedpact conformance"
ORGANISATIONS = {"AlphaMSP": "Alpha", "BetaMSP": "Beta", "GammaMSP": "Gamma"}
START = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2100, 1, 1, tzinfo=UTC)
FIRST_CALL = datetime(2026, 1, 1, tzinfo=UTC)
FINGERPRINT = "5a" * 32
FUNDS = 5_000
_NS = 10**9


@dataclass
class ScriptClock:
    """The time of the script's present step: of its clients, and of a node that takes it from the channel."""

    now_ns: int = int(FIRST_CALL.timestamp()) * _NS

    def __call__(self) -> int:
        """Return nanoseconds since 1970."""
        return self.now_ns

    def tick(self) -> None:
        """Let a second pass."""
        self.now_ns += _NS


class Script:
    """The script's people on a ledger.

    Parameters
    ----------
    create : makes the ledger.
    folder : an empty folder for it.

    Attributes
    ----------
    ledger : opened; the caller closes it.
    channel : what it was made of.
    """

    def __init__(self, create: Callable[[Channel], Ledger], folder: Path) -> None:
        authorities = {
            mspid: CertificateAuthority.create(name, mspid, seed=SEED, not_before=START, not_after=END)
            for mspid, name in ORGANISATIONS.items()
        }

        @cache
        def identity(mspid: str, name: str, role: str | None, ou: str) -> Identity:
            return authorities[mspid].issue(name, role=role, ou=ou, not_after=END)

        self._identity = identity
        self._clock = ScriptClock()
        self.channel = Channel(
            folder=folder,
            config=configured(authorities, Rules()),
            peers=tuple(identity(mspid, "peer0", None, "peer") for mspid in ORGANISATIONS),
            orderer=identity("AlphaMSP", "orderer0", None, "orderer"),
            clock_ns=self._clock,
        )
        self.ledger = create(self.channel)

    def now_ms(self) -> int:
        """Return the time of the present step, milliseconds since 1970."""
        return self._clock.now_ns // 1_000_000

    def of(self, who: str) -> Session:
        """Let a second pass and return the session of `mspid/name`; `admin`, `manager` have that role."""
        self._clock.tick()
        mspid, _, name = who.partition("/")
        role = name if name in {"admin", "manager", "device"} else "member"
        return connect(
            self.ledger,
            identity=self._identity(mspid, name, role, "client"),
            retrieval_key=b"conformance".ljust(32, b"."),
            clock_ns=self._clock,
        )

    def play(self) -> None:
        """Make every call, one after the other."""
        self._found()
        self._measure()
        self._publish()
        self._form_a_team()

    def _decide(self, name: str, kind: str, subject: str, amount: int = 0) -> None:
        self.of("AlphaMSP/admin").council.propose(name, kind, subject, amount=amount)
        for mspid in ORGANISATIONS:
            self.of(f"{mspid}/admin").council.vote(f"AlphaMSP/{name}")

    def _found(self) -> None:
        self.of("AlphaMSP/admin").council.found(ORGANISATIONS)
        for mspid in ORGANISATIONS:
            self.of(f"{mspid}/node").council.register_node(NodeKind.PROVIDER)
            self._decide(f"funds-{mspid}", "issue_credit", f"{mspid}/node", FUNDS)
        self._decide("funds", "issue_credit", "AlphaMSP/researcher", FUNDS)
        self.of("AlphaMSP/node").credit.transfer("BetaMSP/node", 250, reference="für Messgeräte")

    def _measure(self) -> None:
        for mspid in ORGANISATIONS:
            node = self.of(f"{mspid}/node")
            node.data.publish(
                "patients",
                {"column:age": 1.0, "column:bmi": 0.5, "disease:diabetes": 0.25},
                category="diabetes",
                form=Form.TABULAR,
                rows=100,
            )
        device = self._identity("BetaMSP", "device", "device", "client")
        self.of("BetaMSP/admin").devices.register(device.certificate, description="ward 3, 中")
        self._decide("device", "activate_device", "BetaMSP/device")
        for first in (1, 4):
            manager = self.of("BetaMSP/manager")
            readings = [self._reading(first + number) for number in range(3)]
            manager.devices.anchor("BetaMSP/patients", readings, schema_of(["glucose"]))
        self.of("BetaMSP/admin").devices.suspend("BetaMSP/device")

    def _reading(self, sequence: int) -> Reading:
        return Reading(
            device="BetaMSP/device",
            sequence=sequence,
            time_ms=self.now_ms() - 1_000,
            subject=f"{sequence:064x}",
            field="glucose",
            unit="mg/dL",
            value_milli=90_000 + sequence,
            salt=f"{sequence:032x}",
        )

    def _publish(self) -> None:
        node = self.of("GammaMSP/node")
        node.data.publish("old", {"text:word": 1.0}, category="notes", form=Form.TEXT, rows=7)
        self.of("GammaMSP/node").data.update("GammaMSP/old", rows=8)
        self.of("GammaMSP/node").data.withdraw("GammaMSP/old")
        expires_ms = self.now_ms() + 10**9
        for mspid in ORGANISATIONS:
            dataset = f"{mspid}/patients"
            self.of(f"{mspid}/node").sharing.grant(dataset, "AlphaMSP", "diabetes", expires_ms=expires_ms)
            self.of(f"{mspid}/node").privacy.grant(dataset, "AlphaMSP", epsilon=4.0, delta=1e-5)
        self.of("BetaMSP/node").privacy.amend("BetaMSP/patients", "AlphaMSP", epsilon=8.0, delta=1e-6)
        self.of("GammaMSP/node").sharing.grant(
            "GammaMSP/patients", "BetaMSP", "diabetes", expires_ms=expires_ms
        )
        self.of("GammaMSP/node").sharing.revoke("GammaMSP/patients", "BetaMSP", "diabetes")

    def _form_a_team(self) -> None:
        researcher = self.of("AlphaMSP/researcher")
        request = researcher.sharing.request("progression", FINGERPRINT, "diabetes", max_age_ms=1_000)
        terms = CreateTask(
            id="progression",
            category="diabetes",
            kind=LearningKind.REGRESSION,
            rounds=5,
            deadline_ms=self.now_ms() + 10**7,
            reward_per_round=100,
            team_size=3,
            min_mortgage=500,
            privacy_required=True,
            fingerprint=FINGERPRINT,
            request_id=request.id,
        )
        self.of("AlphaMSP/researcher").tasks.create(terms)
        self.of("AlphaMSP/node").tasks.open_team("progression", "AlphaMSP/patients", mortgage=1_000)
        for mspid, preference in (("BetaMSP", 0.5), ("GammaMSP", 0.75)):
            node = self.of(f"{mspid}/node")
            node.tasks.apply("progression", f"{mspid}/patients", mortgage=500, preference=preference)
            self.of("AlphaMSP/node").tasks.assess("progression", f"{mspid}/node", ability=0.25)
        self.of("AlphaMSP/node").tasks.form("progression")
        self.of("AlphaMSP/node").tasks.start("progression")
        self.of("AlphaMSP/researcher").tasks.appoint("progression", "BetaMSP/node")


def play(create: Callable[[Channel], Ledger], folder: Path) -> Script:
    """Create a ledger and play the script on it.

    Parameters
    ----------
    create : makes the ledger.
    folder : an empty folder for it.

    Returns
    -------
    The script with its opened ledger, whose state hash is `STATE_HASH`.
    """
    script = Script(create, folder)
    try:
        script.play()
    except BaseException:
        script.ledger.close()
        raise
    return script
