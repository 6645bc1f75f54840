"""`fedpact bench official-client`: Fabric's own client for Node.js against one or more gateways."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fedpact_loadtest.children import Child
from fedpact_loadtest.client_process import Turn
from fedpact_loadtest.creates import MAX_VALUE_BYTES
from fedpact_loadtest.in_flight import Outcomes
from fedpact_loadtest.measuring import median_tps, ms_each, quantile_ms
from fedpact_loadtest.node_js import install_client, program
from fedpact_loadtest.profiles import Profile, profile_of
from fedpact_loadtest.served import ServedNode, found_and_serve
from fedpact_loadtest.submit import GATEWAY_CALLS
from fedpact_loadtest.venue import folder_or_temporary

OWN = "fedpact"
"""The name of the node that the benchmark serves itself."""
_WARM_UP_S = 1.0
_BOUNDS = {
    "in_flight": (1, GATEWAY_CALLS),
    "seconds": (0.05, 600),
    "repetitions": (1, 100),
    "organisations": (1, 64),
    "endorsements": (1, 64),
    "value_bytes": (1, MAX_VALUE_BYTES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialClientRules:
    """What is measured.

    Attributes
    ----------
    in_flight : transactions under way at any moment, 1 to 500: what a peer lets in.
    seconds : length of each repetition, 0.05 to 600.
    repetitions : at each endpoint, in turns.
    own : whether a node of ours is served beside the endpoints.
    organisations, endorsements : of its channel; two and two as in Fabric's test network.
    value_bytes : what each transaction writes.

    Raises
    ------
    ValueError
        Out of bounds.
    """

    in_flight: int = 50
    seconds: float = 10.0
    repetitions: int = 3
    own: bool = True
    organisations: int = 2
    endorsements: int = 2
    value_bytes: int = 100

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} lies between {low} and {high}")
        if self.endorsements > self.organisations:
            raise ValueError("a transaction has at most one endorsement of each organisation")


class EndpointReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured at one gateway.

    Attributes
    ----------
    tps, tps_min, tps_max : valid transactions a second of the repetitions; failures cost time, too.
    p50_ms, p95_ms : of one call of `submitTransaction`; None without any valid one.
    client_cpu_ms_per_tx : processor time of the client.
    node_cpu_ms_per_tx : of our own node; None of others.
    transactions : valid ones, in all repetitions.
    failures : calls that ended otherwise.
    first_failure : what the first one says.
    """

    tps: float
    tps_min: float
    tps_max: float
    p50_ms: float | None
    p95_ms: float | None
    client_cpu_ms_per_tx: float | None
    node_cpu_ms_per_tx: float | None
    transactions: int
    failures: int
    first_failure: str


class OfficialClientReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured.

    Attributes
    ----------
    endpoints : by name; our own node is `fedpact`.
    ratios : median transactions a second of the first endpoint, divided by each other's; None for 0 there.
    client : version of the official client.
    in_flight, seconds, repetitions, value_bytes : the rules.
    """

    endpoints: dict[str, EndpointReport]
    ratios: dict[str, float | None]
    client: str
    in_flight: int
    seconds: float
    repetitions: int
    value_bytes: int


class _Order(msgspec.Struct, kw_only=True):
    """The first line that `load.mjs` reads: a profile's fields, and how much at a time."""

    endpoint: str
    tls_root: str
    server_name: str
    mspid: str
    certificate: str
    key: str
    channel: str
    chaincode: str
    function: str
    arguments: tuple[str, ...]
    in_flight: int
    value_bytes: int


