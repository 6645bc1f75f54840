"""Followers on PostgreSQL, members that join late, anchor peers, the SDK's clients over several nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.network.peering.conftest import CHANNEL, MSPIDS, until
from tests.postgresql_server import PASSWORD

from fedpact.gateway.client import Gateway
from fedpact.gateway.errors import EvaluateError
from fedpact.identity import CertificateAuthority
from fedpact.ledger import LedgerError
from fedpact.wire.config import Organisation
from fedpact.wire.config_changes import add_organisation, desired, set_anchor_peers
from fedpact.wire.config_update import compute_update, sign_update, update_envelope
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.peering.directory import Directory, security_of
from fedpact_network.peering.following import Peering, keys_of, open_node


def change(world, node, alter):
    """Commit a configuration."""
    group = desired(node.ledger.bundle)
    alter(group)
    update = compute_update(node.ledger.bundle, group)
    admins = [world.authorities[mspid].issue("boss", role=None, ou="admin") for mspid in MSPIDS]
    height = node.height()
    node.ledger.node.submit(
        update_envelope(update, [sign_update(update, admin) for admin in admins], admins[0])
    )
    node.wait(height + 1)


def test_a_follower_on_postgresql(world, postgresql, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    ordering = world.ordering()
    url = postgresql.url(world.folder / "postgresql.keys", postgresql.new_schema())
    follower = world.follower(ordering, "Org2MSP", url=url)
    follower.caller().run("put", "a", "1")
    follower.stop()
    ordering.caller().run("put", "b", "1")
    follower.start()
    follower.caller().run("put", "c", "1")
    world.assert_equal()


def test_an_organisation_that_joins_later(world):
    """Its node begins with a genesis block that does not know it."""
    ordering = world.ordering()
    world.authorities["Org4MSP"] = CertificateAuthority.create("org4", "Org4MSP")
    world.peers["Org4MSP"] = world.authorities["Org4MSP"].issue("peer0", role=None, ou="peer")
    joining = Organisation("Org4MSP", (world.authorities["Org4MSP"].certificate_pem,))
    ordering.caller().run("put", "a", "1")
    change(world, ordering, lambda group: add_organisation(group, joining))
    follower = world.follower(ordering, "Org4MSP")
    world.settle()
    dora = world.authorities["Org4MSP"].issue("dora", role="member")
    assert follower.caller(dora).evaluate("read", "a") == b"1"
    world.assert_equal()


def test_anchor_peers_of_the_configuration_are_asked(world):
    first = world.ordering()
    second = world.follower(first, "Org2MSP")
    change(world, first, lambda group: set_anchor_peers(group, "Org2MSP", [second.address]))
    directory = Directory({"Org3MSP": first.place}, security_of(None, first.place))
    directory.renew(first.ledger.bundle)
    assert {mspid: place.addresses for mspid, place in directory.places().items()} == {
        "Org2MSP": (second.address,),
        "Org3MSP": (first.address,),
    }
    [peer] = directory.peers("Org2MSP")
    assert directory.peers("Org2MSP") == (peer,)
    change(world, first, lambda group: set_anchor_peers(group, "Org2MSP", ["localhost:1"]))
    directory.renew(first.ledger.bundle)
    [moved] = directory.peers("Org2MSP")
    assert moved.address == "localhost:1"
    nothing = Directory({}, None)
    nothing.renew(first.ledger.bundle)
    assert nothing.places() == {}
    directory.close()
    assert directory.peers("Org2MSP") == ()


def test_clients_go_to_another_node_where_one_is_gone(world):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    transport = world.place(follower.address, ordering.address).transport()
    gateway = Gateway(transport, world.alice, channel_id=CHANNEL, chaincode="kv")
    gateway.submit("mark", b"a")
    follower.stop()
    gateway.submit("mark", b"b")
    follower.start()
    world.settle()
    ordering.stop()

    def read():
        try:
            return gateway.evaluate("read", b"b")
        except EvaluateError:  # its connection to the follower is made again with a growing wait
            return b""

    assert until(read) == b"marked"
    ordering.start()
    transport.close()
    world.assert_equal()


def test_who_orders_follows_nobody_and_who_follows_does_not_order(world):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    for node in (ordering, follower):
        node.stop()
    with pytest.raises(LedgerError) as refused:
        open_node(ordering.url, Peering(follow=ordering.place))
    assert refused.value.code == "KEYS_UNUSABLE"
    for begin in (
        lambda: EmbeddedBackend.open(follower.url),
        lambda: open_node(follower.url, Peering()),
    ):
        with pytest.raises(LedgerError) as refused:
            begin()
        assert refused.value.code == "KEYS_UNUSABLE"
    with pytest.raises(LedgerError) as refused:
        keys_of("embedded:///none.db", world.folder / "nothing")
    assert refused.value.code == "KEYS_UNUSABLE"
    follower.peering = replace(follower.peering, follow=world.place("localhost:1"))
    follower.start()
