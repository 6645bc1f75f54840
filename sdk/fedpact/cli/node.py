"""`fedpact node`: a ledger's node behind gRPC, for clients on other machines."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fedpact.cli.access import FILE, home_option
from fedpact.cli.homes import ledger_url
from fedpact.cli.node_join import join, peering, peering_options
from fedpact.cli.node_keys import keys
from fedpact.cli.node_tls import home_certificate, members_url, tls
from fedpact.cli.output import emit, json_option

if TYPE_CHECKING:
    from fedpact_network.server.server import NodeServer

_LEVELS = ("error", "warning", "info", "debug")


@click.group(name="node")
def command() -> None:
    """Serve a ledger to clients on other machines."""


@command.command()
@click.argument("url", required=False)
@click.option(
    "--listen", default="127.0.0.1:7051", show_default=True, metavar="HOST:PORT", help="Where clients come."
)
@click.option(
    "--tls-certificate",
    type=FILE,
    help="The server's certificate, PEM, intermediate ones after it; default: the home's, see `tls`.",
)
@click.option("--tls-key", type=FILE, help="Its private key, PEM; default: the home's.")
@click.option("--client-roots", type=FILE, help="Clients must show a certificate of one of these roots, PEM.")
@click.option("--bind-clients", is_flag=True, help="Requests for blocks must name the client's certificate.")
@click.option("--plain", is_flag=True, help="Serve this machine without TLS, though the home has some.")
@click.option("--allow-plain", is_flag=True, help="Serve any address without TLS: something in front has it.")
@click.option(
    "--operations",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Plain HTTP for operators: /healthz, /metrics, /version. `none`: without it.",
)
@click.option(
    "--organisation", default="", metavar="MSPID", help="Whose peer endorses here; default the first."
)
@click.option("--profile", type=FILE, help="TOML file with a table [limits].")
@click.option(
    "--grace",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="Seconds for calls to end.",
)
@click.option(
    "--allow-undefined", is_flag=True, help="Also run chaincodes that the members have not agreed on."
)
@peering_options
@click.option("--log-level", type=click.Choice(_LEVELS), default="info", show_default=True, help="On stderr.")
@home_option
def serve(  # noqa: PLR0913 (each is an option)
    url: str | None,
    *,
    home: Path | None,
    listen: str,
    tls_certificate: Path | None,
    tls_key: Path | None,
    client_roots: Path | None,
    bind_clients: bool,
    plain: bool,
    allow_plain: bool,
    operations: str,
    organisation: str,
    profile: Path | None,
    grace: float,
    allow_undefined: bool,
    follow: str | None,
    peers: tuple[str, ...],
    log_level: str,
) -> None:
    """Serve the ledger at URL (default: the home's) until SIGTERM or SIGINT.

    Then new calls are refused, calls under way may end, and what was accepted is committed. Prints the
    address once clients can come.
    """
    from fedpact_network.server.process import serve_until_stopped
    from fedpact_network.server.settings import ServerSettings, Tls, load_profile

    if (tls_certificate is None) != (tls_key is None):
        raise click.UsageError("--tls-certificate and --tls-key belong together")
    pair = None if tls_certificate is None or tls_key is None else (tls_certificate, tls_key)
    if pair is None and not (plain or allow_plain):
        pair = home_certificate(home)
    if pair is None and (client_roots is not None or bind_clients):
        raise click.UsageError("--client-roots and --bind-clients need TLS")
    security = None if pair is None else Tls.load(*pair, client_roots, bind_clients=bind_clients)
    settings = ServerSettings(
        listen=listen,
        tls=security,
        allow_plain=allow_plain,
        operations=None if operations == "none" else operations,
        organisation=organisation,
        **({} if profile is None else load_profile(profile)),
    )
    _log(log_level)

    def started(server: NodeServer) -> None:
        click.echo(server.address)
        if pair is not None and pair == home_certificate(home):
            click.echo(f"members: --url '{members_url(server.address, pair[0])}'", err=True)

    serve_until_stopped(
        ledger_url(url, home),
        settings,
        grace_s=grace,
        started=started,
        peering=peering(follow, peers),
        allow_undefined=allow_undefined,
    )


for beside_serving in (join, keys, tls):
    command.add_command(beside_serving)


@command.command()
@click.argument("url", required=False)
@home_option
@json_option
def status(url: str | None, home: Path | None, *, as_json: bool) -> None:
    """Show the process that serves the ledger at URL (default: the home's).

    Exit code 3 if none does, or it does not answer.
    """
    from fedpact_network.server.process import node_status

    emit(node_status(ledger_url(url, home)), as_json=as_json)


@command.command()
@click.argument("url", required=False)
@click.option(
    "--wait", default=30.0, show_default=True, type=click.FloatRange(0, 3600), help="Longest wait, seconds."
)
@home_option
@json_option
def stop(url: str | None, home: Path | None, wait: float, *, as_json: bool) -> None:
    """Stop the process that serves the ledger at URL (default: the home's).

    Accepted transactions are committed.

    Exit code 3 if none serves it, 1 if it does not end in time.
    """
    from fedpact_network.server.process import stop_node

    emit({"stopped": stop_node(ledger_url(url, home), wait)}, as_json=as_json)


def _log(level: str) -> None:
    """Log to stderr; of the node itself only what is wrong, unless everything is asked for."""
    number = getattr(logging, level.upper())
    logging.basicConfig(
        level=max(number, logging.WARNING), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("fedpact_network.server").setLevel(number)
    if level == "debug":
        logging.getLogger("fedpact_network").setLevel(number)
