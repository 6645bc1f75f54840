"""`fedpact channel propose`: an update of the configuration as a file for its signers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fedpact.cli.access import FILE, Access, with_access
from fedpact.cli.homes import open_home
from fedpact.cli.output import emit, json_option
from fedpact.cli.parameters import pair

if TYPE_CHECKING:
    from fedpact.consortium.channel_changes import Change
    from fedpact.wire.config_review import Review
    from fedpact.wire.config_update_files import UpdateFile

_POSITIVE = click.IntRange(min=1, max=2**32 - 1)


class ChangeView(msgspec.Struct, frozen=True, kw_only=True):
    """One changed element, as shown.

    Attributes
    ----------
    content : what it says then, where there are words for it.
    policy : whom it asks for; empty where it is asked of the group.
    satisfied : whether the signatures so far satisfy the policy.
    """

    path: str
    change: str
    content: str
    policy: str
    satisfied: bool


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A proposed update: nothing is submitted yet."""

    file: str
    changes: list[ChangeView]


@click.command()
@with_access
@click.option(
    "--add-organisation",
    "newcomers",
    type=FILE,
    multiple=True,
    help="Let in the organisation that this file describes; it makes it by `fedpact consortium describe`.",
)
@click.option(
    "--remove-organisation", "leavers", metavar="MSPID", multiple=True, help="Let this organisation go."
)
@click.option("--batch-timeout-ms", type=_POSITIVE, help="Longest wait of a transaction for its block.")
@click.option("--max-messages", type=_POSITIVE, help="Most transactions in a block.")
@click.option("--max-bytes", type=_POSITIVE, help="Most bytes of several transactions in a block.")
@click.option(
    "--policy",
    "policies",
    type=pair,
    metavar="PATH=TEXT",
    multiple=True,
    help='Replace or add a policy, as /Channel/Application/Endorsement="ANY Endorsement".',
)
@click.option(
    "--anchor-peers",
    "anchors",
    type=pair,
    metavar="MSPID=HOST:PORT[,...]",
    multiple=True,
    help="Name an organisation's anchor peers.",
)
@click.option(
    "--revoke",
    "revoked",
    type=FILE,
    multiple=True,
    help="Revoke this certificate, PEM; the authority that issued it is in the home.",
)
@click.option(
    "--revocation-list",
    "lists",
    type=pair,
    metavar="MSPID=FILE",
    multiple=True,
    help="Publish a list, PEM, that an organisation's authority has made elsewhere.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The new file for the update.",
)
@json_option
def propose(  # noqa: PLR0913 (options)
    access: Access,
    *,
    newcomers: tuple[Path, ...],
    leavers: tuple[str, ...],
    batch_timeout_ms: int | None,
    max_messages: int | None,
    max_bytes: int | None,
    policies: tuple[tuple[str, str], ...],
    anchors: tuple[tuple[str, str], ...],
    revoked: tuple[Path, ...],
    lists: tuple[tuple[str, str], ...],
    output: Path,
    as_json: bool,
) -> None:
    """Write an update of the configuration in force into a file; nothing is changed yet.

    Shows what it changes, and which policies the signatures must satisfy.
    """
    from fedpact.consortium import channel_changes as make
    from fedpact.consortium.organisation_files import OrganisationFile
    from fedpact.wire.config_update_files import UpdateFile
    from fedpact.wire.errors import ConfigError

    rules = {"timeout_ms": batch_timeout_ms, "max_messages": max_messages, "max_bytes": max_bytes}
    batch = {name: number for name, number in rules.items() if number is not None}
    try:
        changes = [
            *(OrganisationFile.from_json(file.read_bytes()).admission() for file in newcomers),
            *(make.remove_organisation(mspid) for mspid in leavers),
            *([make.set_batch_rules(**batch)] if batch else []),
            *(make.set_policy(path, text) for path, text in policies),
            *(make.set_anchor_peers(mspid, places.split(",")) for mspid, places in anchors),
            *_revocations(access, revoked),
            *(make.publish_revocation_list(mspid, Path(file).read_bytes()) for mspid, file in lists),
        ]
        if not changes:
            raise click.UsageError("what is to be changed?")
        with access.connect() as session:
            update = session.channel.propose(*changes)
            found = session.channel.review(update)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    write_update(output, UpdateFile(update))
    emit(Proposed(file=str(output), changes=shown_changes(found)), as_json=as_json)


def shown_changes(found: Review) -> list[ChangeView]:
    """Return an update's changes as they are shown."""
    return [ChangeView(**change._asdict()) for change in found.changes]


def read_updates(files: Sequence[Path]) -> UpdateFile:
    """Read copies of one update and gather their signatures.

    Raises
    ------
    ConfigUpdateError
        A file holds something else, or another update.
    """
    from fedpact.wire.config_update_files import merged, read_update_file

    return merged(read_update_file(file.read_bytes()) for file in files)


def write_update(path: Path, content: UpdateFile, *, replace: bool = False) -> None:
    """Write an update, as a whole or not at all.

    Raises
    ------
    FileExistsError
        There is a file already, and it is not to be replaced.
    """
    from fedpact.identity.private_files import write_private_file
    from fedpact.wire.config_update_files import write_update_file

    if not replace and path.exists():
        raise FileExistsError(f"{path} is there already")
    write_private_file(path, write_update_file(content))


def _revocations(access: Access, files: Iterable[Path]) -> Iterable[Change]:
    """Return the revocations of certificates, together for each authority of the home."""
    from fedpact.consortium.channel_changes import issuer, revoke

    pems = [file.read_bytes() for file in files]
    if not pems:
        return
    if access.home is None:
        raise click.UsageError("--revoke needs the authority: give --home (FEDPACT_HOME)")
    authorities = open_home(access.home).authorities
    by_mspid: dict[str, list[bytes]] = {}
    for pem in pems:
        by_mspid.setdefault(issuer(authorities.values(), pem).mspid, []).append(pem)
    for mspid, certificates in by_mspid.items():
        yield revoke(authorities[mspid], certificates)
