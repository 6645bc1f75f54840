"""What commands read from a consortium's home, a wallet or a key file; wrong ones are usage errors."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fedpact.consortium.founding import Consortium
    from fedpact.identity.identity import Identity
    from fedpact.identity.wallet import Wallet

KEY_BYTES = 32
_SHOWN = 8


def open_home(home: Path) -> Consortium:
    """Open a consortium's home.

    Raises
    ------
    click.UsageError
        There is none, or it is damaged.
    """
    import msgspec

    from fedpact.consortium.founding import Consortium

    try:
        return Consortium.open(home)
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise click.UsageError(f"no consortium was founded in {home}: there is no {missing}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"the consortium in {home} is damaged: {error}") from error


def ledger_url(url: str | None, home: Path | None) -> str:
    """Return the URL that is given, or the one that a home names.

    Raises
    ------
    click.UsageError
        Neither is given.
    """
    if url is not None:
        return url
    if home is None:
        raise click.UsageError("which ledger? give its URL, or --home (FEDPACT_HOME)")
    return open_home(home).url


def find_identity(wallet: Wallet, identifier: str | None, password: bytes | None = None) -> Identity:
    """Return an identity, `mspid/name`, of a wallet; without a name, its only one.

    Raises
    ------
    click.UsageError
        There is no such identity, or there are several; the nearest is named.
    """
    from fedpact.consortium.founding import wallet_label
    from fedpact.identity.errors import IdentityCode, IdentityError

    labels = wallet.list()
    known = [label.replace("@", "/", 1) for label in labels]
    if identifier is None:
        if len(labels) != 1:
            raise click.UsageError(f"who acts? give --as (FEDPACT_AS); the wallet holds {_some(known)}")
        return wallet.get(labels[0], password)
    try:
        return wallet.get(wallet_label(identifier), password)
    except IdentityError as error:
        if error.code not in (IdentityCode.NOT_IN_WALLET, IdentityCode.BAD_NAME):
            raise
        nearest = difflib.get_close_matches(identifier, known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"it holds {_some(known)}"
        raise click.UsageError(f"the wallet has no identity {identifier!r:.160}; {hint}") from error


def read_key(path: Path, what: str) -> bytes:
    """Read a secret of 32 bytes, 64 hexadecimal digits, from a file.

    Raises
    ------
    click.UsageError
        The file holds something else.
    """
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise click.UsageError(f"{path} is not {what}: expected {2 * KEY_BYTES} hexadecimal digits")
    return key


def _some(names: Sequence[str]) -> str:
    if len(names) > _SHOWN:
        return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"
    return ", ".join(names) or "none"
