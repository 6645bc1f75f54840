"""`fedpact consortium`: found it, enrol people, see who belongs; more in `council` and `organisations`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fedpact.cli.access import FILE, FOLDER, home_option, with_session
from fedpact.cli.council import motion, motions, propose, vote
from fedpact.cli.homes import read_key
from fedpact.cli.organisations import ADMINISTRATOR, describe, opened, revoke
from fedpact.cli.output import emit, emit_rows, json_option
from fedpact.cli.paging import every
from fedpact.cli.parameters import fraction, pair

if TYPE_CHECKING:
    from fedpact.consortium.founding import Consortium
    from fedpact.consortium.session import Session

ROLES = ("admin", "member", "device", "manager", "validator")
NODE_ROLES = ("peer", "orderer")
NODE_KINDS = ("provider", "aggregator", "super_node")


@click.group(name="consortium")
def command() -> None:
    """Found a consortium, enrol its people, see who belongs, propose and vote."""


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """A consortium's home, as shown.

    Attributes
    ----------
    organisations : name by mspid.
    identities : issued here, `mspid/name`.
    """

    home: str
    url: str
    channel_id: str
    organisations: dict[str, str]
    identities: list[str]


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """An identity that was issued; its key stays in the wallet."""

    id: str
    role: str
    wallet: str
    certificate: str


@command.command(name="found")
@click.option(
    "--organisation",
    "organisations",
    type=pair,
    multiple=True,
    required=True,
    metavar="MSPID=NAME",
    help="A founding organisation; repeat it for each.",
)
@click.option("--url", help="The ledger's URL; default: an embedded ledger in the home.")
@click.option("--channel", default="consortium", show_default=True, help="The channel's name.")
@click.option(
    "--endorsement", default="MAJORITY Endorsement", show_default=True, help="Who must endorse, a policy."
)
@click.option(
    "--council",
    type=fraction,
    default="2/3",
    show_default=True,
    help="A motion passes when more than this part of the organisations approves.",
)
@home_option
@json_option
def found_consortium(  # noqa: PLR0913 (every one is a decision of the founders)
    organisations: tuple[tuple[str, str], ...],
    home: Path | None,
    url: str | None,
    *,
    channel: str,
    endorsement: str,
    council: tuple[int, int],
    as_json: bool,
) -> None:
    """Found a consortium in a new home: authorities, ledger, and an administrator of each organisation.

    Prints the home. The administrators are called MSPID/admin.
    """
    from fedpact.consortium.connecting import connect
    from fedpact.consortium.founding import FoundingRules, found

    names = dict(organisations)
    if home is None:
        raise click.UsageError("where? give --home (FEDPACT_HOME)")
    if len(names) < len(organisations):
        raise click.UsageError("two organisations have the same MSP id")
    rules = FoundingRules(channel_id=channel, endorsement=endorsement, council=council)
    try:
        consortium, ledger = found(home, names, url=url, rules=rules)
    except ValueError as error:  # what the founders agreed on is out of bounds; nothing was made
        raise click.UsageError(str(error)) from error
    try:
        admins = [consortium.enrol(mspid, ADMINISTRATOR, role="admin") for mspid in names]
        with connect(ledger, identity=admins[0]) as session:
            session.council.found(names, threshold=council)
    finally:
        ledger.close()
    emit(_describe(consortium), as_json=as_json)


@command.command(name="join")
@click.option(
    "--organisation", type=pair, required=True, metavar="MSPID=NAME", help="The organisation that joins."
)
@click.option("--url", required=True, help="Where its members reach the ledger: grpcs://HOST:PORT[,...].")
@click.option("--retrieval-key", type=FILE, required=True, help="File with the consortium's key, a copy.")
@click.option("--channel", default="consortium", show_default=True, help="The channel's name.")
@home_option
@json_option
def join_consortium(
    organisation: tuple[str, str],
    url: str,
    retrieval_key: Path,
    *,
    channel: str,
    home: Path | None,
    as_json: bool,
) -> None:
    """Make the home of an organisation that joins: an authority and an administrator of its own.

    `fedpact consortium describe` writes what the members need to let it in, by `fedpact channel propose`.
    """
    from fedpact.consortium.founding import join

    if home is None:
        raise click.UsageError("where? give --home (FEDPACT_HOME)")
    mspid, name = organisation
    key = read_key(retrieval_key, "a retrieval key")
    consortium = join(home, mspid, name, url=url, channel_id=channel, retrieval_key=key)
    consortium.enrol(mspid, ADMINISTRATOR, role="admin")
    emit(_describe(consortium), as_json=as_json)


@command.command()
@home_option
@json_option
def show(home: Path | None, *, as_json: bool) -> None:
    """Show a consortium's home: its ledger, organisations and issued identities."""
    emit(_describe(opened(home)), as_json=as_json)


