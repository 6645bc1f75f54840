"""Filtered blocks: transaction ids, verdicts and names of events, without arguments, results and payloads."""

from __future__ import annotations

from fabric_protos.common import common_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    events_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)
from google.protobuf.message import DecodeError

from fedpact.wire.blocks import TRANSACTIONS_FILTER


def filtered(block: common_pb2.Block) -> events_pb2.FilteredBlock:
    """Return the filtered block that a Fabric peer makes of a committed block."""
    result = events_pb2.FilteredBlock(number=block.header.number)
    verdicts = block.metadata.metadata[TRANSACTIONS_FILTER]
    for position, envelope in enumerate(block.data.data):
        try:
            payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
            channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        except DecodeError:  # ordered, though it is no transaction
            continue
        if not payload.HasField("header"):
            continue
        result.channel_id = channel.channel_id
        transaction = result.filtered_transactions.add(
            txid=channel.tx_id,
            type=channel.type,
            tx_validation_code=verdicts[position] if position < len(verdicts) else 0,
        )
        if channel.type == common_pb2.ENDORSER_TRANSACTION:
            transaction.transaction_actions.SetInParent()
            transaction.transaction_actions.chaincode_actions.extend(_actions(payload.data))
    return result


def _actions(data: bytes) -> list[events_pb2.FilteredChaincodeAction]:
    found = []
    try:
        for action in transaction_pb2.Transaction.FromString(data).actions:
            endorsed = transaction_pb2.ChaincodeActionPayload.FromString(action.payload).action
            prp = proposal_response_pb2.ProposalResponsePayload.FromString(endorsed.proposal_response_payload)
            content = proposal_pb2.ChaincodeAction.FromString(prp.extension)
            event = chaincode_event_pb2.ChaincodeEvent.FromString(content.events)
            if event.chaincode_id:
                event.ClearField("payload")
                found.append(events_pb2.FilteredChaincodeAction(chaincode_event=event))
    except DecodeError:
        pass
    return found
