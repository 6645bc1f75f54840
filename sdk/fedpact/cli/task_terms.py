"""A task's terms: from a TOML file and options, an option before the file; unknown keys name the nearest."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fedpact.cli.parameters import milliseconds, moment
from fedpact.records import CreateTask, LearningKind, Rules

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

NANO = 10**9


class TaskTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a file or options say; None: nothing.

    Attributes
    ----------
    id : the task's name.
    request : id of the sharing request that the task answers; gives category and fingerprint.
    category, kind, rounds, reward_per_round, team_size, fingerprint, min_credit, min_mortgage : as in
        `fedpact_chaincode.contracts.tasks.records.Task`.
    deadline : milliseconds since 1970; in a file a date, a date and time, or a text such as "+30d".
    target_quality : accuracy or MAE at which the task may end earlier.
    privacy_required : whether every update must carry privacy events within a granted budget.
    rules : what differs from the default `Rules`.
    """

    id: str | None = None
    request: str | None = None
    category: str | None = None
    kind: LearningKind | None = None
    rounds: int | None = None
    deadline: int | None = None
    reward_per_round: int | None = None
    team_size: int | None = None
    fingerprint: str | None = None
    target_quality: float | None = None
    min_credit: int | None = None
    min_mortgage: int | None = None
    privacy_required: bool | None = None
    rules: dict[str, object] = {}


NEEDED = ("id", "category", "kind", "rounds", "deadline", "reward_per_round", "team_size", "fingerprint")


def read_terms(file: Path) -> TaskTerms:
    """Read a task file.

    Raises
    ------
    click.UsageError
        It is no TOML, has a key that is not known, or a value of another type.
    """
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}: {error}") from error
    refuse_unknown(content, TaskTerms.__struct_fields__, str(file))
    if "deadline" in content:
        content["deadline"] = _deadline(content["deadline"], file)
    try:
        terms = msgspec.convert(content, TaskTerms)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"{file}: {error}") from error
    refuse_unknown(terms.rules, Rules.__struct_fields__, f"{file}, rules")
    return terms


def merge(terms: TaskTerms, options: Mapping[str, object], rules: Mapping[str, str]) -> TaskTerms:
    """Return the terms as the options that were given change them.

    Raises
    ------
    click.UsageError
        There is no such rule.
    """
    refuse_unknown(rules, Rules.__struct_fields__, "--rule")
    given = {name: value for name, value in options.items() if value is not None}
    return msgspec.structs.replace(terms, **given, rules={**terms.rules, **rules})


def complete(terms: TaskTerms, session: Session) -> CreateTask:
    """Return the message that publishes the task.

    Raises
    ------
    click.UsageError
        Something needed is missing, or a value is out of bounds.
    """
    if terms.request is not None:
        asked = session.sharing.find_request(terms.request)
        found = {"category": terms.category or asked.category, "fingerprint": asked.fingerprint}
        terms = msgspec.structs.replace(terms, **found)
    missing = [name for name in NEEDED if getattr(terms, name) is None]
    if missing:
        wanted = ", ".join(f"--{name.replace('_', '-')}" for name in missing if name != "id")
        raise click.UsageError(f"a task needs {wanted or 'an id'} (or the same in a file)")
    fields = {name: value for name in terms.__struct_fields__ if (value := getattr(terms, name)) is not None}
    fields["deadline_ms"], fields["request_id"] = fields.pop("deadline"), fields.pop("request", None)
    target = fields.pop("target_quality", None)
    fields["target_quality_nano"] = None if target is None else round(target * NANO)
    try:
        fields["rules"] = msgspec.convert(terms.rules, Rules, strict=False)
        # a struct made in Python is not checked by msgspec: read it as the contract will
        return msgspec.json.decode(msgspec.json.encode(CreateTask(**fields)), type=CreateTask)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"the task's terms: {error}") from error


def refuse_unknown(keys: Collection[str], known: Collection[str], where: str) -> None:
    """Refuse a key that is not known, naming the nearest."""
    for key in keys:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(known)}"
            raise click.UsageError(f"{where}: unknown key {key!r:.80}; {hint}")


def _deadline(value: object, file: Path) -> int:
    if isinstance(value, datetime):
        return milliseconds(value)
    if isinstance(value, date):
        return milliseconds(datetime.combine(value, time()))
    try:
        return moment(str(value))
    except click.BadParameter as error:
        raise click.UsageError(f"{file}, deadline: {error.message}") from error
