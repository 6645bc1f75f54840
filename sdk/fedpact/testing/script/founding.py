"""The script's first acts: a consortium, its devices and its data."""

from __future__ import annotations

from fedpact.telemetry import Reading, schema_of
from fedpact.testing.script.cast import NODES, ORGANISATIONS, RESEARCHER, Cast
from fedpact_chaincode.contracts.catalog import Form
from fedpact_chaincode.contracts.registry import NodeKind

FUNDS = 5_000
CATEGORY = "diabetes"
DEVICE = "BetaMSP/device"


def dataset_of(node: str) -> str:
    """Return the id of a node's dataset."""
    return f"{node}-data"


def found(cast: Cast) -> None:
    """Found the consortium, register its nodes, give everybody credit."""
    cast.acts("AlphaMSP/admin").council.found(ORGANISATIONS)
    for node in NODES:
        cast.acts(node).council.register_node(NodeKind.PROVIDER)
        cast.decide(f"funds of {node.replace('/', ' ')}", "issue_credit", node, amount=FUNDS)
    cast.decide("funds", "issue_credit", RESEARCHER, amount=FUNDS)
    cast.acts("AlphaMSP/node").credit.transfer("BetaMSP/node", 250, reference="für Messgeräte")


def measure(cast: Cast) -> None:
    """Publish the nodes' datasets; activate a device, anchor two batches of its readings, suspend it."""
    for rows, node in enumerate(NODES, start=100):
        profile = {"column:age": 1.0, "column:bmi": 0.5, f"site:{node}": 0.25}
        name = dataset_of(node).partition("/")[2]
        cast.acts(node).data.publish(name, profile, category=CATEGORY, form=Form.TABULAR, rows=rows)
    certificate = cast.person(DEVICE).certificate
    cast.acts("BetaMSP/admin").devices.register(certificate, description="ward 3, 中")
    cast.decide("device", "activate_device", DEVICE)
    for first in (1, 4):
        manager = cast.acts("BetaMSP/manager")
        readings = [_reading(cast, first + number) for number in range(3)]
        manager.devices.anchor(dataset_of("BetaMSP/node"), readings, schema_of(["glucose"]))
    cast.acts("BetaMSP/admin").devices.suspend(DEVICE)


def publish(cast: Cast) -> None:
    """Change and withdraw a dataset; grant access and budgets of privacy, amend one and revoke one."""
    expires_ms = cast.now_ms + 10**9
    owner, dataset = "GammaMSP/node", dataset_of("GammaMSP/node")
    cast.acts(owner).data.publish("old", {"text:word": 1.0}, category="notes", form=Form.TEXT, rows=7)
    cast.acts(owner).data.update("GammaMSP/old", rows=8)
    cast.acts(owner).data.withdraw("GammaMSP/old")
    for node in NODES:
        granted = dataset_of(node)
        cast.acts(node).sharing.grant(granted, "AlphaMSP", CATEGORY, expires_ms=expires_ms)
        cast.acts(node).privacy.grant(granted, "AlphaMSP", epsilon=4.0, delta=1e-5)
    cast.acts(owner).privacy.amend(dataset, "AlphaMSP", epsilon=8.0, delta=1e-6)
    cast.acts(owner).sharing.grant(dataset, "BetaMSP", CATEGORY, expires_ms=expires_ms)
    cast.acts(owner).sharing.revoke(dataset, "BetaMSP", CATEGORY)


def _reading(cast: Cast, sequence: int) -> Reading:
    return Reading(
        device=DEVICE,
        sequence=sequence,
        time_ms=cast.now_ms - 1_000,
        subject=f"{sequence:064x}",
        field="glucose",
        unit="mg/dL",
        value_milli=90_000 + sequence,
        salt=f"{sequence:032x}",
    )
