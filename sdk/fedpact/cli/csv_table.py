"""What a dataset's profile needs to know of a CSV file: columns, ranges, labels, number of rows."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from pathlib import Path

from fedpact.datasets.errors import DataCode, DataError

MAX_CLASSES = 128
_PROGRESS_ROWS = 10_000


@dataclass(slots=True)
class Column:
    """A column while it is read.

    Attributes
    ----------
    name : from the header line.
    numeric : whether every value so far is a number.
    low, high : smallest and largest number; None without any.
    """

    name: str
    numeric: bool = True
    low: Decimal | None = None
    high: Decimal | None = None

    def see(self, text: str) -> None:
        """Take a value into account; an empty one is missing."""
        if not (self.numeric and text.strip()):
            return
        try:
            value = Decimal(text.strip())
        except InvalidOperation:
            self.numeric = False
            return
        if not value.is_finite():
            return
        self.low = value if self.low is None else min(self.low, value)
        self.high = value if self.high is None else max(self.high, value)

    @property
    def range_milli(self) -> tuple[int, int] | None:
        """The range in thousandths, rounded outwards; None where the column is no number."""
        if not self.numeric or self.low is None or self.high is None:
            return None
        low = (self.low * 1000).to_integral_value(ROUND_FLOOR)
        high = (self.high * 1000).to_integral_value(ROUND_CEILING)
        return int(low), int(high)


@dataclass(slots=True)
class CsvTable:
    """What was read.

    Attributes
    ----------
    rows : records, the header not counted.
    columns : by name, in order; neither the target nor those that were ignored.
    labels : how often each value of the target occurs.
    """

    rows: int = 0
    columns: dict[str, Column] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)


def read_table(
    file: Path,
    target: str,
    *,
    ignored: Collection[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CsvTable:
    """Read a CSV file once. O(bytes); nothing of a record is kept but ranges and counts of labels.

    Parameters
    ----------
    file : CSV in UTF-8 with a header line.
    target : name of the column that is to be predicted.
    ignored : names of columns that are left out, as patients' numbers.
    progress : called with (bytes read, bytes) now and then.

    Raises
    ------
    DataError
        MALFORMED, with the number of the line.
    """
    table, size = CsvTable(), file.stat().st_size
    with file.open("rb") as content:
        rows = csv.reader(io.TextIOWrapper(content, "utf-8-sig", newline=""), strict=True)
        try:
            header = next(rows, [])
            table.columns = _columns(file, header, target, ignored)
            places = [
                (place, table.columns[name]) for place, name in enumerate(header) if name in table.columns
            ]
            label = header.index(target)
            for row in rows:
                if len(row) != len(header):
                    raise _malformed(
                        file, f"line {rows.line_num} has {len(row)} values for {len(header)} columns"
                    )
                table.rows += 1
                table.labels[row[label].strip()] += 1
                for place, column in places:
                    column.see(row[place])
                if table.rows % _PROGRESS_ROWS == 0:
                    progress(content.tell(), size)
        except (UnicodeDecodeError, csv.Error) as error:
            raise _malformed(file, f"line {rows.line_num}: {error}") from error
    if not table.rows:
        raise _malformed(file, "it has no records")
    return table


def _columns(file: Path, header: list[str], target: str, ignored: Collection[str]) -> dict[str, Column]:
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    if repeated:
        raise _malformed(file, f"two columns are called {repeated[0]!r:.80}")
    for name in (target, *ignored):
        if name not in header:
            raise _malformed(file, f"no column is called {name!r:.80}; there are {', '.join(header)[:400]}")
    return {name: Column(name) for name in header if name != target and name not in ignored}


def _malformed(file: Path, detail: str) -> DataError:
    return DataError(DataCode.MALFORMED, f"{file.name}: {detail}")
