"""The script's people: organisations and identities from a seed, and a clock that only the script moves."""

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
from fedpact.testing.channels import Channel, Rules, configured

SEED = b"fedpact conformance"
ORGANISATIONS = {"AlphaMSP": "Alpha", "BetaMSP": "Beta", "GammaMSP": "Gamma"}
RESEARCHER = "AlphaMSP/researcher"
LEADER = "AlphaMSP/node"
AGGREGATOR = "BetaMSP/node"
LIAR = "GammaMSP/liar"
NODES = (LEADER, AGGREGATOR, LIAR, "GammaMSP/node")
"""In the order of their ids."""

START = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2100, 1, 1, tzinfo=UTC)
FIRST_CALL = datetime(2026, 1, 1, tzinfo=UTC)
_NS = 10**9
_ROLES = frozenset({"admin", "manager", "device"})


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


class Cast:
    """The script's people on a ledger.

    Parameters
    ----------
    create : makes the ledger.
    folder : an empty folder for it.

    Attributes
    ----------
    ledger : opened.
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

    @property
    def now_ms(self) -> int:
        """The time of the present step, milliseconds since 1970."""
        return self._clock.now_ns // 1_000_000

    def person(self, who: str) -> Identity:
        """Return `mspid/name`; an `admin`, `manager` or `device` has that role, anybody else is a member."""
        mspid, _, name = who.partition("/")
        return self._identity(mspid, name, name if name in _ROLES else "member", "client")

    def acts(self, who: str) -> Session:
        """Let a second pass and return somebody's session, for one call."""
        self._clock.tick()
        return connect(
            self.ledger,
            identity=self.person(who),
            retrieval_key=b"conformance".ljust(32, b"."),
            clock_ns=self._clock,
        )

    def decide(self, name: str, kind: str, subject: str, *, amount: int = 0) -> None:
        """Put a motion to the council and have every organisation approve it."""
        self.acts("AlphaMSP/admin").council.propose(name, kind, subject, amount=amount)
        for mspid in ORGANISATIONS:
            self.acts(f"{mspid}/admin").council.vote(f"AlphaMSP/{name}")
