"""What an attacker makes: impostors, and transactions that were altered after they were endorsed."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from fedpact.gateway.connection import Actor
from fedpact.gateway.transaction import Transaction
from fedpact.identity import CertificateAuthority, Identity, PrivateKeySigner
from fedpact.testing.stage import Client, Stage
from fedpact.wire.envelopes import endorse_message

Change = Callable[[transaction_pb2.ChaincodeEndorsedAction], None]


@dataclass(frozen=True)
class Impostor:
    """Somebody who shows another one's certificate and signs with a key of its own."""

    creator: bytes
    signer: PrivateKeySigner

    def sign(self, message: bytes, /) -> bytes:
        """Sign."""
        return self.signer.sign(message)


def outsiders(stage: Stage) -> dict[str, Actor]:
    """Return who must not act, by what is wrong with them."""
    authority = stage.authorities["Org1MSP"]
    begins = authority.certificate.not_valid_before_utc
    return {
        "a forged signature": Impostor(stage.alice.creator, PrivateKeySigner.generate()),
        "a foreign authority": CertificateAuthority.create("org1", "Org1MSP").issue("alice", role="member"),
        "an unknown organisation": CertificateAuthority.create("org9", "Org9MSP").issue("eve", role="member"),
        "an expired certificate": authority.issue(
            "late", role="member", not_before=begins, not_after=begins + datetime.timedelta(minutes=1)
        ),
    }


def altered(client: Client, creator: Identity, transaction: Transaction, change: Change) -> Transaction:
    """Return a transaction with its endorsed action changed, signed again by its creator."""
    payload = common_pb2.Payload.FromString(transaction.message)
    body = transaction_pb2.Transaction.FromString(payload.data)
    action = transaction_pb2.ChaincodeActionPayload.FromString(body.actions[0].payload)
    change(action.action)
    body.actions[0].payload = action.SerializeToString()
    payload.data = body.SerializeToString()
    prepared = gateway_pb2.PreparedTransaction(
        transaction_id=transaction.transaction_id,
        envelope=common_pb2.Envelope(payload=payload.SerializeToString()),
    )
    signature = creator.sign(prepared.envelope.payload)
    return client.gateway.signed_transaction(prepared.SerializeToString(), signature)


def drop_endorsement(action: transaction_pb2.ChaincodeEndorsedAction) -> None:
    """Leave one endorsement out."""
    del action.endorsements[-1]


def repeat_endorsement(action: transaction_pb2.ChaincodeEndorsedAction) -> None:
    """Put the first endorsement in the last one's place."""
    action.endorsements[-1].CopyFrom(action.endorsements[0])


def break_endorsement(action: transaction_pb2.ChaincodeEndorsedAction) -> None:
    """Alter one endorsement's signature."""
    broken = bytearray(action.endorsements[-1].signature)
    broken[-1] ^= 1
    action.endorsements[-1].signature = bytes(broken)


def endorsed_by(endorser: Identity) -> Change:
    """Put another identity's endorsement in the last one's place."""

    def change(action: transaction_pb2.ChaincodeEndorsedAction) -> None:
        message = endorse_message(action.proposal_response_payload, endorser.creator)
        action.endorsements[-1].endorser = endorser.creator
        action.endorsements[-1].signature = endorser.sign(message)

    return change


def another_result(action: transaction_pb2.ChaincodeEndorsedAction) -> None:
    """Change what the contract wrote, behind the endorsers' back."""
    response = proposal_response_pb2.ProposalResponsePayload.FromString(action.proposal_response_payload)
    result = proposal_pb2.ChaincodeAction.FromString(response.extension)
    honest = result.results
    result.results = honest.replace(b"honest", b"forged")
    if result.results == honest:
        raise ValueError("there is nothing to forge")
    response.extension = result.SerializeToString()
    action.proposal_response_payload = response.SerializeToString()
