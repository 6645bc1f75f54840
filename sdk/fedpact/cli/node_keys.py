"""`fedpact node keys show|replace`: the identities of a node, which expire and are renewed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fedpact.cli.access import FILE, FOLDER, Access, home_option
from fedpact.cli.homes import ledger_url
from fedpact.cli.output import emit, emit_rows, json_option

if TYPE_CHECKING:
    from fedpact_network.embedded.node_identities import NodeIdentity


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """One of a node's identities, as shown.

    Attributes
    ----------
    plays : `peer`, `orderer` or `reader`.
    id : `mspid/name`.
    valid_from, valid_to : of its certificate, ISO 8601.
    fault : why it cannot play that now; empty where it can.
    """

    plays: str
    id: str
    valid_from: str
    valid_to: str
    fault: str


@click.group(name="keys")
def keys() -> None:
    """See and replace the node's own identities: its peers and its orderer, whose certificates expire."""


@keys.command()
@click.argument("url", required=False)
@home_option
@json_option
def show(url: str | None, home: Path | None, *, as_json: bool) -> None:
    """Show whom the node of the ledger at URL (default: the home's) plays, and until when."""
    from fedpact_network.embedded.node_identities import identities

    rows = [_view(found) for found in identities(ledger_url(url, home))]
    emit_rows(rows, list(KeyView.__struct_fields__), as_json=as_json)


@keys.command()
@click.argument("identity", metavar="MSPID/NAME")
@click.argument("url", required=False)
@home_option
@click.option("--wallet", type=FOLDER, help="Folder with the new identity; default: the home's wallet.")
@click.option("--password-file", type=FILE, help="File with the password of its key, if it has one.")
@json_option
def replace(
    identity: str,
    url: str | None,
    home: Path | None,
    *,
    wallet: Path | None,
    password_file: Path | None,
    as_json: bool,
) -> None:
    """Put an identity of the wallet in the place of the peer, or the orderer, of its organisation.

    It must be valid in the channel of the ledger at URL (default: the home's); its certificate says whether
    it is a peer or an orderer. `fedpact consortium enrol --role peer` issues one. A node that is running
    keeps what it has until it is started again.
    """
    from fedpact_network.embedded.node_identities import replace_identity

    place = ledger_url(url, home)
    new = Access(home=home, wallet=wallet, password_file=password_file).enrolled(identity)
    emit(_view(replace_identity(place, new)), as_json=as_json)


def _view(found: NodeIdentity) -> KeyView:
    return KeyView(
        plays=found.plays,
        id=found.id,
        valid_from=_moment(found.not_before_s),
        valid_to=_moment(found.not_after_s),
        fault=found.fault,
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
