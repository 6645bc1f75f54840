"""From a CSV file to what is published of it: profile, fields with units and ranges, number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click

from fedpact.cli.csv_table import MAX_CLASSES, CsvTable
from fedpact.records import Field
from fedpact.retrieval import Profile, label_histogram, table_profile


@dataclass(frozen=True, kw_only=True)
class PublishingRules:
    """What is told of a table.

    Attributes
    ----------
    target : what is predicted.
    units : unit by column.
    ranges : thousandths by column, in place of the measured range.
    measured_ranges : whether the other columns' smallest and largest values are published.
    classes : publish how often each value of the target occurs.
    edges : publish how many values of the target lie between these borders.
    """

    target: str
    units: Mapping[str, str]
    ranges: Mapping[str, tuple[int, int]]
    measured_ranges: bool = True
    classes: bool = False
    edges: Sequence[float] = ()


def describe(table: CsvTable, rules: PublishingRules) -> tuple[Profile, list[Field]]:
    """Return a table's profile and fields.

    Raises
    ------
    click.UsageError
        The rules name columns that are not there, or the target does not fit them.
    """
    unknown = sorted({*rules.units, *rules.ranges} - set(table.columns))
    if unknown:
        raise click.UsageError(
            f"no column is called {unknown[0]!r:.80}; there are {', '.join(table.columns)}"
        )
    columns = {name: rules.units.get(name, "") for name in table.columns}
    return table_profile(columns, rules.target, labels=_labels(table, rules)), _fields(table, rules)


def _labels(table: CsvTable, rules: PublishingRules) -> dict[str, int] | None:
    if rules.classes and rules.edges:
        raise click.UsageError("--classes is for a classification, --edges for a regression")
    if rules.classes:
        labels = {label: count for label, count in sorted(table.labels.items()) if label}
        if len(labels) > MAX_CLASSES:
            raise click.UsageError(
                f"the target has {len(labels)} different values: publish bins of it, with --edges"
            )
        return labels
    if not rules.edges:
        return None
    try:
        values = [float(label) for label, count in table.labels.items() for _ in range(count) if label]
        return label_histogram(values, edges=rules.edges)
    except ValueError as error:
        raise click.UsageError(f"the target cannot be counted in bins: {error}") from error


def _fields(table: CsvTable, rules: PublishingRules) -> list[Field]:
    fields = []
    for name, column in table.columns.items():
        span = rules.ranges.get(name) or (column.range_milli if rules.measured_ranges else None)
        low, high = span or (None, None)
        fields.append(Field(name=name, unit=rules.units.get(name, ""), low_milli=low, high_milli=high))
    return fields
