"""`fedpact bench records`: how queries, the node's start and its memory grow with the ledger."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from fedpact.gateway.client import Gateway
from fedpact.gateway.commit import Commit
from fedpact_loadtest import readings
from fedpact_loadtest.measuring import quantile_ms
from fedpact_loadtest.postgresql import running_server
from fedpact_loadtest.served import serve_ledger, write_credentials
from fedpact_loadtest.venue import folder_or_temporary, ledger_url, open_venue

SQLITE, POSTGRESQL = "sqlite", "postgresql"
CHANGES = 10
"""Changes of the record whose history is read."""
_FILLED = 500
_UNDER_WAY = 8
_CHANGED = 0  # the record whose history is read
_MB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsRules:
    """What is measured.

    Attributes
    ----------
    records : on the full ledger, 100 to 10,000,000; it is measured with a hundredth and a tenth of them, too.
    queries : of each kind, 1 to 10,000.
    page : rows of a range and of a page, 1 to 1,000.
    database : `sqlite`; `postgresql`: a server that is started for it; or a ledger's URL.
    seed : of the choice of records.

    Raises
    ------
    ValueError
        Out of bounds.
    """

    records: int = 100_000
    queries: int = 200
    page: int = 100
    database: str = SQLITE
    seed: int = 0

    def __post_init__(self) -> None:
        bounds = {"records": (100, 10_000_000), "queries": (1, 10_000), "page": (1, readings.MAX_FILLED)}
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} lies between {low} and {high}")
        if self.database not in (SQLITE, POSTGRESQL) and "://" not in self.database:
            raise ValueError(f"database is {SQLITE}, {POSTGRESQL} or a ledger's URL")


class Queries(msgspec.Struct, frozen=True, kw_only=True):
    """Medians in milliseconds of one query, signed, verified, executed and answered in this process.

    Attributes
    ----------
    records : on the ledger.
    point_ms : the value of one key.
    range_ms : a range of fixed size at a random place.
    first_page_ms : the first page of everything.
    history_ms : ten changes of one key.
    scan_page_ms : a page of a scan through everything.
    scan_last_ms : one of the last ten full pages of that scan.
    scan_s : the whole scan, seconds.
    """

    records: int
    point_ms: float
    range_ms: float
    first_page_ms: float
    history_ms: float
    scan_page_ms: float
    scan_last_ms: float
    scan_s: float


class RecordsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured.

    Attributes
    ----------
    sizes : the queries at each size of the ledger.
    ratios : each time on the full ledger divided by that on the smallest; 1 is flat.
    start_s : from the start of a process until clients can come, on the full ledger, imports included.
    open_s : the part of it from the first touch of the database on.
    resident_mb : memory (2**20 bytes) of that process then.
    resident_after_mb : once it has answered the queries of each kind over gRPC.
    fill_per_s : records written a second, in transactions of 500.
    blocks : of the full ledger.
    database, records, queries, page : the rules.
    """

    sizes: list[Queries]
    ratios: dict[str, float]
    start_s: float
    open_s: float
    resident_mb: float
    resident_after_mb: float
    fill_per_s: float
    blocks: int
    database: str
    records: int
    queries: int
    page: int


