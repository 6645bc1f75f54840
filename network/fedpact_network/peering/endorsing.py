"""Endorsements of peers on other nodes: `protos.Endorser/ProcessProposal`, all organisations at a time.

Where an organisation's peer does not answer, its next one is asked; where none of them endorses, other
organisations that satisfy the policies with the rest. A proposal, with its transient data, goes to those
organisations only whose endorsements are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import grpc
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2
from google.protobuf.message import DecodeError

from fedpact.gateway.transport import ErrorDetail, TransportError
from fedpact.wire.envelopes import Endorsement
from fedpact.wire.policies import choose_for
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.remote_endorsers import RemoteAnswer, RemoteCall
from fedpact_network.peering.directory import Directory, Peer

DEADLINE_S = 15.0
"""Longest wait for one peer's endorsement."""

_METHOD = "/protos.Endorser/ProcessProposal"
_REFUSED, _PEER_FAILED = 400, 500


class _Failed(NamedTuple):
    text: str
    final: bool  # the contract has refused: another peer of the organisation would as well


class PeerEndorsers:
    """A `RemoteEndorsers`.

    Parameters
    ----------
    directory : knows the peers.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def __call__(self, call: RemoteCall) -> list[RemoteAnswer]:
        """Return the endorsements that are needed.

        Raises
        ------
        Refusal
            NO_ENDORSERS: of an organisation no peer is known; ENDORSERS_FAILED, with what each peer answered.
        """
        request: bytes = proposal_pb2.SignedProposal(
            proposal_bytes=call.proposal_bytes, signature=call.signature
        ).SerializeToString()
        found: dict[str, RemoteAnswer] = {}
        errors: list[ErrorDetail] = []
        failed: set[str] = set()
        wanted: tuple[str, ...] = call.organisations
        while wanted:
            known = tuple(mspid for mspid in wanted if self._directory.peers(mspid))
            found |= self._ask(known, request, errors)
            failed |= set(wanted) - set(found)
            if not failed.intersection(wanted):
                break
            wanted = self._alternative(call, tuple(found), failed, errors)
        return list(found.values())

    def _alternative(
        self, call: RemoteCall, found: tuple[str, ...], failed: set[str], errors: Sequence[ErrorDetail]
    ) -> tuple[str, ...]:
        """Return who else is to be asked."""
        have = (*call.signed, *found)
        others = sorted(
            mspid for mspid in self._directory.places() if mspid not in failed and mspid not in have
        )
        chosen = choose_for(call.policies, (*have, *others)) if call.policies else None
        if chosen is not None:
            return tuple(mspid for mspid in chosen if mspid not in have)
        if errors:
            text = "; ".join(f"{error.mspid} {error.address}: {error.message}" for error in errors)
            raise Refusal(RefusalCode.ENDORSERS_FAILED, text[:500], tuple(errors))
        missing = ", ".join(sorted(failed))[:200]
        raise Refusal(RefusalCode.NO_ENDORSERS, f"no peers of {missing} are known")

    def _ask(
        self, organisations: Sequence[str], request: bytes, errors: list[ErrorDetail]
    ) -> dict[str, RemoteAnswer]:
        """Ask one peer of each organisation at a time, the next ones where it fails."""
        found: dict[str, RemoteAnswer] = {}
        left = {mspid: list(self._directory.peers(mspid)) for mspid in organisations}
        while left:
            calls = [_begin(peers.pop(0), request) for peers in left.values()]
            for peer, call in calls:
                answer = _answer(peer, call)
                if isinstance(answer, RemoteAnswer):
                    found[peer.mspid] = answer
                    self._directory.prefer(peer)
                else:
                    errors.append(ErrorDetail(peer.address, peer.mspid, answer.text))
                if isinstance(answer, RemoteAnswer) or answer.final or not left[peer.mspid]:
                    del left[peer.mspid]
        return found


def _begin(peer: Peer, request: bytes) -> tuple[Peer, grpc.Future | None]:
    try:
        return peer, peer.begin(_METHOD, request, DEADLINE_S)
    except ValueError:  # its connection was closed by a new configuration
        return peer, None


def _answer(peer: Peer, call: grpc.Future | None) -> RemoteAnswer | _Failed:
    if call is None:
        return _Failed("the connection is closed", final=False)
    try:
        response = proposal_response_pb2.ProposalResponse.FromString(peer.result(call))
        endorser = identities_pb2.SerializedIdentity.FromString(response.endorsement.endorser)
    except TransportError as error:
        return _Failed(error.message, final=False)
    except DecodeError:
        return _Failed("the answer is no ProposalResponse", final=False)
    if not 200 <= response.response.status < _REFUSED:
        text = f"chaincode response {response.response.status}, {response.response.message}"
        return _Failed(text, final=response.response.status < _PEER_FAILED)
    if endorser.mspid != peer.mspid:
        return _Failed(f"the endorsement is of {endorser.mspid[:100]!r}", final=False)
    signed = Endorsement(response.endorsement.endorser, response.endorsement.signature)
    return RemoteAnswer(response.payload, signed)
