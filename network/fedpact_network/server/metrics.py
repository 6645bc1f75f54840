"""The node's metrics, under the names and labels that Fabric has for them.

Counting costs a call about a microsecond a metric; everything else happens when the metrics are read.
"""

from __future__ import annotations

import re
import time
from collections import Counter as Count
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2
from google.protobuf.message import DecodeError

from fedpact.gateway.transport import DeliverKind
from fedpact.wire.commits import ValidationCode
from fedpact_network.embedded.errors import Refusal, RefusalCode

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

    from fedpact_network.embedded.notifier import Outcome

_TOTAL = re.compile(rb"(?m)^((?:# (?:HELP|TYPE) )?\w+)_total\b")
_CREATED = re.compile(rb"(?m)^(?:# (?:HELP|TYPE) )?\w+_created\b.*\n")
_CALL = ("service", "method")
_PROPOSAL = ("channel", "chaincode")
_DELIVERY = ("channel", "filtered", "data_type")
_KINDS = {
    None: ("false", "block"),
    DeliverKind.BLOCKS: ("false", "block"),
    DeliverKind.FILTERED: ("true", "filtered_block"),
    DeliverKind.WITH_PRIVATE_DATA: ("false", "block_and_pvtdata"),
}


class _Make(Protocol):
    """Makes a metric in the node's registry."""

    def __call__(self, name: str, text: str, labels: tuple[str, ...] = ..., /) -> Any: ...