def bench_records(
    rules: RecordsRules,
    *,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RecordsReport:
    """Measure queries on a ledger that grows, then a fresh node on the full one.

    Parameters
    ----------
    rules : what is measured.
    folder : where the ledger (of `sqlite`) and the keys are created and kept; None: a temporary folder.
    progress : called with the records that are written, and with how many there will be.

    Raises
    ------
    LedgerError
        LEDGER_EXISTS, DATABASE_UNREACHABLE.
    PostgresqlError
        No server can be started.
    ChildError
        The fresh node ended before its time.
    """
    sizes, filled_s, begun = [], 0.0, 0
    with folder_or_temporary(folder) as place, _url(rules.database, place) as url:
        with open_venue(url, organisations=1, endorsements=1) as venue:
            credentials, tls_key = write_credentials(place, venue)
            gateway = venue.gateway_to(readings.NAME)
            for size in (rules.records // 100, rules.records // 10, rules.records):
                begun_s = time.perf_counter()
                _fill(gateway, begun, size, progress, rules.records)
                filled_s += time.perf_counter() - begun_s
                for _ in range(0 if begun else CHANGES - 1):
                    gateway.submit(readings.FILL, _numbers(_CHANGED, 1))
                begun = size
                sizes.append(_measure(gateway, size, rules))
            blocks = venue.ledger.height()
        begun_s = time.perf_counter()
        with serve_ledger(url, credentials, tls_key) as node:
            start_s, fresh = time.perf_counter() - begun_s, node.spent()
            with node.gateway(readings.NAME) as remote:
                _measure(remote, rules.records, rules)
            after, open_s = node.spent(), node.open_s
    first, last = (msgspec.structs.asdict(one) for one in (sizes[0], sizes[-1]))
    return RecordsReport(
        sizes=sizes,
        ratios={
            name: round(last[name] / first[name], 2) for name in last if name not in ("records", "scan_s")
        },
        start_s=round(start_s, 3),
        open_s=round(open_s, 3),
        resident_mb=round(fresh.resident_bytes / _MB, 1),
        resident_after_mb=round(after.resident_bytes / _MB, 1),
        fill_per_s=round(rules.records / filled_s, 1),
        blocks=blocks,
        database=SQLITE if rules.database == SQLITE else POSTGRESQL,
        records=rules.records,
        queries=rules.queries,
        page=rules.page,
    )


def _fill(
    gateway: Gateway, begun: int, end: int, progress: Callable[[int, int], None] | None, total: int
) -> None:
    """Write the records from `begun` on; a few transactions are under way at any moment."""
    under_way: deque[Commit] = deque()
    for first in range(begun, end, _FILLED):
        if len(under_way) == _UNDER_WAY:
            under_way.popleft().result()
        numbers = _numbers(first, min(_FILLED, end - first))
        under_way.append(gateway.submit_async(readings.FILL, numbers))
        if progress is not None:
            progress(first, total)
    for commit in under_way:
        commit.result()


def _measure(gateway: Gateway, records: int, rules: RecordsRules) -> Queries:
    rng = random.Random(rules.seed)

    def repeated(function: str, message: Callable[[], bytes], expected: int) -> float:
        taken_s = []
        for _ in range(rules.queries):
            taken_s.append(_query(gateway, function, message(), expected)[0])
        return quantile_ms(taken_s, 0.5) or 0.0

    page = min(rules.page, records)
    point_ms = repeated(readings.GET, lambda: _which(rng.randrange(records)), 1)
    range_ms = repeated(readings.RANGE, lambda: _numbers(rng.randrange(records - page + 1), page), page)
    first_page_ms = repeated(readings.PAGE, lambda: _page(page, ""), page)
    history_ms = repeated(readings.HISTORY, lambda: _which(_CHANGED), CHANGES)
    pages_s = list(_scan(gateway, records, page))
    full = pages_s[: records // page]
    return Queries(
        records=records,
        point_ms=point_ms,
        range_ms=range_ms,
        first_page_ms=first_page_ms,
        history_ms=history_ms,
        scan_page_ms=quantile_ms(full, 0.5) or 0.0,
        scan_last_ms=quantile_ms(full[-min(len(full), 10) :], 0.5) or 0.0,
        scan_s=round(sum(pages_s), 3),
    )


def _scan(gateway: Gateway, records: int, page: int) -> Iterator[float]:
    """Read everything by pages; yield the seconds of each."""
    bookmark, left = "", records
    while left:
        taken_s, found = _query(gateway, readings.PAGE, _page(page, bookmark), min(page, left))
        yield taken_s
        bookmark, left = found.bookmark, left - len(found.values)
    if bookmark:
        raise ValueError(f"a page after the last one, {bookmark!r}")


def _query(gateway: Gateway, function: str, message: bytes, expected: int) -> tuple[float, readings.Rows]:
    begun_s = time.perf_counter()
    answer = gateway.evaluate(function, message)
    taken_s = time.perf_counter() - begun_s
    found = msgspec.json.decode(answer, type=readings.Rows)
    if len(found.values) != expected:
        raise ValueError(f"{function} returned {len(found.values)} values, not {expected}")
    return taken_s, found


def _numbers(first: int, number: int) -> bytes:
    return msgspec.json.encode(readings.Numbers(first=first, number=number))


def _which(record: int) -> bytes:
    return msgspec.json.encode(readings.Which(record=record))


def _page(size: int, bookmark: str) -> bytes:
    return msgspec.json.encode(readings.PageOf(size=size, bookmark=bookmark))


@contextmanager
def _url(database: str, place: Path) -> Iterator[str]:
    """Yield the URL of the ledger to create."""
    if database == SQLITE:
        yield ledger_url(place)
    elif database == POSTGRESQL:
        with running_server() as server:
            yield f"{server}?{urlencode({'keys': (place / 'keys').absolute()}, safe='/')}"
    else:
        yield database
