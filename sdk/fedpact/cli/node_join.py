"""`fedpact node join`, and the options by which a served node knows others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from fedpact.cli.access import FILE, FOLDER
from fedpact.cli.output import emit, json_option

if TYPE_CHECKING:
    from fedpact_network.peering.following import Peering

F = TypeVar("F", bound=Callable[..., object])

_follow = click.option(
    "--follow",
    metavar="grpcs://HOST:PORT[,...]",
    help="Take blocks from these nodes, hand transactions to them, order none. Parameters of the URL: "
    "tls_roots, tls_certificate, tls_key, server_name.",
)
_peer = click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="MSPID=grpcs://HOST:PORT[,...]",
    help="Nodes of another organisation: they are asked for endorsements and exchange private data.",
)


def peering_options(function: F) -> F:
    """Add the options by which a node knows others."""
    return _follow(_peer(function))


def peering(follow: str | None, peers: Sequence[str]) -> Peering | None:
    """Return what the options say; None for a node that knows no others.

    Raises
    ------
    click.UsageError
        An organisation is named twice, or there is no MSP id.
    LedgerError
        As `fedpact.gateway.addresses.parse_address`.
    """
    from fedpact.gateway.addresses import parse_address
    from fedpact_network.peering.following import Peering

    if follow is None and not peers:
        return None
    known = {}
    for text in peers:
        mspid, separator, url = text.partition("=")
        if not separator or not mspid or mspid in known:
            raise click.UsageError(f"--peer takes MSPID=URL, every organisation once: {text!r:.200}")
        known[mspid] = parse_address(url)
    return Peering(follow=None if follow is None else parse_address(follow), peers=known)


@click.command()
@click.argument("url")
@click.option(
    "--from",
    "source",
    metavar="grpcs://HOST:PORT[,...]",
    help="Nodes that have the channel; they are asked for its first block.",
)
@click.option("--genesis", type=FILE, help="File with the channel's first block, in place of --from.")
@click.option(
    "--genesis-hash",
    metavar="HEX",
    help="Hash of the first block's header, from somebody you trust; `fedpact ledger blocks` shows it.",
)
@click.option(
    "--keys",
    type=FOLDER,
    required=True,
    help="Wallet with the node's identities: peers, one of each organisation at most, or somebody who reads.",
)
@click.option("--channel", default="consortium", show_default=True, help="The channel.")
@json_option
def join(  # noqa: PLR0913 (each is an option)
    url: str,
    *,
    source: str | None,
    genesis: Path | None,
    genesis_hash: str | None,
    keys: Path,
    channel: str,
    as_json: bool,
) -> None:
    """Make the ledger at URL follow a channel that others have founded.

    It has its own database and keys and verifies every block itself. Serve it with `fedpact node serve URL
    --follow ...`; a node without a peer's identity answers requests for blocks and events, and audits.
    """
    from fedpact.gateway.addresses import parse_address
    from fedpact_network.peering.following import fetch_genesis, join_ledger, keys_of

    if (source is None) == (genesis is None):
        raise click.UsageError("give either --from or --genesis")
    if source is not None and not genesis_hash:
        raise click.UsageError("--from needs --genesis-hash: else anybody could found your channel")
    identities = keys_of(url, keys)
    if genesis is not None:
        block = genesis.read_bytes()
    else:
        block = fetch_genesis(parse_address(str(source)), channel, identities)
    bundle = join_ledger(url, block, genesis_hash or "", identities)
    emit(
        {
            "channel": bundle.channel_id,
            "organisations": list(bundle.mspids),
            "peers": sorted(identities.peers),
        },
        as_json=as_json,
    )
