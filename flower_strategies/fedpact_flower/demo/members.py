"""The people of the demonstration and their sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedpact import Consortium, Identity, Ledger, Session, connect
from fedpact.models import ModelStore

RESEARCH = "ResearchMSP"


def derived(seed: int, label: str) -> bytes:
    """Return 32 bytes that follow from the demonstration's seed."""
    import hashlib

    return hashlib.sha256(f"fedpact demonstration {seed} {label}".encode()).digest()


@dataclass(frozen=True)
class Hospital:
    """One hospital.

    Attributes
    ----------
    mspid, name : its organisation.
    admin, manager, node : sessions of its administrator, its manager of readings, its training node.
    device : identity of its monitor.
    """

    mspid: str
    name: str
    admin: Session
    manager: Session
    node: Session
    device: Identity

    @property
    def dataset_id(self) -> str:
        """Its dataset in the catalogue."""
        return f"{self.mspid}/{DATASET}"


DATASET = "patients"


@dataclass(frozen=True)
class Cast:
    """Everybody.

    Attributes
    ----------
    consortium, ledger : where they meet.
    hospitals : the providers; the last one lies about its outcomes.
    chair, researcher : the research institute's administrator and its researcher.
    """

    consortium: Consortium
    ledger: Ledger
    hospitals: tuple[Hospital, ...]
    chair: Session
    researcher: Session

    @property
    def council(self) -> tuple[Session, ...]:
        """The administrators, one an organisation."""
        return (self.chair, *(hospital.admin for hospital in self.hospitals))


def organisations(hospitals: int) -> dict[str, str]:
    """Return the names of the organisations by mspid."""
    return {f"Hospital{n}MSP": f"Hospital {n}" for n in range(1, hospitals + 1)} | {
        RESEARCH: "Research Institute"
    }


def enrol(consortium: Consortium, ledger: Ledger, clock: Callable[[], int], seed: int, home: Path) -> Cast:
    """Issue everybody's identity and open the sessions."""

    def session(mspid: str, name: str, role: str) -> Session:
        identity = consortium.enrol(mspid, name, role=role)
        return connect(
            ledger,
            identity=identity,
            models=model_store(home, identity, seed, clock),
            retrieval_key=consortium.retrieval_key,
            clock_ns=clock,
        )

    hospitals = tuple(
        Hospital(
            mspid,
            name,
            session(mspid, "admin", "admin"),
            session(mspid, "manager", "manager"),
            session(mspid, "node", "member"),
            consortium.enrol(mspid, "monitor", role="device"),
        )
        for mspid, name in consortium.organisations.items()
        if mspid != RESEARCH
    )
    chair, researcher = session(RESEARCH, "admin", "admin"), session(RESEARCH, "researcher", "member")
    return Cast(consortium, ledger, hospitals, chair, researcher)


def model_store(home: Path, identity: Identity, seed: int, clock: Callable[[], int]) -> ModelStore:
    """Return a member's view of the shared store of models."""
    secret = derived(seed, f"models {identity.id}")
    return ModelStore(str(home / "models"), identity, secret=secret, clock_ms=lambda: clock() // 1_000_000)
