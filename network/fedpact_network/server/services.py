"""Which gRPC methods a server has, and what answers them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc

from fedpact.gateway.transport import DeliverKind
from fedpact_network.peering.dissemination import take
from fedpact_network.server.answering import Limit, streaming, unary
from fedpact_network.server.block_services import BlockServices
from fedpact_network.server.calls_service import CallsService
from fedpact_network.server.commits import Commits
from fedpact_network.server.endorser_service import EndorserService
from fedpact_network.server.gateway_service import GatewayCalls
from fedpact_network.server.metrics import CallMetrics, Metrics
from fedpact_network.server.settings import ServerSettings
from fedpact_network.server.workers import Workers

if TYPE_CHECKING:
    from fedpact_network.embedded.ledger import EmbeddedLedger

GATEWAY = "gateway.Gateway"
DELIVER = "protos.Deliver"
ENDORSER = "protos.Endorser"
ORDERER = "orderer.AtomicBroadcast"
NODE = "fedpact.Node"


@dataclass(frozen=True, slots=True)
class Services:
    """What answers the calls of one server.

    Attributes
    ----------
    handlers : to be added to a gRPC server.
    names : of the services.
    """

    handlers: tuple[grpc.GenericRpcHandler, ...]
    names: tuple[str, ...]
    commits: Commits
    workers: tuple[Workers, ...]
    batches: CallsService

    def end_streams(self) -> None:
        """Let streams of blocks and batches end; single calls go on."""
        self.commits.end_streams()
        self.batches.close()

    def close(self) -> None:
        """Refuse what still waits, end the threads."""
        self.commits.close()
        for workers in self.workers:
            workers.close()


def offer(
    ledger: EmbeddedLedger, settings: ServerSettings, metrics: Metrics, mspids: tuple[str, ...]
) -> Services:
    """Set up all services of a ledger in the running event loop.

    Parameters
    ----------
    ledger : whose node answers.
    settings : limits.
    metrics : what is counted.
    mspids : the organisations whose peers the node plays, the one that answers by default first.
    """
    loop = asyncio.get_running_loop()
    handler = ledger.transport()
    handler.told = metrics.proposals.told
    commits = Commits(ledger.node, loop)
    # A gateway's calls wait for other nodes' endorsements, an endorsement for private data to be taken there.
    # Each has threads of its own, else nodes that are busy with clients' calls would wait for each other.
    workers, endorsing_workers, prompt = (Workers(loop, settings.threads) for _ in range(3))
    calls = GatewayCalls(handler, commits, workers)
    bound = settings.tls is not None and settings.tls.bind_clients
    blocks = BlockServices(handler, commits, prompt, metrics.deliver, bound=bound)
    endorser = EndorserService(handler, endorsing_workers, prompt, mspids, partial(take, ledger.node))
    batches = CallsService(calls, Limit(NODE, settings.batched_calls))
    gateway, deliver = Limit(GATEWAY, settings.gateway_calls), Limit(DELIVER, settings.deliver_streams)
    endorsing, ordering = Limit(ENDORSER, settings.endorser_calls), Limit(ORDERER, settings.deliver_streams)

    def one(service: str, method: str, call: Any, limit: Limit) -> grpc.RpcMethodHandler:
        return unary(call, limit, CallMetrics(metrics, "unary", service, method))

    def many(
        service: str, method: str, call: Any, limit: Limit, *, takes_many: bool = True
    ) -> grpc.RpcMethodHandler:
        return streaming(call, limit, CallMetrics(metrics, "stream", service, method), takes_many=takes_many)

    methods = {
        GATEWAY: {
            "Evaluate": one(GATEWAY, "Evaluate", calls.evaluate, gateway),
            "Endorse": one(GATEWAY, "Endorse", calls.endorse, gateway),
            "Submit": one(GATEWAY, "Submit", calls.submit, gateway),
            "CommitStatus": one(GATEWAY, "CommitStatus", calls.commit_status, gateway),
            "ChaincodeEvents": many(
                GATEWAY, "ChaincodeEvents", blocks.chaincode_events, gateway, takes_many=False
            ),
        },
        DELIVER: {
            kind.value: many(DELIVER, kind.value, partial(blocks.deliver, kind=kind), deliver)
            for kind in DeliverKind
        },
        ENDORSER: {"ProcessProposal": one(ENDORSER, "ProcessProposal", endorser.process_proposal, endorsing)},
        ORDERER: {
            "Broadcast": many(ORDERER, "Broadcast", blocks.broadcast, ordering),
            "Deliver": many(ORDERER, "Deliver", partial(blocks.deliver, kind=None), ordering),
        },
        NODE: {"Calls": many(NODE, "Calls", batches.calls, Limit(NODE, settings.deliver_streams))}
        | {"TakePrivateData": one(NODE, "TakePrivateData", endorser.take_private_data, endorsing)},
    }
    handlers = tuple(grpc.method_handlers_generic_handler(name, offered) for name, offered in methods.items())
    return Services(handlers, tuple(methods), commits, (workers, endorsing_workers, prompt), batches)
