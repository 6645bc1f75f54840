"""`fedpact channel`: the configuration in force, and changes of it; for `propose` see `channel_propose`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fedpact.cli.access import FILE, Access, with_access, with_session
from fedpact.cli.channel_propose import ChangeView, propose, read_updates, shown_changes, write_update
from fedpact.cli.output import emit, emit_rows, json_option

if TYPE_CHECKING:
    from fedpact.consortium.session import Session
    from fedpact.wire.bundle import Bundle

_FILES = click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")


@click.group(name="channel")
def command() -> None:
    """See the channel's configuration and change it: who belongs, how blocks are cut, who decides what.

    `propose` writes an update into a file; administrators `review` and `sign` it, each on her own machine;
    any member submits it with the signatures. The files are those of Fabric's `peer channel`.
    """


class ChannelView(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration in force, as shown.

    Attributes
    ----------
    sequence : how often it was changed.
    block_number : the block that holds it.
    batch : when blocks are cut.
    policies : text by path.
    """

    channel_id: str
    sequence: int
    block_number: int
    consensus: str
    organisations: list[str]
    batch: dict[str, int]
    capabilities: dict[str, list[str]]
    orderer_addresses: list[str]
    policies: dict[str, str]


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation, as listed.

    Attributes
    ----------
    application, orders : whether it runs contracts, and whether its orderers may sign blocks.
    roots, intermediates : how many authorities vouch for its members.
    revoked : how many certificates they have revoked.
    roots_end : when the first of its roots expires, ISO 8601.
    addresses : of its anchor peers and orderers.
    """

    mspid: str
    application: bool
    orders: bool
    roots: int
    intermediates: int
    revoked: int
    roots_end: str
    addresses: list[str]


class ReviewView(msgspec.Struct, frozen=True, kw_only=True):
    """An update, as shown to who is to sign it."""

    ready: bool
    signers: list[str]
    changes: list[ChangeView]


class SignedView(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was signed."""

    file: str
    signer: str
    signatures: int


class SubmittedView(msgspec.Struct, frozen=True, kw_only=True):
    """An update that is in force."""

    transaction_id: str
    block_number: int


@command.command()
@with_session
@json_option
def show(session: Session, *, as_json: bool) -> None:
    """Show the configuration in force."""
    bundle = session.channel.configuration()
    batch = bundle.batch
    view = ChannelView(
        channel_id=bundle.channel_id,
        sequence=bundle.sequence,
        block_number=bundle.block_number,
        consensus=bundle.consensus,
        organisations=list(bundle.mspids),
        batch={name: getattr(batch, name) for name in batch.__dataclass_fields__},
        capabilities={name: sorted(levels) for name, levels in bundle.capabilities._asdict().items()},
        orderer_addresses=list(bundle.orderer_addresses),
        policies={path: policy.text for path, policy in sorted(bundle.policies.items())},
    )
    emit(view, as_json=as_json)


@command.command()
@with_session
@json_option
def members(session: Session, *, as_json: bool) -> None:
    """List the organisations that the configuration knows."""
    rows = _members(session.channel.configuration())
    emit_rows(rows, list(MemberView.__struct_fields__), as_json=as_json)


@command.command()
@with_session
@_FILES
@json_option
def review(session: Session, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Show what the update in the FILEs changes, who has signed it, and whether that suffices."""
    update = read_updates(files)
    found = session.channel.review(update.update, update.signatures)
    view = ReviewView(ready=found.ready, signers=list(found.signers), changes=shown_changes(found))
    emit(view, as_json=as_json)


@command.command()
@with_access
@click.argument("file", type=FILE)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the signed update there; default: into FILE.",
)
@json_option
def sign(access: Access, file: Path, *, output: Path | None, as_json: bool) -> None:
    """Sign the update in FILE as the acting administrator; asks no node."""
    from fedpact.wire.config_update import sign_update

    update, identity = read_updates([file]), access.acting()
    signature = sign_update(update.update, identity).SerializeToString()
    signed = update._replace(signatures=(*update.signatures, signature))
    write_update(output or file, signed, replace=output is None)
    view = SignedView(file=str(output or file), signer=identity.id, signatures=len(signed.signatures))
    emit(view, as_json=as_json)


@command.command()
@with_session
@_FILES
@json_option
def submit(session: Session, files: tuple[Path, ...], *, as_json: bool) -> None:
    """Submit the update in the FILEs, with the signatures of all of them; wait until it is in force."""
    update = read_updates(files)
    result = session.channel.submit(update.update, update.signatures)
    view = SubmittedView(transaction_id=result.transaction_id, block_number=result.block_number)
    emit(view, as_json=as_json)


command.add_command(propose)


def _members(bundle: Bundle) -> list[MemberView]:
    from fedpact.wire.roots import load_authorities

    running = {organisation.mspid: organisation for organisation in bundle.organisations}
    ordering = {organisation.mspid: organisation for organisation in bundle.orderer_organisations}
    rows = []
    for mspid in sorted({*running, *ordering}):
        places = [found[mspid] for found in (running, ordering) if mspid in found]
        authorities = load_authorities(places[0])
        ends = [
            known.certificate.not_valid_after_utc for known in authorities if len(known.certificates) == 1
        ]
        row = MemberView(
            mspid=mspid,
            application=mspid in running,
            orders=mspid in ordering,
            roots=len(places[0].root_certificates),
            intermediates=len(places[0].intermediate_certificates),
            revoked=sum(len(revocations) for known in authorities for revocations in known.revocation_lists),
            roots_end=min(ends).isoformat(),
            addresses=[address for place in places for address in place.endpoints],
        )
        rows.append(row)
    return rows
