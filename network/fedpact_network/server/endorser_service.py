"""`protos.Endorser/ProcessProposal`: the answer of one organisation's peer.

A node plays a peer of each organisation it has an identity of. Which of them answers is named by the call's
metadata `fedpact-organisation`; without it, it is the one that the server was set up for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fedpact.gateway.transport import Status, TransportError
from fedpact_network.embedded.handler import GatewayHandler
from fedpact_network.server.answering import Context
from fedpact_network.server.workers import Workers

ORGANISATION = "fedpact-organisation"
"""Key of the metadata that names an organisation by its MSP id."""


class EndorserService:
    """Endorses proposals.

    Parameters
    ----------
    handler : answers serialised messages.
    workers : where contracts run.
    prompt : where private data are taken: for them other nodes wait while their contracts run.
    organisations : MSP ids of the peers that the node plays, the one that answers by default first; none
        for a node that only reads.
    take : keeps private data that a peer elsewhere has endorsed.
    """

    def __init__(
        self,
        handler: GatewayHandler,
        workers: Workers,
        prompt: Workers,
        organisations: tuple[str, ...],
        take: Callable[[bytes], bytes],
    ) -> None:
        self._workers = workers
        self._prompt = prompt
        self._take = take
        self._default = next(iter(organisations), "")
        self._calls = {mspid: partial(handler.process_proposal, mspid=mspid) for mspid in organisations}

    async def take_private_data(self, request: bytes, context: Context) -> bytes:
        """Keep what `peering.dissemination` has sent; the answer is empty."""
        return await self._prompt.run(self._take, request)

    async def process_proposal(self, request: bytes, context: Context) -> bytes:
        """`SignedProposal` -> `ProposalResponse`."""
        mspid = self._default
        for key, value in context.invocation_metadata() or ():
            if key == ORGANISATION:
                mspid = str(value)
        call = self._calls.get(mspid)
        if call is None:
            text = f"this node has no peer of {mspid[:128]!r}"
            raise TransportError(Status.NOT_FOUND, text)
        return await self._workers.run(call, request)
