"""The organisations' part of `fedpact consortium`: what the members of a channel must know of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fedpact.cli.access import FILE, Access, home_option, with_access
from fedpact.cli.homes import find_identity, open_home
from fedpact.cli.output import emit, json_option

if TYPE_CHECKING:
    from fedpact.consortium.founding import Consortium

ADMINISTRATOR = "admin"


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that is refused from now on.

    Attributes
    ----------
    id : whose, `mspid/name`.
    serial_number : the certificate's, hexadecimal.
    """

    id: str
    serial_number: str
    transaction_id: str
    block_number: int


@click.command()
@click.argument("mspid", required=False)
@home_option
@click.option("--without-orderers", is_flag=True, help="Its orderers are not to sign blocks.")
def describe(mspid: str | None, home: Path | None, *, without_orderers: bool) -> None:
    """Print what members need to let an organisation in: its MSP id and the certificate of its authority.

    JSON; the argument of `fedpact channel propose --add-organisation`. MSPID: default, the home's only one.
    """
    from fedpact.consortium.organisation_files import OrganisationFile

    authorities = opened(home).authorities
    if mspid is None and len(authorities) == 1:
        mspid = next(iter(authorities))
    if mspid is None or mspid not in authorities:
        known = ", ".join(sorted(authorities)) or "none"
        raise click.UsageError(f"which organisation? the home has the authorities of {known}")
    certificate = authorities[mspid].certificate_pem.decode()
    file = OrganisationFile(mspid=mspid, root_certificates=(certificate,), orders=not without_orderers)
    click.echo(file.to_json())


@click.command()
@with_access
@click.argument("member", metavar="[MSPID/NAME]", required=False)
@click.option("--certificate", type=FILE, help="Revoke this certificate, PEM, in place of the wallet's.")
@json_option
def revoke(access: Access, member: str | None, *, certificate: Path | None, as_json: bool) -> None:
    """Revoke an identity's certificate and publish its organisation's list in the channel.

    From then on the identity is refused; what it has committed stays valid. The organisation's authority is
    in the home; its administrator MSPID/admin acts unless --as names another one.
    """
    from fedpact.consortium.channel_changes import issuer
    from fedpact.consortium.channel_changes import revoke as revocation
    from fedpact.identity.certificates import common_name, load_certificate

    if (member is None) == (certificate is None):
        raise click.UsageError("give either MSPID/NAME or --certificate")
    consortium = opened(access.home)
    if certificate is not None:
        pem = certificate.read_bytes()
    else:
        pem = find_identity(consortium.wallet, member).certificate_pem
    authority = issuer(consortium.authorities.values(), pem)
    acting = access.identity or f"{authority.mspid}/{ADMINISTRATOR}"
    with replace(access, identity=acting).connect() as session:
        update = session.channel.propose(revocation(authority, [pem]))
        result = session.channel.submit(update, [session.channel.sign(update)])
    loaded = load_certificate(pem)
    view = Revoked(
        id=f"{authority.mspid}/{common_name(loaded)}",
        serial_number=f"{loaded.serial_number:x}",
        transaction_id=result.transaction_id,
        block_number=result.block_number,
    )
    emit(view, as_json=as_json)


def opened(home: Path | None) -> Consortium:
    """Open the home that an option names; click.UsageError without one."""
    if home is None:
        raise click.UsageError("which consortium? give --home (FEDPACT_HOME)")
    return open_home(home)
