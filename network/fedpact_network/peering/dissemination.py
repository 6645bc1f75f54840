"""Private data on their way to other members' nodes while their transaction is endorsed.

They go to `/fedpact.Node/TakePrivateData` in a `common.Envelope` that the endorsing peer signs: channel
header with channel, transaction id and time; data: Fabric's `rwset.TxPvtReadWriteSet`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from fedpact.gateway.transport import TransportError
from fedpact.identity import IdentityError
from fedpact.wire.errors import WireError
from fedpact.wire.rwsets import PrivateRwset, decode_private, encode_private
from fedpact_chaincode.lifecycle.layout import IMPLICIT_PREFIX
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.private_delivery import collection_of
from fedpact_network.peering.directory import Directory, Peer

if TYPE_CHECKING:
    import grpc

    from fedpact.identity import Identity
    from fedpact_network.embedded.node import EmbeddedNode

METHOD = "/fedpact.Node/TakePrivateData"
DEADLINE_S = 3.0
TIME_WINDOW_S = 60.0
IMPLICIT_PEERS = 1
"""How many peers of an organisation get what somebody else endorses for its own collection, as in Fabric."""

_TX_ID = re.compile(r"[0-9a-f]{64}")


class Disseminator:
    """Sends private data to as many members' nodes as their collections want.

    Parameters
    ----------
    directory : knows the nodes.
    signer : the peer that endorses.
    """

    def __init__(self, directory: Directory, signer: Identity) -> None:
        self._directory = directory
        self._signer = signer

    def send(self, node: EmbeddedNode, tx_id: str, rwsets: Sequence[PrivateRwset]) -> None:
        """Send write sets; return when as many nodes have them as must.

        Raises
        ------
        Refusal
            NOT_DISSEMINATED, in the words of a Fabric peer.
        """
        rules = node.channel.rules
        for rwset in rwsets:
            with node.snapshots.view() as snapshot:
                terms = collection_of(rules, snapshot, rwset.namespace, rwset.collection)
            if terms is None:
                continue
            required, most = terms.required_peers, terms.maximum_peers
            if rwset.collection.startswith(IMPLICIT_PREFIX):
                most = max(most, IMPLICIT_PEERS)
            most = max(most, required)
            peers = [peer for mspid in sorted(terms.members) for peer in self._directory.peers(mspid)]
            if len(peers) < required:
                raise _refused(
                    tx_id,
                    node.channel.id,
                    f"required to disseminate to at least {required} peers, but know of only {len(peers)} "
                    "eligible peers",
                )
            taken = self._offer(peers, required, most, self._request(node, tx_id, rwset)) if most else 0
            if taken < required:
                text = (
                    f"required to disseminate to at least {required} peers, but {taken} have taken the data"
                )
                raise _refused(tx_id, node.channel.id, text)

    def _offer(self, peers: Sequence[Peer], required: int, most: int, request: bytes) -> int:
        """Offer data to peers, others where some do not take them; return how many have.

        Who failed lately is asked only if there are too few others.
        """
        up = [peer for peer in peers if not peer.down]
        taken, left = 0, up if len(up) >= required else list(peers)
        while left and taken < most:
            now = [left.pop(0) for _ in range(min(most - taken, len(left)))]
            calls = [(peer, _begin(peer, request)) for peer in now]
            taken += sum(_took(peer, call) for peer, call in calls)
        return taken

    def _request(self, node: EmbeddedNode, tx_id: str, rwset: PrivateRwset) -> bytes:
        channel = common_pb2.ChannelHeader(type=common_pb2.MESSAGE, channel_id=node.channel.id, tx_id=tx_id)
        channel.timestamp.seconds = int(node.now_s)
        header = common_pb2.Header(
            channel_header=channel.SerializeToString(),
            signature_header=common_pb2.SignatureHeader(creator=self._signer.creator).SerializeToString(),
        )
        payload = common_pb2.Payload(header=header, data=encode_private([rwset])).SerializeToString()
        signed = common_pb2.Envelope(payload=payload, signature=self._signer.sign(payload))
        data: bytes = signed.SerializeToString()
        return data


def take(node: EmbeddedNode, request: bytes) -> bytes:
    """Keep what another organisation's peer has endorsed, of the collections whose members are played here.

    Raises
    ------
    Refusal
        MALFORMED, UNKNOWN_CHANNEL, CLOCK_OFF; ACCESS_DENIED for anybody but a peer of the channel, or where
        no member is played here; OVERLOADED.
    """
    try:
        envelope = common_pb2.Envelope.FromString(request)
        payload = common_pb2.Payload.FromString(envelope.payload)
        channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        creator = common_pb2.SignatureHeader.FromString(payload.header.signature_header).creator
    except DecodeError as error:
        raise Refusal(RefusalCode.MALFORMED, str(error)) from error
    if channel.channel_id != node.channel.id:
        raise Refusal(RefusalCode.UNKNOWN_CHANNEL, f"no channel {channel.channel_id[:128]!r} here")
    if abs(channel.timestamp.seconds - node.now_s) > TIME_WINDOW_S:
        raise Refusal(RefusalCode.CLOCK_OFF, "the time of the private data is off")
    rules = node.channel.rules
    try:
        member = rules.membership.verify(creator, envelope.payload, envelope.signature, node.now_s)
    except IdentityError as error:
        raise Refusal(RefusalCode.ACCESS_DENIED, str(error)) from error
    if "peer" not in member.ou:
        raise Refusal(RefusalCode.ACCESS_DENIED, f"{member.id} is no peer")
    if not _TX_ID.fullmatch(channel.tx_id):
        raise Refusal(RefusalCode.MALFORMED, "this is no transaction's id")
    try:
        rwsets = decode_private(payload.data)  # not before: it takes many times the memory
    except WireError as error:
        raise Refusal(RefusalCode.MALFORMED, str(error)) from error
    with node.snapshots.view() as snapshot:
        terms = [collection_of(rules, snapshot, one.namespace, one.collection) for one in rwsets]
    own = frozenset(node.organisations)
    held = [
        one for one, found in zip(rwsets, terms, strict=True) if found is not None and found.members & own
    ]
    if not held:
        raise Refusal(RefusalCode.ACCESS_DENIED, "no member of these collections is played here")
    try:
        node.transient.keep(channel.tx_id, held, node.snapshots.height)
    except WireError as error:
        raise Refusal(RefusalCode.MALFORMED, str(error)) from error
    outcome = node.decided(channel.tx_id)
    if outcome is not None:  # sent too late, or once more: nobody will ask for it
        node.transient.committed(outcome.block + 1, [(channel.tx_id, outcome)])
    return b""


def _begin(peer: Peer, request: bytes) -> grpc.Future | None:
    try:
        return peer.begin(METHOD, request, DEADLINE_S)
    except ValueError:  # its connection was closed by a new configuration
        return None


def _took(peer: Peer, call: grpc.Future | None) -> bool:
    try:
        if call is not None:
            peer.result(call)
    except TransportError:
        return False
    return call is not None


def _refused(tx_id: str, channel_id: str, reason: str) -> Refusal:
    where = f"txID {tx_id}, channel {channel_id}"
    text = f"error in simulation: failed to distribute private collection, {where}: {reason}"
    return Refusal(RefusalCode.NOT_DISSEMINATED, text)
