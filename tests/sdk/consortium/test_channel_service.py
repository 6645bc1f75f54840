"""Changing the channel through members' sessions: in the node's process, and over TLS to a served node."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.network.server.conftest import TlsAuthority

from fedpact import Consortium, Session, connect, open_ledger
from fedpact.consortium.channel_changes import (
    add_organisation,
    publish_revocation_list,
    remove_organisation,
    revoke,
    set_anchor_peers,
    set_batch_rules,
    set_policy,
)
from fedpact.consortium.founding import join
from fedpact.consortium.organisation_files import MAX_BYTES, OrganisationFile
from fedpact.gateway.errors import EndorseError, EventsError, GatewayError, OutcomeUnknown
from fedpact.gateway.grpc_channel import Tls
from fedpact.gateway.transport import Status, TransportError
from fedpact.identity import CertificateAuthority, Identity, IdentityError
from fedpact.records import NodeKind
from fedpact.wire.config_update import ConfigUpdateError
from fedpact.wire.errors import ConfigError
from fedpact.wire.policies import PolicyError
from fedpact_network.embedded.ledger import EmbeddedLedger
from fedpact_network.server.server import serve
from fedpact_network.server.settings import ServerSettings
from fedpact_network.server.settings import Tls as ServerTls

ALPHA, BETA, GAMMA = "AlphaMSP/admin", "BetaMSP/admin", "GammaMSP/admin"


@dataclass
class Place:
    """A ledger, and how everybody reaches it."""

    consortium: Consortium
    ledger: EmbeddedLedger
    reach: Callable[[Identity], Session]
    _sessions: dict[str, Session] = field(default_factory=dict)

    def session(self, who: str) -> Session:
        if who not in self._sessions:
            self._sessions[who] = self.join(self.consortium.identity(who))
        return self._sessions[who]

    def join(self, identity: Identity) -> Session:
        session = self._sessions[identity.id] = self.reach(identity)
        return session

    def signed(self, update: bytes, *who: str) -> list[bytes]:
        return [self.session(one).channel.sign(update) for one in who]

    def change(self, *changes: Callable[..., None], by: tuple[str, ...] = (ALPHA, BETA)) -> int:
        """Change the channel; return the block's number."""
        channel = self.session(by[0]).channel
        update = channel.propose(*changes)
        return channel.submit(update, self.signed(update, *by)).block_number

    def refused(self, update: bytes, *who: str) -> str:
        """Submit an update that is refused: nothing is changed; return the code."""
        before = self.ledger.height(), self.ledger.bundle
        with pytest.raises(ConfigUpdateError) as caught:
            self.session(ALPHA).channel.submit(update, self.signed(update, *who))
        assert (self.ledger.height(), self.ledger.bundle) == before
        return str(caught.value.code)

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()


@pytest.fixture(params=["in process", "grpc", "grpc, batched"])
def place(request: pytest.FixtureRequest, home: Path) -> Iterator[Place]:
    consortium = Consortium.open(home)
    ledger = open_ledger(consortium.url)
    assert isinstance(ledger, EmbeddedLedger)
    if request.param == "in process":
        made = Place(consortium, ledger, lambda identity: connect(ledger, identity=identity))
        yield made
        made.close()
    else:
        authority = TlsAuthority("tls")
        certificate, key = authority.issue("localhost")
        settings = ServerSettings(
            listen="localhost:0", tls=ServerTls(certificate=certificate, key=key), operations=None
        )
        with serve(ledger, settings) as server:
            url = f"grpcs://{server.address}" + ("?batched=1" if "batched" in request.param else "")
            tls = Tls(roots=authority.root)
            made = Place(consortium, ledger, lambda identity: connect(url, identity=identity, tls=tls))
            yield made
            made.close()
    ledger.close()


@pytest.fixture
def inside(home: Path) -> Iterator[Place]:
    """In the node's process only."""
    consortium = Consortium.open(home)
    ledger = open_ledger(consortium.url)
    assert isinstance(ledger, EmbeddedLedger)
    made = Place(consortium, ledger, lambda identity: connect(ledger, identity=identity))
    yield made
    made.close()
    ledger.close()


