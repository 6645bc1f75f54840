"""One ledger under test with its organisations, its people and their clients; audited when it is left."""

# ruff: noqa: S101

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import msgspec

from fedpact.audit import audit
from fedpact.consortium.chaincodes import agree
from fedpact.consortium.connecting import connect
from fedpact.consortium.session import Session
from fedpact.gateway.client import Gateway
from fedpact.gateway.commit import Result
from fedpact.gateway.connection import Actor, Deadlines, Retries
from fedpact.gateway.errors import CommitStatusError, SubmitError
from fedpact.gateway.transaction import Transaction
from fedpact.gateway.transport import Transport
from fedpact.identity import CertificateAuthority, Identity
from fedpact.ledger import Ledger, LedgerView, StateRow
from fedpact.testing import probe
from fedpact.testing.channels import CHANNEL_ID, ORGANISATIONS, Channel, Clock, Rules, configured
from fedpact.testing.probe.cells import Cell, Cells, Place, Shelf, Written
from fedpact.wire.blocks import parse_block
from fedpact.wire.chaincode_terms import ChaincodeTerms
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import ParsedTransaction, parse_envelope
from fedpact.wire.proposals import NO_TRANSIENT
from fedpact_chaincode.contract import Nothing
from fedpact_chaincode.state import encode

S = TypeVar("S", bound=msgspec.Struct)
NOTHING = Nothing()
SHELF = "shelf"


class Host(Protocol):
    """Who makes ledgers; a `LedgerSuite` is one."""

    def create_ledger(self, channel: Channel) -> Ledger:
        """Create a ledger."""

    def open_ledger(self, channel: Channel, url: str) -> Ledger:
        """Open an existing one."""

    def inspect_ledger(self, url: str) -> LedgerView:
        """Open an existing one for reading."""


class Client:
    """Calls the suite's chaincode (or another) for one identity, with messages and results as structs."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def submit(
        self, function: str, message: msgspec.Struct, transient: Mapping[str, bytes] = NO_TRANSIENT
    ) -> Result:
        """Take a transaction through all stages."""
        return self.gateway.submit(function, encode(message), transient=transient)

    def endorse(
        self,
        function: str,
        message: msgspec.Struct,
        organisations: tuple[str, ...] = (),
        transient: Mapping[str, bytes] = NO_TRANSIENT,
    ) -> Transaction:
        """Have a transaction executed, by the named organisations; it is not submitted."""
        return self.gateway.new_proposal(
            function, encode(message), organisations=organisations, transient=transient
        ).endorse()

    def ask(self, function: str, message: msgspec.Struct, result: type[S]) -> S:
        """Evaluate and decode."""
        return msgspec.json.decode(self.gateway.evaluate(function, encode(message)), type=result)

    def create(self, place: str, text: str = "text", *, shelf: str = SHELF) -> Result:
        """Create a cell."""
        return self.submit("cells:create", Written(shelf=shelf, place=place, text=text))

    def write(self, place: str, text: str = "text", *, shelf: str = SHELF) -> Result:
        """Write a cell without reading it."""
        return self.submit("cells:write", Written(shelf=shelf, place=place, text=text))

    def remove(self, place: str, *, shelf: str = SHELF) -> Result:
        """Remove a cell without reading it."""
        return self.submit("cells:remove", Place(shelf=shelf, place=place))

    def read(self, place: str, *, shelf: str = SHELF) -> str:
        """Return a cell's text."""
        return self.ask("cells:read", Place(shelf=shelf, place=place), Cell).text

    def places(self, *, shelf: str = SHELF, after: str | None = None) -> list[str]:
        """Return what stands on a shelf, in order."""
        found = self.ask("cells:listing", Shelf(shelf=shelf, after=after), Cells)
        return [cell.place for cell in found.cells]


