"""What data is looked for, as options: columns and target of a table, or terms of any profile."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click

from fedpact.cli.parameters import pair

if TYPE_CHECKING:
    from fedpact.consortium.session import Session
    from fedpact.retrieval import HashedProfile, Profile

P = ParamSpec("P")


def _column(text: str) -> tuple[str, str]:
    return pair(text) if "=" in text else (text, "")


def _term(text: str) -> tuple[str, float]:
    name, separator, weight = text.rpartition("=")
    if not separator:
        return text, 1.0
    try:
        return name, float(weight)
    except ValueError:
        return text, 1.0  # the term itself holds a "=", as unit:bmi=kg/m2


_OPTIONS = (
    click.option(
        "--column",
        "columns",
        type=_column,
        multiple=True,
        metavar="NAME[=UNIT]",
        help="A column of the table that is looked for; repeat it.",
    ),
    click.option("--target", help="The column that is to be predicted."),
    click.option(
        "--term",
        "terms",
        type=_term,
        multiple=True,
        metavar="TERM[=WEIGHT]",
        help="A term of the profile, for texts, images or a profile by hand; repeat it.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options' values."""

    columns: tuple[tuple[str, str], ...]
    target: str | None
    terms: tuple[tuple[str, float], ...]

    def profile(self) -> Profile:
        """Return the profile that is looked for.

        Raises
        ------
        click.UsageError
            Neither a table nor terms are described, or both.
        """
        from fedpact.retrieval import table_profile
        from fedpact.retrieval.terms import scaled

        if bool(self.columns) == bool(self.terms):
            raise click.UsageError("what is looked for? give --column and --target, or --term")
        if self.terms:
            if not any(weight > 0 for _, weight in self.terms):
                raise click.UsageError("no term has a positive weight")
            return scaled(dict(self.terms))
        if self.target is None:
            raise click.UsageError("a table is looked for by its --target too")
        return table_profile(dict(self.columns), self.target)

    def hashed(self, session: Session) -> HashedProfile:
        """Return the profile as the ledger knows it.

        Raises
        ------
        click.UsageError
            It has no weight, or too many terms.
        """
        try:
            return session.data.hashed(self.profile())
        except ValueError as error:
            raise click.UsageError(str(error)) from error


def with_wanted(function: Callable[Concatenate[Session, Wanted, P], None]) -> Callable[..., None]:
    """Give a command what is looked for as its second argument, and the options that say it."""
    names = [field.name for field in fields(Wanted)]

    @functools.wraps(function)
    def command(session: Session, *args: P.args, **kwargs: P.kwargs) -> None:
        chosen = {name: kwargs.pop(name) for name in names}
        function(session, Wanted(**chosen), *args, **kwargs)  # type: ignore[arg-type]

    for option in reversed(_OPTIONS):
        option(command)
    return command