def refused_for(reason: str, call: Callable[[], object]) -> None:
    """Whatever stage refuses: the reason is in the message, or in what a peer answered."""
    with pytest.raises(GatewayError) as caught:
        call()
    assert reason in " ".join([str(caught.value), *(detail.message for detail in caught.value.details)])


def audited(place: Place) -> None:
    with connect(place.ledger, identity=place.consortium.identity("AlphaMSP/node")) as session:
        report = session.audit.run()
        assert report.ok, report


def test_a_change_needs_the_administrators_that_the_channel_asks_for(place: Place) -> None:
    alpha, node = place.session(ALPHA), place.session("AlphaMSP/node")
    before = alpha.channel.configuration()
    assert before.config == place.ledger.bundle.config
    update = node.channel.propose(set_batch_rules(timeout_ms=35, max_messages=9))
    assert place.refused(update) == "NOT_AUTHORISED"
    assert place.refused(update, ALPHA) == "NOT_AUTHORISED"
    assert place.refused(update, ALPHA, ALPHA, "BetaMSP/node") == "NOT_AUTHORISED"
    found = alpha.channel.review(update, place.signed(update, ALPHA))
    assert (found.ready, found.signers) == (False, (ALPHA,))
    assert [(one.path, one.change, one.policy) for one in found.changes] == [
        ("/Channel/Orderer/BatchSize", "changed", "/Channel/Orderer/Admins"),
        ("/Channel/Orderer/BatchTimeout", "changed", "/Channel/Orderer/Admins"),
    ]
    assert '"35ms"' in found.changes[1].content
    signatures = place.signed(update, GAMMA, BETA)
    assert alpha.channel.review(update, signatures).ready
    result = node.channel.submit(update, signatures)  # a member who may write is enough
    after = place.session(GAMMA).channel.configuration()
    assert (after.sequence, after.block_number) == (before.sequence + 1, result.block_number)
    assert (after.batch.timeout_ms, after.batch.max_messages) == (35, 9)
    assert after.batch.max_bytes == before.batch.max_bytes
    node.council.register_node(NodeKind.AGGREGATOR)
    assert alpha.channel.configuration().block_number == result.block_number  # not the newest block now
    audited(place)


def test_an_update_that_is_overtaken_is_refused(place: Place) -> None:
    channel = place.session(ALPHA).channel
    late = channel.propose(set_batch_rules(timeout_ms=77))
    structure = channel.propose(set_policy("/Channel/Orderer/Writers", "ALL Writers"))
    place.change(set_batch_rules(timeout_ms=35))
    assert place.refused(late, ALPHA, BETA) == "BAD_VERSION"
    with pytest.raises(ConfigUpdateError, match="STALE"):
        channel.review(late)
    # What it read and writes is still in force, so it may come late.
    channel.submit(structure, place.signed(structure, ALPHA, BETA))
    with pytest.raises(ConfigUpdateError, match="NO_CHANGE"):
        channel.propose(set_batch_rules(timeout_ms=35))
    assert channel.configuration().batch.timeout_ms == 35
    audited(place)


