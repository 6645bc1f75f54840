"""The demonstration's report: readable on a terminal, and one HTML file with plots."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

from fedpact_flower.demo.summary import DemoSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import Console

CREDIT = 1_000_000


def write_html(summary: DemoSummary, path: Path) -> None:
    """Write the report with its plots; the file needs nothing beside it."""
    image = base64.b64encode(plots(summary)).decode()
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in facts(summary)
    )
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "th{text-align:left;padding-right:2rem;vertical-align:top}img{max-width:100%}"
    )
    title = f"fedpact demonstration: {summary.dataset}, seed {summary.seed}"
    path.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<style>{style}</style><h1>{html.escape(title)}</h1><table>{rows}</table>"
        f'<img alt="error over rounds, validation matrix, credit and privacy" '
        f'src="data:image/png;base64,{image}"></html>'
    )


def print_report(summary: DemoSummary, console: Console) -> None:
    """Print the report for people."""
    from rich.table import Table

    metric = summary.metric
    console.rule(f"{summary.dataset}: {len(summary.local)} hospitals, {summary.rounds} rounds")
    models = Table("model", metric, show_edge=False)
    models.add_row("federated, private", f"{summary.federated[metric]:.3f}", style="bold")
    models.add_row("central, all honest data in one place", f"{summary.central[metric]:.3f}")
    for local in summary.local:
        note = "  (its outcomes are turned round)" if local.liar else ""
        models.add_row(f"{local.node} alone{note}", f"{local.scores[metric]:.3f}")
    console.print(models)
    rounds = Table("round", metric, "leader", "eliminated", "paid to", show_edge=False)
    for facts_, leader in zip(summary.history, summary.leaders, strict=True):
        paid = sum(1 for reward in facts_.rewards if reward)
        rounds.add_row(
            str(facts_.number),
            f"{facts_.scores[metric]:.3f}",
            leader.node,
            ", ".join(facts_.eliminated) or "-",
            f"{paid} nodes",
        )
    console.print(rounds)
    money = Table("account", "earned", "balance", "epsilon spent", show_edge=False)
    for account, balance in summary.credit.balances.items():
        spent = summary.privacy.spent.get(account.partition("/")[0])
        money.add_row(
            account,
            f"{summary.credit.earned.get(account, 0) / CREDIT:.3f}",
            f"{balance / CREDIT:.3f}",
            "-" if spent is None else f"{spent:.2f} of {summary.privacy.epsilon:g}",
        )
    console.print(money)
    for name, value in facts(summary):
        console.print(f"[bold]{name}[/bold]: {value}", highlight=False)


def facts(summary: DemoSummary) -> list[tuple[str, str]]:
    """Return the report's lines, name and value."""
    ledger, audit, privacy = summary.ledger, summary.audit, summary.privacy
    checks = ", ".join(f"{count} {name.lower().replace('_', ' ')}" for name, count in audit.checked.items())
    dropped = [f"{item.node} in round {item.round}" for item in summary.eliminated]
    best = ", ".join(f"{name} {value:.3f}" for name, value in summary.federated.items())
    central = ", ".join(f"{name} {value:.3f}" for name, value in summary.central.items())
    return [
        ("Federated model", best),
        ("Central model", central),
        ("Found by retrieval", ", ".join(f"{name} ({value:.2f})" for name, value in summary.found.items())),
        ("Readings anchored", str(summary.readings_anchored)),
        ("Eliminated", ", ".join(dropped) or "nobody"),
        (
            "Privacy",
            f"({privacy.epsilon:g}, {privacy.delta:g})-DP granted to the researcher by each hospital, noise "
            f"multiplier {privacy.noise_multiplier:.2f}, at most {max(privacy.spent.values()):.3f} spent",
        ),
        (
            "Credit",
            f"{summary.credit.issued / CREDIT:g} issued, "
            + ("nothing lost" if summary.credit.conserved else "NOT CONSERVED"),
        ),
        ("Second request", "answered from the cache" if summary.cache_hit else "NOT a cache hit"),
        ("Ledger", f"{ledger.url}, {ledger.height} blocks, {ledger.transactions} transactions"),
        ("State hash", ledger.state_hash),
        ("Audit", ("clean" if audit.ok else f"{len(audit.findings)} FINDINGS") + f" ({checks})"),
        ("Report", summary.report),
        ("Time", f"{summary.seconds:.1f} s"),
    ]


def plots(summary: DemoSummary) -> bytes:
    """Draw error over rounds, the last full validation matrix, earnings and privacy; return a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    _scores(axes[0, 0], summary)
    _matrix(axes[0, 1], summary)
    _bars(
        axes[1, 0],
        {name: amount / CREDIT for name, amount in summary.credit.earned.items()},
        "credits earned",
    )
    _bars(axes[1, 1], summary.privacy.spent, f"epsilon spent of {summary.privacy.epsilon:g}")
    axes[1, 1].axhline(summary.privacy.epsilon, color="firebrick", linewidth=1)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _scores(axes: Axes, summary: DemoSummary) -> None:
    metric = summary.metric
    numbers = [facts_.number for facts_ in summary.history]
    axes.plot(numbers, [facts_.scores[metric] for facts_ in summary.history], marker="o", label="federated")
    axes.axhline(summary.central[metric], color="seagreen", label="central")
    honest = [local.scores[metric] for local in summary.local if not local.liar]
    axes.axhspan(min(honest), max(honest), color="grey", alpha=0.25, label="honest hospitals alone")
    axes.set(xlabel="round", ylabel=metric, title=f"{metric} on the common test set")
    axes.legend()


def _matrix(axes: Axes, summary: DemoSummary) -> None:
    facts_ = max(summary.history, key=lambda item: (len(item.participants), item.number))
    values = [[float("nan") if score is None else score for score in row] for row in facts_.matrix]
    image = axes.imshow(values, cmap="viridis")
    names = [name.partition("/")[0].removesuffix("MSP") for name in facts_.participants]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(title=f"round {facts_.number}: scores of validators (rows) for models (columns)")
    axes.figure.colorbar(image, ax=axes)


def _bars(axes: Axes, values: dict[str, float], title: str) -> None:
    names = [name.partition("/")[0].removesuffix("MSP") for name in values]
    axes.bar(names, list(values.values()), color="steelblue")
    axes.set(title=title)
    axes.tick_params(axis="x", rotation=45)
