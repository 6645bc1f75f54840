"""The node's metrics under the names that Fabric has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram


class CallMetrics:
    """Counts the calls of one unary method.

    Attributes
    ----------
    received : calls that came in.
    """

    def __init__(self, metrics: Metrics, service: str, method: str) -> None:
        self._labels = (service.replace(".", "_"), method)
        self._metrics = metrics
        self.received = metrics.unary_received.labels(*self._labels)
        self._completed: dict[str, tuple[Counter, Histogram]] = {}

    def completed(self, code: str, seconds: float) -> None:
        """Count a call that has ended."""
        found = self._completed.get(code)
        if found is None:
            found = self._completed[code] = (
                self._metrics.unary_completed.labels(*self._labels, code),
                self._metrics.unary_duration.labels(*self._labels, code),
            )
        found[0].inc()
        found[1].observe(seconds)


class Metrics:
    """All metrics of one served node, in a registry of its own.

    Attributes
    ----------
    registry : Prometheus' registry.
    """

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.registry: CollectorRegistry = CollectorRegistry()
        call = ("service", "method")
        self.unary_received = Counter(
            "grpc_server_unary_requests_received",
            "The number of unary requests received.",
            call,
            registry=self.registry,
        )
        self.unary_completed = Counter(
            "grpc_server_unary_requests_completed",
            "The number of unary requests completed.",
            (*call, "code"),
            registry=self.registry,
        )
        self.unary_duration = Histogram(
            "grpc_server_unary_request_duration",
            "The time to complete a unary request.",
            (*call, "code"),
            registry=self.registry,
        )
