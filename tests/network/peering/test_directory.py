"""Which nodes are known, and how they are reached."""

from __future__ import annotations

from types import SimpleNamespace

from fedpact.gateway.grpc_channel import ChannelSettings, Tls
from fedpact_network.peering.directory import Directory


def test_peers_that_a_configuration_names_are_not_reached_in_the_clear():
    """The ordering node may be next door, on loopback and without TLS; anchor peers are elsewhere."""

    class Bundle:
        organisations = (
            SimpleNamespace(mspid="Org1MSP", endpoints=("peer.example:7051",)),
            SimpleNamespace(mspid="Org2MSP", endpoints=("127.0.0.1:7051",)),
        )

    plain = Directory({}, ChannelSettings())
    plain.renew(Bundle)
    assert plain.peers("Org1MSP") == ()
    assert [peer.address for peer in plain.peers("Org2MSP")] == ["127.0.0.1:7051"]
    secured = Directory({}, ChannelSettings(tls=Tls()))
    secured.renew(Bundle)
    assert [peer.address for peer in secured.peers("Org1MSP")] == ["peer.example:7051"]
    for directory in (plain, secured):
        directory.close()