class Metrics:
    """All metrics of one served node, in a registry of its own.

    Parameters
    ----------
    channel : the node's channel.
    chaincodes : names that may become labels; others are counted as `unknown`.
    version : of the node.
    """

    def __init__(self, channel: str, chaincodes: Collection[str], version: str) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self.channel = channel
        self.registry = CollectorRegistry()
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        def histogram(name: str, text: str, labels: tuple[str, ...] = ()) -> Histogram:
            return Histogram(name, text, labels, registry=self.registry)

        def calls(kind: str) -> tuple[Counter, Counter, Histogram]:
            return (
                counter(f"grpc_server_{kind}_requests_received", f"{kind} requests received.", _CALL),
                counter(
                    f"grpc_server_{kind}_requests_completed", f"{kind} requests completed.", (*_CALL, "code")
                ),
                histogram(
                    f"grpc_server_{kind}_request_duration",
                    f"Seconds to complete a {kind} request.",
                    (*_CALL, "code"),
                ),
            )

        self.calls = {kind: calls(kind) for kind in ("unary", "stream")}
        self.messages_sent = counter("grpc_server_stream_messages_sent", "Stream messages sent.", _CALL)
        self.proposals = ProposalMetrics(channel, chaincodes, counter, histogram)
        self.deliver = DeliverMetrics(channel, counter)
        Gauge("fabric_version", "The active version.", ["version"], registry=self.registry).labels(
            version
        ).set(1)
        height = Gauge(
            "ledger_blockchain_height", "Height of the chain in blocks.", ["channel"], registry=self.registry
        )
        self._height = height.labels(channel)
        self._transactions = counter(
            "ledger_transaction_count", "Transactions processed.", ("channel", "validation_code")
        )
        self._seconds = histogram(
            "ledger_block_processing_time", "Seconds for ledger block processing.", ("channel",)
        ).labels(channel)

    def begin(self, height: int) -> None:
        """Set the height that blocks are counted from."""
        self._height.set(height)

    def committed(self, height: int, outcomes: Collection[tuple[str, Outcome]]) -> None:
        """Count a block; called by the block stage."""
        self._height.set(height)
        for code, number in Count(outcome.code for _, outcome in outcomes).items():
            self._transactions.labels(self.channel, ValidationCode(code).name).inc(number)

    def stopped(self, reason: str) -> None:
        """Hear that no more blocks will come; nothing is counted."""

    def block_took(self, seconds: float) -> None:
        """Count how long a block took; called by the block stage."""
        self._seconds.observe(seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format; counters have no suffix, as in Fabric."""
        from prometheus_client import generate_latest

        own = _TOTAL.sub(rb"\1", _CREATED.sub(b"", generate_latest(self.registry)))
        return own + generate_latest(self._process)


class CallMetrics:
    """Counts the calls of one method.

    Parameters
    ----------
    metrics : of the node.
    kind : `unary` or `stream`.
    service, method : names of the method.
    """

    def __init__(self, metrics: Metrics, kind: str, service: str, method: str) -> None:
        self._labels = (service.replace(".", "_"), method)
        received, self._all_completed, self._all_durations = metrics.calls[kind]
        self.received = received.labels(*self._labels)
        self.sent = metrics.messages_sent.labels(*self._labels)
        self._completed: dict[str, tuple[Counter, Histogram]] = {}

    def completed(self, code: str, seconds: float) -> None:
        """Count a call that has ended."""
        found = self._completed.get(code)
        if found is None:
            labels = (*self._labels, code)
            found = (self._all_completed.labels(*labels), self._all_durations.labels(*labels))
            self._completed[code] = found
        found[0].inc()
        found[1].observe(seconds)


class ProposalMetrics:
    """Counts what endorsers were asked for."""

    def __init__(self, channel: str, chaincodes: Collection[str], counter: _Make, histogram: _Make) -> None:
        self._channel = channel
        self._chaincodes = frozenset(chaincodes)
        self._received = counter("endorser_proposals_received", "Proposals received.")
        self._successful = counter("endorser_successful_proposals", "Successful proposals.")
        self._invalid = counter(
            "endorser_proposal_validation_failures", "Proposals that have failed initial validation."
        )
        self._failures = {
            RefusalCode.ACCESS_DENIED: counter(
                "endorser_proposal_acl_failures", "Proposals that failed ACL checks.", _PROPOSAL
            ),
            RefusalCode.DUPLICATE: counter(
                "endorser_duplicate_transaction_failures",
                "Failed proposals due to duplicate transaction ID.",
                _PROPOSAL,
            ),
            RefusalCode.CONTRACT_REFUSED: counter(
                "endorser_endorsement_failures", "Failed endorsements.", (*_PROPOSAL, "chaincodeerror")
            ),
        }
        self._simulations = counter(
            "endorser_proposal_simulation_failures", "Failed proposal simulations.", _PROPOSAL
        )
        self._duration = histogram(
            "endorser_proposal_duration", "Seconds to complete a proposal.", (*_PROPOSAL, "success")
        )

    def told(self, proposal: bytes, begun_s: float, refusal: Refusal | None) -> None:
        """Count a proposal that was answered.

        Parameters
        ----------
        proposal : serialised `protos.Proposal`.
        begun_s : `time.perf_counter` when it came in.
        refusal : why it failed, if it did.
        """
        self._received.inc()
        if refusal is not None and refusal.code in (RefusalCode.MALFORMED, RefusalCode.CLOCK_OFF):
            self._invalid.inc()
            return
        labels = (self._channel, self._chaincode(proposal))
        if refusal is None:
            self._successful.inc()
        elif refusal.code is RefusalCode.CONTRACT_REFUSED:
            self._failures[refusal.code].labels(*labels, "true").inc()
        else:
            self._failures.get(refusal.code, self._simulations).labels(*labels).inc()
        success = "true" if refusal is None else "false"
        self._duration.labels(*labels, success).observe(time.perf_counter() - begun_s)

    def _chaincode(self, proposal: bytes) -> str:
        try:
            header = common_pb2.Header.FromString(proposal_pb2.Proposal.FromString(proposal).header)
            extension = common_pb2.ChannelHeader.FromString(header.channel_header).extension
            name = proposal_pb2.ChaincodeHeaderExtension.FromString(extension).chaincode_id.name
        except DecodeError:
            return "unknown"
        return name if name in self._chaincodes else "unknown"


class _Deliveries:
    def __init__(self, metrics: DeliverMetrics, kind: DeliverKind | None) -> None:
        self._metrics = metrics
        self._labels = (metrics.channel, *_KINDS[kind])

    def received(self) -> None:
        """Count a request."""
        self._metrics.requests.labels(*self._labels).inc()

    def sent(self) -> None:
        """Count a block."""
        self._metrics.blocks.labels(*self._labels).inc()

    def completed(self, success: bool) -> None:
        """Count a request that was answered in full."""
        self._metrics.requests_completed.labels(*self._labels, str(success).lower()).inc()


class DeliverMetrics:
    """Counts the delivery of blocks."""

    def __init__(self, channel: str, counter: _Make) -> None:
        self.channel = channel
        self.opened = counter("deliver_streams_opened", "Streams that have been opened.")
        self.closed = counter("deliver_streams_closed", "Streams that have been closed.")
        self.requests = counter("deliver_requests_received", "Requests received.", _DELIVERY)
        self.requests_completed = counter(
            "deliver_requests_completed", "Requests completed.", (*_DELIVERY, "success")
        )
        self.blocks = counter("deliver_blocks_sent", "Blocks sent.", _DELIVERY)
        self._of = {kind: _Deliveries(self, kind) for kind in _KINDS}

    def of(self, kind: DeliverKind | None) -> _Deliveries:
        """Return the counts of one kind of delivery."""
        return self._of[kind]
