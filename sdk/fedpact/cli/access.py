"""How a command finds its ledger and who acts: options, else the environment, else the consortium's home.

A founder's machine has a home (`fedpact consortium found`): it names the ledger and holds the wallet and the
retrieval key. A member's machine has the ledger's URL, a wallet and a copy of the retrieval key. Keys and
passwords come from files only, never from the command line.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from fedpact.cli.homes import find_identity, open_home, read_key

if TYPE_CHECKING:
    from fedpact.consortium.founding import Consortium
    from fedpact.consortium.session import Session
    from fedpact.identity.identity import Identity
    from fedpact.ledger import LedgerError

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., object])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


def _option(name: str, kind: object, text: str) -> Callable[[F], F]:
    variable = f"FEDPACT_{name.removeprefix('--').replace('-', '_').upper()}"
    return click.option(name, type=kind, envvar=variable, show_envvar=True, help=text)


home_option = _option("--home", FOLDER, "A consortium's home folder.")
url_option = _option("--url", click.STRING, "The ledger's URL; default: the home's ledger.")
_acting = click.option(
    "--as", "identity", envvar="FEDPACT_AS", show_envvar=True, metavar="MSPID/NAME", help="Who acts."
)
_wallet = _option("--wallet", FOLDER, "Folder with the identity; default: the home's wallet.")
_password = _option("--password-file", FILE, "File with the password of the identity's key, if it has one.")
_retrieval_key = _option(
    "--retrieval-key", FILE, "File with the consortium's key for hashing terms; default: the home's."
)
_models = _option("--models", click.STRING, "The model store: a folder, or a URL of fsspec.")

_SESSION = (_acting, home_option, url_option, _wallet, _password, _retrieval_key, _models)


@dataclass(frozen=True, kw_only=True)
class Access:
    """What the options of a command say about ledger and identity.

    Attributes
    ----------
    home : a consortium's home; gives ledger, wallet and retrieval key where they are not named themselves.
    identity : who acts, `mspid/name`; None: the only one in the wallet.
    url : the ledger's.
    wallet : folder of identities.
    password_file : holds the password of the identity's key.
    retrieval_key : file with 64 hexadecimal digits.
    models : the model store's URL.
    """

    home: Path | None = None
    identity: str | None = None
    url: str | None = None
    wallet: Path | None = None
    password_file: Path | None = None
    retrieval_key: Path | None = None
    models: str | None = None

    def connect(self) -> Session:
        """Open the session.

        Raises
        ------
        click.UsageError
            It is not said which ledger, or who acts.
        LedgerError, IdentityError
            The ledger or the identity cannot be opened.
        """
        from fedpact.consortium.connecting import connect
        from fedpact.ledger import LedgerError

        consortium = None if self.home is None else open_home(self.home)
        url = self.url or (consortium.url if consortium else None)
        if url is None:
            raise click.UsageError("which ledger? give --home (FEDPACT_HOME), or --url and --wallet")
        identity = self._identity(consortium, self.identity)
        key = consortium.retrieval_key if consortium else None
        if self.retrieval_key is not None:
            key = read_key(self.retrieval_key, "a retrieval key")
        try:
            return connect(url, identity=identity, models=self.models, retrieval_key=key)
        except LedgerError as error:
            raise _with_its_server(error, url) from error

    def acting(self) -> Identity:
        """Return who acts; opens no ledger."""
        return self._identity(None if self.home is None else open_home(self.home), self.identity)

    def enrolled(self, identifier: str) -> Identity:
        """Return an identity of the wallet, `mspid/name`."""
        return self._identity(None if self.home is None else open_home(self.home), identifier)

    def _identity(self, consortium: Consortium | None, identifier: str | None) -> Identity:
        from fedpact.identity.wallet import Wallet

        if self.wallet is not None:
            wallet = Wallet(self.wallet)
        elif consortium is not None:
            wallet = consortium.wallet
        else:
            raise click.UsageError("whose identity? give --home (FEDPACT_HOME) or --wallet (FEDPACT_WALLET)")
        password = None if self.password_file is None else self.password_file.read_bytes().rstrip(b"\r\n")
        return find_identity(wallet, identifier, password)


def with_access(function: Callable[Concatenate[Access, P], None]) -> Callable[P, None]:
    """Give a command an `Access` as its first argument, and the options that fill it."""
    names = [field.name for field in fields(Access)]

    @functools.wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        chosen = {name: kwargs.pop(name) for name in names}
        function(Access(**chosen), *args, **kwargs)  # type: ignore[arg-type]

    return _last(command, _SESSION)


def with_session(function: Callable[Concatenate[Session, P], None]) -> Callable[P, None]:
    """Give a command a session as its first argument, and the options that open one."""

    def command(access: Access, /, *args: P.args, **kwargs: P.kwargs) -> None:
        with access.connect() as session:
            function(session, *args, **kwargs)

    functools.update_wrapper(command, function)
    return with_access(command)


def require_retrieval_key(session: Session) -> None:
    """Refuse to go on without the consortium's key for hashing terms."""
    if session.retrieval_key is None:
        raise click.UsageError(
            "terms are hashed under the consortium's key: give --home, or --retrieval-key"
            " (FEDPACT_RETRIEVAL_KEY)"
        )


def _with_its_server(error: LedgerError, url: str) -> LedgerError:
    """Tell of a ledger that a node has open where that node is served."""
    from fedpact.ledger import LedgerError, without_password

    if error.code != "LEDGER_BUSY":
        return error
    from fedpact_network.server.errors import ServerError
    from fedpact_network.server.process import served_at

    try:
        address = served_at(url)
    except ServerError:
        return error
    hint = f"it is served at {address}: give --url grpcs://{address}?tls_roots=FILE (FEDPACT_URL)"
    return LedgerError("LEDGER_BUSY", without_password(url), hint)


def _last(command: Callable[P, None], options: Sequence[Callable[..., object]]) -> Callable[P, None]:
    """Add options behind a command's own in its help; click keeps a function's parameters in reverse."""
    own = command.__dict__.pop("__click_params__", [])
    for option in reversed(options):
        option(command)
    command.__dict__["__click_params__"] += own
    return command