class Stage:
    """A ledger of a backend, used as a context manager: whoever leaves it has the ledger audited and closed.

    Parameters
    ----------
    host : makes the ledger.
    folder : an empty folder for it.
    rules : what the case chooses of the channel's configuration.

    Attributes
    ----------
    authorities : certificate authority by mspid.
    clock : of the node and its clients.
    channel : what the ledger was made of.
    ledger : opened.
    alice : a member of Org1MSP.
    """

    def __init__(self, host: Host, folder: Path, rules: Rules) -> None:
        self._host = host
        self.clock = Clock()
        self.authorities = {
            mspid: CertificateAuthority.create(name, mspid) for mspid, name in ORGANISATIONS.items()
        }
        self.alice = self.authorities["Org1MSP"].issue("alice", role="member")
        self.channel = Channel(
            folder=folder,
            config=configured(self.authorities, rules),
            peers=tuple(ca.issue("peer0", role=None, ou="peer") for ca in self.authorities.values()),
            orderer=self.authorities["Org1MSP"].issue("orderer0", role=None, ou="orderer"),
            clock_ns=self.clock,
        )
        self.ledger = host.create_ledger(self.channel)
        self._people = 0

    def client(
        self,
        actor: Actor | None = None,
        *,
        transport: Transport | None = None,
        chaincode: str = probe.NAME,
        channel_id: str = CHANNEL_ID,
        retries: Retries | None = None,
        offset_ns: int = 0,
    ) -> Client:
        """Return a client; of alice, on the ledger's own transport, unless told otherwise."""
        return Client(
            Gateway(
                transport or self.ledger.transport(),
                actor or self.alice,
                channel_id=channel_id,
                chaincode=chaincode,
                clock=lambda: self.clock() + offset_ns,
                retries=retries,
                deadlines=Deadlines(lookup_s=10.0),
            )
        )

    def member(self, mspid: str) -> Identity:
        """Return a member of an organisation, another one each time."""
        self._people += 1
        return self.authorities[mspid].issue(f"member{self._people}", role="member")

    def administrator(self, mspid: str) -> Session:
        """Return a session of an organisation's administrator."""
        self._people += 1
        admin = self.authorities[mspid].issue(f"admin{self._people}", role="admin", ou="admin")
        return connect(self.ledger, identity=admin, clock_ns=self.clock)

    def agree(self, terms: ChaincodeTerms) -> None:
        """Have all organisations agree on a chaincode's definition."""
        agree([self.administrator(mspid) for mspid in self.authorities], terms)

    def terms(self, *, sequence: int = 1, version: str = "", **more: Any) -> ChaincodeTerms:
        """Return terms of the suite's chaincode; in the version that is installed, unless told otherwise."""
        installed = version or self.channel.chaincodes[probe.NAME].version
        return ChaincodeTerms(name=probe.NAME, sequence=sequence, version=installed, **more)

    def reopen(self) -> None:
        """Close the ledger and open it again."""
        self.ledger.close()
        self.ledger = self._host.open_ledger(self.channel, self.ledger.url)

    def inspect(self) -> LedgerView:
        """Open the ledger for reading, beside whoever has it open."""
        return self._host.inspect_ledger(self.ledger.url)

    def rows(self, namespace: str = probe.NAME) -> list[StateRow]:
        """Return the state."""
        return list(self.ledger.state(namespace))

    def content(self) -> dict[str, bytes]:
        """Return the suite's keys and values."""
        return {row.key: row.value for row in self.rows()}

    def transactions(self) -> list[tuple[ParsedTransaction, ValidationCode]]:
        """Return every committed transaction with its verdict, in order."""
        return [
            (parse_envelope(envelope), ValidationCode(code))
            for block in map(parse_block, self.ledger.blocks(1))
            for envelope, code in zip(block.envelopes, block.filter, strict=True)
        ]

    def outcome(self, transaction: Transaction) -> ValidationCode | None:
        """Submit; return the verdict, or None if it was refused before a block.

        A ledger need not tell the verdict on a forgery, which could take an honest transaction's id away:
        then it is looked up in the blocks.
        """
        try:
            return transaction.submit().status(timeout_s=10.0).code
        except SubmitError as error:
            if error.undecided:
                raise
            return None
        except CommitStatusError:
            found = [code for t, code in self.transactions() if t.payload == transaction.message]
            if not found:
                raise
            return found[0]

    def is_committed(self, transaction: Transaction) -> bool:
        """Whether the ledger knows the transaction by now."""
        try:
            transaction.commit().status(timeout_s=0.05)
        except CommitStatusError as error:
            if not error.undecided:
                raise
            return False
        return True

    def audit(self) -> None:
        """Fail unless the whole ledger stands an audit."""
        report = audit(self.ledger, chaincodes=self.channel.chaincodes)
        assert report.findings == []
        assert report.ok
        assert report.state_hash == self.ledger.state_hash()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(self.ledger):
            if error is None:
                self.audit()


def impatient(conflicts: int) -> Retries:
    """Return retries that hardly wait."""
    return Retries(conflicts=conflicts, first_s=0.001, cap_s=0.02)
