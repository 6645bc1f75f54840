"""Pages of ranges, and composite keys by their first parts."""

# ruff: noqa: S101

from __future__ import annotations

import pytest

from fedpact.testing.cases import LedgerCases
from fedpact.testing.probe.cells import Plain
from fedpact.testing.probe.keys import Composite, Page, PageOf, Partial, Parts
from fedpact.testing.stage import Stage
from fedpact_chaincode.errors import READS_WITHOUT_PROTECTION, Rejected

KEYS = [f"k{number}" for number in range(7)]


class PageCases(LedgerCases):
    """Queries that return a page at a time."""

    @pytest.mark.parametrize("size", [1, 3, 7, 100])
    def test_pages_together_are_the_range(self, stage: Stage, size: int) -> None:
        """Each begins where the bookmark of the one before says."""
        client = stage.client()
        for key in [*KEYS, "other"]:
            client.submit("cells:put", Plain(key=key, value=f"of {key}"))
        found: list[tuple[str, str]] = []
        bookmark, pages = "", 0
        while bookmark or not pages:
            page = client.ask("keys:page", PageOf(start="k", end="l", size=size, bookmark=bookmark), Page)
            assert len(page.rows) <= size
            found += page.rows
            bookmark, pages = page.bookmark, pages + 1
        assert found == [(key, f"of {key}") for key in KEYS]
        assert pages == -(-len(KEYS) // size)

    def test_who_reads_pages_writes_nothing(self, stage: Stage) -> None:
        """What a page returned is not protected against phantoms."""
        with pytest.raises(Rejected) as caught:
            stage.client().submit("keys:page_and_write", PageOf(size=3))
        assert caught.value.code == READS_WITHOUT_PROTECTION
        assert stage.ledger.height() == 1

    @pytest.mark.parametrize("size", [0, 2])
    def test_composite_keys_are_found_by_their_first_parts(self, stage: Stage, size: int) -> None:
        """Whole parts, in the order of the keys."""
        client = stage.client()
        for attributes in (["a", "1"], ["a", "2"], ["a", "3"], ["ab", "1"], ["b", "1"]):
            client.submit("keys:write", Composite(kind="pair", attributes=attributes, value="x"))
        client.submit("keys:write", Composite(kind="pairs", attributes=["a", "9"], value="x"))
        client.submit("keys:write", Composite(kind="pair", attributes=["a", "2"]))
        asked = Partial(kind="pair", attributes=["a"], size=size)
        found = client.ask("keys:partial", asked, Parts)
        assert found.rows == [("pair", ["a", "1"], "x"), ("pair", ["a", "3"], "x")]
        assert found.bookmark == ""
