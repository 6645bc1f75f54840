"""`fedpact retrieval`: find the datasets that fit a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from fedpact.cli.access import require_retrieval_key, with_session
from fedpact.cli.output import emit_rows, json_option
from fedpact.cli.wanted import Wanted, with_wanted

if TYPE_CHECKING:
    from fedpact.consortium.session import Session


@click.group(name="retrieval")
def command() -> None:
    """Find the datasets that fit a request, by profiles that nobody outside the consortium can read."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that was found.

    Attributes
    ----------
    similarity : weighted Jaccard similarity with what is looked for, 0 to 1.
    """

    dataset_id: str
    similarity: float
    rows: int
    category: str


@command.command()
@with_session
@with_wanted
@click.option("--category", help="Only datasets of this category.")
@click.option("--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="At most so many.")
@json_option
def search(session: Session, wanted: Wanted, category: str | None, *, count: int, as_json: bool) -> None:
    """List the published datasets most similar to a table or to terms, best first.

    A table is described by its columns and target, as `--column bmi=kg/m2 --column age --target progression`.
    """
    require_retrieval_key(session)
    matches = session.retrieval.index(category=category).search(wanted.hashed(session), count)
    lines = []
    for match in matches:
        dataset = session.data.get(match.dataset_id)
        line = Found(
            dataset_id=match.dataset_id,
            similarity=round(match.similarity, 6),
            rows=dataset.rows,
            category=dataset.category,
        )
        lines.append(line)
    emit_rows(lines, ["dataset_id", "similarity", "rows", "category"], as_json=as_json)
