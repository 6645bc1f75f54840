"""What the blocking and the asyncio gateway share: building one identity's requests, without I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from fedpact.gateway import offline
from fedpact.gateway.checkpoints import Checkpointer
from fedpact.gateway.commit import Result
from fedpact.gateway.connection import Terms
from fedpact.gateway.event_kinds import EventKind, Place
from fedpact.gateway.event_requests import (
    EventCursor,
    chaincode_events_message,
    newest_message,
    seek_message,
)
from fedpact.gateway.flows import Flow
from fedpact.gateway.messages import SignedProposal
from fedpact.gateway.proposal import ProposalStage
from fedpact.gateway.settlement import commit, hand_over
from fedpact.gateway.transaction import TransactionStage
from fedpact.wire.proposals import build_proposal

E = TypeVar("E")


class Caller:
    """One identity that calls one chaincode on one channel.

    Parameters
    ----------
    terms : who acts, how patiently.
    chaincode : what is called.
    clock : time of the proposals, nanoseconds since 1970.
    """

    def __init__(self, terms: Terms, chaincode: str, clock: Callable[[], int] = time.time_ns) -> None:
        self.identity = terms.identity
        self.chaincode = chaincode
        self.clock = clock
        self._terms = terms

    @property
    def channel_id(self) -> str:
        """The channel that is called."""
        return self._terms.channel_id

    def _unsigned(
        self, function: str, message: bytes, transient: Mapping[str, bytes], organisations: Sequence[str] = ()
    ) -> SignedProposal:
        built = build_proposal(
            self.identity.creator,
            channel_id=self.channel_id,
            chaincode=self.chaincode,
            args=[function.encode(), message] if message else [function.encode()],
            timestamp_ns=self.clock(),
            transient=transient,
        )
        return SignedProposal(
            built.transaction_id, self.channel_id, built.proposal_bytes, organisations=tuple(organisations)
        )

    def _evaluating(self, function: str, message: bytes) -> Flow[bytes]:
        return ProposalStage(self._terms, self._unsigned(function, message, {})).evaluating()

    def _committing(self, function: str, message: bytes, transient: Mapping[str, bytes]) -> Flow[Result]:
        def propose() -> ProposalStage:
            return ProposalStage(self._terms, self._unsigned(function, message, transient))

        return commit(self._terms, function, propose)

    def _handing_over(
        self, function: str, message: bytes, transient: Mapping[str, bytes]
    ) -> Flow[TransactionStage]:
        proposal = ProposalStage(self._terms, self._unsigned(function, message, transient))
        return hand_over(self._terms, proposal)

    def _endorsed(self, transaction: bytes) -> TransactionStage:
        prepared = offline.read_transaction(transaction)
        return TransactionStage(self._terms, prepared, signature=prepared.signature or None)

    def _events_message(self, kind: EventKind[E], place: Place) -> bytes:
        if kind.deliver is None:
            return chaincode_events_message(self._terms, self.chaincode, place)
        return seek_message(self._terms, place, self.clock())

    def _cursor(self, kind: EventKind[E], place: Place) -> EventCursor[E]:
        return EventCursor(
            self._terms,
            kind,
            message=lambda at: self._events_message(kind, at),
            place=place,
            newest=lambda: newest_message(self._terms, self.clock()),
        )


def place_of(start_block: int | None, after: str = "", checkpointer: Checkpointer | None = None) -> Place:
    """Return where events begin; a checkpointer that knows a block stands above the rest.

    Raises
    ------
    ValueError
        A negative block, or a transaction without its block.
    """
    if checkpointer is not None and checkpointer.block_number is not None:
        return Place(checkpointer.block_number, checkpointer.transaction_id)
    if start_block is None and after:
        raise ValueError("after which transaction is said together with its block")
    if start_block is not None and not 0 <= start_block < 2**64:
        raise ValueError("a block's number lies between 0 and 2**64 - 1")
    return Place(start_block, after)