class _Endpoint:
    """One gateway, its client's process, and what was measured."""

    def __init__(self, client: Child, node: ServedNode | None) -> None:
        self._client = client
        self._node = node
        self._outcomes: list[Outcomes] = []
        self._node_s: list[float] = []

    def run(self, turn: Turn) -> Outcomes:
        return self._client.ask(turn, Outcomes)

    def measure(self, turn: Turn) -> None:
        before_s = self._node_cpu_s()
        self._outcomes.append(self.run(turn))
        self._node_s.append(self._node_cpu_s() - before_s)

    def report(self) -> EndpointReport:
        latencies_s = [latency for one in self._outcomes for latency in one.latencies_s]
        committed, outcomes = len(latencies_s), self._outcomes
        tps, lowest, highest = median_tps(outcomes)
        return EndpointReport(
            tps=tps,
            tps_min=lowest,
            tps_max=highest,
            p50_ms=quantile_ms(latencies_s, 0.50),
            p95_ms=quantile_ms(latencies_s, 0.95),
            client_cpu_ms_per_tx=ms_each([one.cpu_s for one in outcomes], committed),
            node_cpu_ms_per_tx=None if self._node is None else ms_each(self._node_s, committed),
            transactions=committed,
            failures=sum(one.failures for one in outcomes),
            first_failure=next((one.first_failure for one in outcomes if one.failures), ""),
        )

    def _node_cpu_s(self) -> float:
        return 0.0 if self._node is None else self._node.spent().cpu_s


def bench_official_client(
    rules: OfficialClientRules,
    endpoints: Mapping[str, Profile],
    *,
    modules: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> OfficialClientReport:
    """Measure how many transactions the official client gets committed in a second, at each gateway in turns.

    Parameters
    ----------
    rules : what is measured.
    endpoints : existing gateways by name.
    modules : where the client is installed and kept; None: a temporary folder.
    progress : called with the repetitions that are done, and with how many there will be.

    Raises
    ------
    NodeJsError
        Node.js is missing, or the client cannot be installed.
    ChildError
        A client or the node ended before its time.
    ValueError
        There is no endpoint, or one is called like our own node.
    """
    if OWN in endpoints or not (endpoints or rules.own):
        raise ValueError(f"endpoints have names other than {OWN}, and there is at least one")
    run = f"bench-{secrets.token_hex(4)}"  # an existing network may have the keys of an earlier run
    with folder_or_temporary(modules) as folder:
        script = install_client(folder)
        with _endpoints(rules, endpoints, script) as opened:
            for endpoint in opened.values():
                endpoint.run(Turn(f"{run}-warm-up", min(_WARM_UP_S, rules.seconds)))
            total = rules.repetitions * len(opened)
            for repetition in range(rules.repetitions):
                for number, endpoint in enumerate(opened.values()):
                    endpoint.measure(Turn(f"{run}-{repetition}", rules.seconds))
                    if progress is not None:
                        progress(repetition * len(opened) + number + 1, total)
            reports = {name: endpoint.report() for name, endpoint in opened.items()}
        return _report(rules, reports, _version(folder))


@contextmanager
def _endpoints(
    rules: OfficialClientRules, profiles: Mapping[str, Profile], script: Path
) -> Iterator[dict[str, _Endpoint]]:
    """Serve our own node, if it takes part, and start a client for each gateway."""
    with ExitStack() as stack:
        nodes: dict[str, ServedNode] = {}
        if rules.own:
            ledger = stack.enter_context(folder_or_temporary(None))
            nodes[OWN] = stack.enter_context(
                found_and_serve(ledger, organisations=rules.organisations, endorsements=rules.endorsements)
            )
        everywhere = {**{name: profile_of(node) for name, node in nodes.items()}, **profiles}
        opened: dict[str, _Endpoint] = {}
        for name, profile in everywhere.items():
            client = stack.enter_context(Child([program("node"), str(script)]))
            fields = msgspec.structs.asdict(profile)
            client.send(_Order(**fields, in_flight=rules.in_flight, value_bytes=rules.value_bytes))
            opened[name] = _Endpoint(client, nodes.get(name))
        yield opened


def _report(
    rules: OfficialClientRules, reports: dict[str, EndpointReport], client: str
) -> OfficialClientReport:
    first, *others = reports
    ratios = {
        name: round(reports[first].tps / reports[name].tps, 3) if reports[name].tps else None
        for name in others
    }
    return OfficialClientReport(
        endpoints=reports,
        ratios=ratios,
        client=client,
        in_flight=rules.in_flight,
        seconds=rules.seconds,
        repetitions=rules.repetitions,
        value_bytes=rules.value_bytes,
    )


def _version(folder: Path) -> str:
    package = folder / "node_modules" / "@hyperledger" / "fabric-gateway" / "package.json"
    return str(json.loads(package.read_bytes())["version"])