@command.command()
@click.argument("identity", metavar="MSPID/NAME")
@click.option(
    "--role",
    type=click.Choice((*ROLES, *NODE_ROLES)),
    default="member",
    show_default=True,
    help="What it may do.",
)
@click.option("--to-wallet", type=FOLDER, help="Also put it into this wallet, for a member elsewhere.")
@click.option("--password-file", type=FILE, help="Encrypt the key in that other wallet with this password.")
@click.option("--renew", is_flag=True, help="Replace an identity of this name, with a new key.")
@home_option
@json_option
def enrol(  # noqa: PLR0913 (options)
    identity: str,
    role: str,
    home: Path | None,
    *,
    to_wallet: Path | None,
    password_file: Path | None,
    renew: bool,
    as_json: bool,
) -> None:
    """Issue an identity: a key and a certificate of its organisation, kept in the home's wallet."""
    from fedpact.consortium.founding import wallet_label
    from fedpact.identity.wallet import Wallet

    consortium = opened(home)
    mspid, separator, name = identity.partition("/")
    if not (separator and name) or mspid not in consortium.organisations:
        known = ", ".join(sorted(consortium.organisations))
        raise click.UsageError(f"{identity!r:.160} is not MSPID/NAME with one of the MSP ids {known}")
    if wallet_label(identity) in consortium.wallet and not renew:
        raise FileExistsError(f"{identity} is enrolled already; --renew gives it a new key")
    issued = consortium.enrol(mspid, name, role=role)
    if to_wallet is not None:
        password = password_file.read_bytes().rstrip(b"\r\n") if password_file else None
        Wallet(to_wallet).put(wallet_label(identity), issued, password)
    shown = Enrolled(
        id=issued.id,
        role=role,
        wallet=str(to_wallet or consortium.wallet.path),
        certificate=issued.certificate_pem.decode(),
    )
    emit(shown, as_json=as_json)


@command.command()
@with_session
@json_option
def members(session: Session, *, as_json: bool) -> None:
    """List the organisations."""
    emit_rows(session.council.members(), ["mspid", "name", "since_ms"], as_json=as_json)


@command.command()
@with_session
@json_option
def nodes(session: Session, *, as_json: bool) -> None:
    """List the nodes that take part in tasks."""
    found = every(lambda after: session.council.nodes(after=after), lambda node: node.id)
    emit_rows(found, ["id", "kind", "endpoint", "since_ms"], as_json=as_json)


@command.command(name="register-node")
@with_session
@click.option(
    "--kind", type=click.Choice(NODE_KINDS), default="provider", show_default=True, help="What it is for."
)
@click.option("--endpoint", default="", help="Where it can be reached.")
@json_option
def register_node(session: Session, kind: str, endpoint: str, *, as_json: bool) -> None:
    """Register the acting identity itself as a node, or change what is known of it."""
    from fedpact.records import NodeKind

    emit(session.council.register_node(NodeKind(kind), endpoint=endpoint), as_json=as_json)


for other in (propose, vote, motion, motions, describe, revoke):
    command.add_command(other)


def _describe(consortium: Consortium) -> Home:
    from fedpact.ledger import without_password

    return Home(
        home=str(consortium.home),
        url=without_password(consortium.url),
        channel_id=consortium.channel_id,
        organisations=dict(consortium.organisations),
        identities=[label.replace("@", "/", 1) for label in consortium.wallet.list()],
    )
