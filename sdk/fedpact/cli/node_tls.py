"""`fedpact node tls server|client`: the certificates with which a node is served and its clients connect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click
import msgspec

from fedpact.cli.access import FOLDER, home_option
from fedpact.cli.homes import open_home
from fedpact.cli.output import emit, json_option

if TYPE_CHECKING:
    from fedpact.identity.tls_authority import TlsAuthority, TlsPair

SERVER = "server"
ROOTS = "roots.pem"
_AUTHORITY = "authority"


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where the files are that were written.

    Attributes
    ----------
    roots : what both sides trust; it is no secret.
    certificate : the server's, or the client's.
    key : its private key.
    """

    roots: str
    certificate: str
    key: str


@click.group(name="tls")
def tls() -> None:
    """Make certificates for the connections to a node.

    They come from an authority of the home's own, in HOME/tls/authority: it vouches for machines, and has no
    say in who is a member.
    """


@tls.command(name="server")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    default=("localhost", "127.0.0.1"),
    show_default=True,
    help="Name or IP address under which clients reach the node; repeat it for each.",
)
@click.option("--output", type=FOLDER, help="Folder for the files; default: HOME/tls, where `serve` looks.")
@home_option
@json_option
def server(hosts: tuple[str, ...], home: Path | None, output: Path | None, *, as_json: bool) -> None:
    """Issue the server's certificate: server.pem, server.key, and roots.pem for its clients.

    Where there are such files already, they are replaced; the authority stays, so clients go on trusting.
    """
    folder = tls_folder(home)
    authority = _authority(folder)
    emit(_write(authority, authority.issue_server(hosts), SERVER, output or folder), as_json=as_json)


@tls.command(name="client")
@click.argument("name")
@click.option("--output", type=FOLDER, help="Folder for the files; default: HOME/tls.")
@home_option
@json_option
def client(name: str, home: Path | None, output: Path | None, *, as_json: bool) -> None:
    """Issue a certificate for a client where the node asks for one: NAME.pem, NAME.key, roots.pem.

    It only opens the connection; who acts is told by the member's identity.
    """
    if name in (SERVER, Path(ROOTS).stem):
        raise click.UsageError(f"{name!r} is the name of other files")
    folder = tls_folder(home)
    authority = _authority(folder)
    emit(_write(authority, authority.issue_client(name), name, output or folder), as_json=as_json)


def tls_folder(home: Path | None) -> Path:
    """Return the folder of a home's certificates.

    Raises
    ------
    click.UsageError
        No home is given.
    """
    if home is None:
        raise click.UsageError("which consortium? give --home (FEDPACT_HOME)")
    return home.absolute() / "tls"


def home_certificate(home: Path | None) -> tuple[Path, Path] | None:
    """Return the server's certificate and key of a home, if it has some."""
    if home is None:
        return None
    certificate, key = (tls_folder(home) / f"{SERVER}{suffix}" for suffix in (".pem", ".key"))
    return (certificate, key) if certificate.is_file() and key.is_file() else None


def members_url(address: str, certificate: Path) -> str:
    """Return what members on this machine give as --url to a node with this certificate of the home's."""
    return f"grpcs://{address}?tls_roots={quote(str(certificate.with_name(ROOTS)))}"


def _authority(folder: Path) -> TlsAuthority:
    """Open a home's authority; the first time, make it."""
    from fedpact.identity.tls_authority import TlsAuthority

    place = folder / _AUTHORITY
    if place.is_dir():
        return TlsAuthority.load(place)
    consortium = open_home(folder.parent)
    authority = TlsAuthority.create(next(iter(consortium.organisations.values())))
    authority.save(place)
    return authority


def _write(authority: TlsAuthority, pair: TlsPair, name: str, folder: Path) -> TlsFiles:
    from fedpact.identity.private_files import make_private_folder, write_private_file

    make_private_folder(folder)
    roots, certificate, key = (folder / file for file in (ROOTS, f"{name}.pem", f"{name}.key"))
    write_private_file(key, pair.key)
    certificate.write_bytes(pair.certificate)
    roots.write_bytes(authority.certificate_pem)
    return TlsFiles(roots=str(roots), certificate=str(certificate), key=str(key))
