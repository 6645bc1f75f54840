"""`fedpact audit URL`: verify everything that a ledger holds."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fedpact.cli.access import home_option
from fedpact.cli.homes import ledger_url
from fedpact.cli.output import emit, json_option, progress, visible, wants_json


@click.command(name="audit")
@click.argument("url", required=False)
@home_option
@json_option
def command(url: str | None, home: Path | None, *, as_json: bool) -> None:
    """Verify the ledger at URL (default: the home's), completely.

    That is every block, signature, policy, version, rule, verdict and payment. Exit code 1, with the exact
    places, when anything was altered.
    """
    from fedpact.audit.auditor import audit
    from fedpact.ledger import inspect_ledger

    ledger = inspect_ledger(ledger_url(url, home))
    try:
        with progress("replaying blocks") as advance:
            report = audit(ledger, progress=advance)
    finally:
        ledger.close()
    if wants_json(as_json):
        emit(report, as_json=True)
    else:
        for check, count in report.checked.items():
            click.echo(f"{count:>9}  {check.value.lower().replace('_', ' ')}")
        for finding in report.findings:
            click.echo(visible(str(finding)))
        click.echo(f"state hash {report.state_hash}")
        click.echo("the ledger is as it was written" if report.ok else f"{len(report.findings)} findings")
    sys.exit(0 if report.ok else 1)