def test_of_two_updates_at_once_one_is_in_force(place: Place) -> None:
    channel = place.session(ALPHA).channel
    updates = [channel.propose(set_batch_rules(timeout_ms=number)) for number in (41, 42)]
    signed = [place.signed(update, ALPHA, BETA) for update in updates]
    told: list[object] = []
    start = threading.Barrier(2)

    def submit(number: int) -> None:
        start.wait()
        try:
            told.append(place.session((ALPHA, BETA)[number]).channel.submit(updates[number], signed[number]))
        except ConfigUpdateError as error:
            told.append(str(error.code))

    threads = [threading.Thread(target=submit, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(told) == 2
    assert [one for one in told if isinstance(one, str)] == ["BAD_VERSION"]
    assert channel.configuration().sequence == 1


def test_a_revoked_member_is_refused_and_what_she_did_stays(place: Place) -> None:
    consortium, channel = place.consortium, place.session(BETA).channel
    node = place.session("BetaMSP/node")
    node.council.register_node(NodeKind.SUPER_NODE, endpoint="before")
    height = place.ledger.height()
    certificate = consortium.identity("BetaMSP/node").certificate_pem
    authority = consortium.authorities["BetaMSP"]
    update = channel.propose(revoke(authority, [certificate]))
    assert place.refused(update, ALPHA, GAMMA) == "NOT_AUTHORISED"  # others' administrators do not decide it
    channel.submit(update, place.signed(update, BETA))
    refused_for("REVOKED", lambda: node.council.register_node(NodeKind.SUPER_NODE, endpoint="after"))
    with pytest.raises(GatewayError, match="PERMISSION_DENIED"):
        node.channel.configuration()
    assert place.ledger.height() == height + 1
    nodes = {one.id: one.endpoint for one in place.session(ALPHA).council.nodes()}
    assert nodes["BetaMSP/node"] == "before"
    # The next list keeps the entries of the one before.
    other = consortium.enrol("BetaMSP", "other", role="member")
    place.change(revoke(authority, [other.certificate_pem]), by=(BETA,))
    refused_for("REVOKED", place.join(other).credit.account)
    refused_for("REVOKED", node.credit.account)
    audited(place)


def test_a_revoked_administrators_signature_counts_no_more(place: Place) -> None:
    consortium = place.consortium
    second = consortium.enrol("BetaMSP", "second", role="admin")
    update = place.session(ALPHA).channel.propose(set_batch_rules(timeout_ms=50))
    signatures = [*place.signed(update, ALPHA), place.join(second).channel.sign(update)]
    place.change(revoke(consortium.authorities["BetaMSP"], [second.certificate_pem]), by=(BETA,))
    with pytest.raises(ConfigUpdateError, match="NOT_AUTHORISED"):
        place.session(ALPHA).channel.submit(update, signatures)
    place.session(ALPHA).channel.submit(update, [*signatures, *place.signed(update, BETA)])


def test_an_added_organisation_takes_part_until_it_is_removed(place: Place, tmp_path: Path) -> None:
    newcomer = join(
        tmp_path / "delta",
        "DeltaMSP",
        "Delta",
        url=place.consortium.url,
        retrieval_key=place.consortium.retrieval_key,
    )
    member = newcomer.enrol("DeltaMSP", "node", role="member")
    session = place.join(member)
    refused_for("UNKNOWN_MSP", session.credit.account)
    certificate = newcomer.authorities["DeltaMSP"].certificate_pem.decode()
    policies = {"Endorsement": "OR('DeltaMSP.peer', 'DeltaMSP.admin')"}
    written = OrganisationFile(mspid="DeltaMSP", root_certificates=(certificate,), policies=policies)
    described = OrganisationFile.from_json(written.to_json())
    assert described == written
    update = place.session(ALPHA).channel.propose(described.admission())
    added = {one.path for one in place.session(ALPHA).channel.review(update).changes if one.change == "added"}
    assert "/Channel/Application/DeltaMSP/MSP" in added
    assert place.refused(update, GAMMA) == "NOT_AUTHORISED"
    place.session(ALPHA).channel.submit(update, place.signed(update, ALPHA, GAMMA))
    bundle = place.session(BETA).channel.configuration()
    assert bundle.mspids == ("AlphaMSP", "BetaMSP", "DeltaMSP", "GammaMSP")
    assert bundle.policy("DeltaMSP/Endorsement").text == policies["Endorsement"]
    admit(place, "DeltaMSP")
    assert session.council.register_node(NodeKind.PROVIDER).id == "DeltaMSP/node"
    place.change(remove_organisation("DeltaMSP"), by=(ALPHA, BETA, GAMMA))
    refused_for("UNKNOWN_MSP", lambda: session.council.register_node(NodeKind.PROVIDER))
    assert "DeltaMSP/node" in {node.id for node in place.session(ALPHA).council.nodes()}
    audited(place)


def admit(place: Place, mspid: str) -> None:
    motion = place.session(ALPHA).council.propose("delta", "admit_organisation", mspid, detail="Delta")
    for one in (ALPHA, BETA, GAMMA):
        place.session(one).council.vote(motion.id)


def test_policies_and_anchor_peers(place: Place) -> None:
    place.change(set_policy("/Channel/Application/Endorsement", "AND('AlphaMSP.peer', 'BetaMSP.peer')"))
    block = place.change(set_anchor_peers("GammaMSP", ["gamma.example.org:7051"]), by=(GAMMA,))
    bundle = place.session(BETA).channel.configuration()
    assert bundle.block_number == block
    assert bundle.endorsement_policy.mspids == {"AlphaMSP", "BetaMSP"}
    gamma = bundle.organisation("GammaMSP")
    assert gamma is not None
    assert gamma.endpoints == ("gamma.example.org:7051",)
    place.session("AlphaMSP/node").council.register_node(NodeKind.AGGREGATOR)
    place.change(set_anchor_peers("GammaMSP", []), by=(GAMMA,))
    with pytest.raises(ConfigUpdateError, match="NO_CHANGE"):
        place.session(GAMMA).channel.propose(set_anchor_peers("GammaMSP", []))
    audited(place)


def test_a_policy_that_this_nodes_peers_cannot_satisfy_stops_contracts_not_configurations(
    inside: Place,
) -> None:
    authority = CertificateAuthority.create("Delta", "DeltaMSP")
    described = OrganisationFile(
        mspid="DeltaMSP", root_certificates=(authority.certificate_pem.decode(),), orders=False
    )
    inside.change(described.admission())
    assert "DeltaMSP" not in {one.mspid for one in inside.ledger.bundle.orderer_organisations}
    before = inside.ledger.bundle.endorsement_policy.text
    inside.change(
        set_policy("/Channel/Application/Endorsement", "OR('DeltaMSP.peer')"), by=(ALPHA, BETA, GAMMA)
    )
    with pytest.raises(EndorseError):
        inside.session("AlphaMSP/node").council.register_node(NodeKind.AGGREGATOR)
    inside.change(set_policy("/Channel/Application/Endorsement", before), by=(ALPHA, BETA, GAMMA))
    inside.session("AlphaMSP/node").council.register_node(NodeKind.AGGREGATOR)
    audited(inside)


def test_what_cannot_be_changed_is_said_before_anything_is_sent(inside: Place) -> None:
    channel, authorities = inside.session(ALPHA).channel, inside.consortium.authorities
    height = inside.ledger.height()
    foreign = CertificateAuthority.create("Alpha", "AlphaMSP")
    stranger = foreign.issue("stranger", role="member")
    impossible = [
        (ConfigError, remove_organisation("NoneMSP")),
        (ConfigError, set_batch_rules(timeout_ms=0)),
        (ConfigError, set_policy("/Channel/Nowhere/Endorsement", "ANY Endorsement")),
        (PolicyError, set_policy("/Channel/Application/Endorsement", "SOME Endorsement")),
        (ConfigError, set_anchor_peers("AlphaMSP", ["host"])),
        (ConfigError, set_anchor_peers("AlphaMSP", ["host:70000"])),
        (ConfigError, set_anchor_peers("NoneMSP", ["host:1"])),
        (IdentityError, publish_revocation_list("BetaMSP", authorities["AlphaMSP"].revoke([7]))),
        (IdentityError, publish_revocation_list("BetaMSP", b"no list")),
        (ConfigError, add_organisation(inside.ledger.bundle.organisations[0])),
    ]
    for error, change in impossible:
        with pytest.raises(error):
            channel.propose(change)
    with pytest.raises(IdentityError, match="FOREIGN_CA"):
        revoke(authorities["AlphaMSP"], [stranger.certificate_pem])
    with pytest.raises(ConfigError):
        revoke(authorities["AlphaMSP"], [])
    for wrong in (
        b"",
        b"[]",
        b'{"mspid": "A"}',
        b'{"mspid": "A", "root_certificates": []}',
        b" " * (MAX_BYTES + 1),
    ):
        with pytest.raises((ConfigError, IdentityError)):
            OrganisationFile.from_json(wrong)
    for garbage in (b"", b"\xff"):
        with pytest.raises(ConfigUpdateError):
            channel.submit(garbage)
    with pytest.raises(ConfigUpdateError, match="MALFORMED"):
        channel.submit(channel.propose(set_batch_rules(timeout_ms=9)), [b"\xff"])
    assert inside.ledger.height() == height


def test_an_update_that_would_leave_no_orderer_is_refused(inside: Place) -> None:
    channel = inside.session(ALPHA).channel
    update = channel.propose(remove_organisation("AlphaMSP"))
    height = inside.ledger.height()
    with pytest.raises(GatewayError, match="could sign no more"):
        channel.submit(update, inside.signed(update, ALPHA, BETA, GAMMA))
    assert inside.ledger.height() == height


class Lossy:
    """A transport whose answer to `submit` is lost; at first the ledger does not tell what became of it."""

    def __init__(self, inner: object, *, silent: bool) -> None:
        self._inner = inner
        self.silent = silent
        self.submitted = 0

    def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        self.submitted += 1
        self._inner.submit(request, timeout_s=timeout_s)  # type: ignore[attr-defined]
        raise TransportError(Status.UNAVAILABLE, "lost")

    def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        if self.silent:
            raise TransportError(Status.UNAVAILABLE, "lost")
        answer: bytes = self._inner.commit_status(request, timeout_s=timeout_s)  # type: ignore[attr-defined]
        return answer

    def deliver(self, *request: object) -> object:
        return self._inner.deliver(*request)  # type: ignore[attr-defined]


@pytest.mark.parametrize("silent", [False, True])
def test_an_update_whose_answer_is_lost_is_looked_up_not_made_again(inside: Place, silent: bool) -> None:
    from fedpact.gateway.client import Gateway

    lossy = Lossy(inside.ledger.transport(), silent=silent)
    identity = inside.consortium.identity(ALPHA)
    gateway = Gateway(lossy, identity, channel_id=inside.ledger.channel_id)  # type: ignore[arg-type]
    session = Session(identity, gateway)
    update = session.channel.propose(set_batch_rules(timeout_ms=44))
    signatures = inside.signed(update, ALPHA, BETA)
    if not silent:
        assert session.channel.submit(update, signatures).block_number == inside.ledger.height() - 1
    else:
        with pytest.raises(OutcomeUnknown) as unknown:
            session.channel.submit(update, signatures)
        assert lossy.submitted > 1
        lossy.silent = False
        assert gateway.resume(unknown.value.transaction).block_number == inside.ledger.bundle.block_number
    assert inside.ledger.bundle.sequence == 1


def test_over_the_local_socket_updates_are_submitted_but_no_blocks_are_read(inside: Place) -> None:
    update = inside.session(ALPHA).channel.propose(set_batch_rules(timeout_ms=61))
    signatures = inside.signed(update, ALPHA, BETA)
    with connect(inside.ledger.local_address(), identity=inside.consortium.identity(ALPHA)) as session:
        with pytest.raises(EventsError, match="UNIMPLEMENTED"):
            session.channel.configuration()
        assert session.channel.submit(update, signatures).block_number == inside.ledger.bundle.block_number
        with pytest.raises(GatewayError, match="BAD_VERSION"):  # the node's own words
            session.channel.submit(update, signatures)


class Silent:
    """A node that takes requests for blocks and says nothing."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def deliver(self, *_: object) -> Silent:
        return Silent()

    def __iter__(self) -> Silent:
        return self

    def __next__(self) -> bytes:
        assert self._closed.wait(20)
        raise StopIteration

    def close(self) -> None:
        self._closed.set()


def test_a_node_that_says_nothing_is_given_up(inside: Place) -> None:
    from fedpact.gateway.client import Gateway
    from fedpact.gateway.connection import Deadlines, Retries

    gateway = Gateway(
        Silent(),  # type: ignore[arg-type]
        inside.consortium.identity(ALPHA),
        deadlines=Deadlines(evaluate_s=0.05),
        retries=Retries(resends=1, cap_s=0.01),
    )
    with pytest.raises(EventsError, match="DEADLINE_EXCEEDED") as caught:
        gateway.configuration()
    assert caught.value.retryable
