"""Datasets: profiles in the catalogue, never a record of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fedpact_chaincode.contracts.catalog import (
    Dataset,
    DatasetPage,
    DatasetsAfter,
    Field,
    Form,
    OneDataset,
    Publish,
    Term,
    Update,
)

if TYPE_CHECKING:
    from fedpact.consortium.session import Session
    from fedpact.retrieval import HashedProfile, Profile


class Data:
    """The caller's datasets, and everybody's profiles."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def publish(
        self,
        name: str,
        profile: Profile,
        *,
        category: str,
        form: Form,
        rows: int,
        fields: Sequence[Field] = (),
    ) -> Dataset:
        """Publish a dataset's profile.

        Parameters
        ----------
        name : unique within the organisation; the dataset's id is `mspid/name`.
        profile : weights of its representative terms; hashed here under the consortium's retrieval key.
        category : what requests are matched by.
        form : tabular, text or image.
        rows : number of records.
        fields : names, units and ranges of a table's columns.
        """
        message = Publish(
            name=name,
            category=category,
            form=form,
            rows=rows,
            fields=tuple(fields),
            terms=_terms(self.hashed(profile)),
        )
        return self._session.submit("catalog:publish", message, Dataset)

    def update(self, dataset_id: str, *, rows: int | None = None, profile: Profile | None = None) -> Dataset:
        """Change a dataset's size or profile; running tasks keep the size they started with."""
        terms = None if profile is None else _terms(self.hashed(profile))
        return self._session.submit("catalog:update", Update(id=dataset_id, rows=rows, terms=terms), Dataset)

    def withdraw(self, dataset_id: str) -> Dataset:
        """Take a dataset out of the catalogue."""
        return self._session.submit("catalog:withdraw", OneDataset(id=dataset_id), Dataset)

    def get(self, dataset_id: str) -> Dataset:
        """Return one profile."""
        return self._session.evaluate("catalog:get", OneDataset(id=dataset_id), Dataset)

    def list(self, *, category: str | None = None) -> Iterator[Dataset]:
        """Yield the profiles, of one category or all, page by page."""
        after: str | None = None
        while True:
            message = DatasetsAfter(category=category, after=after)
            page = self._session.evaluate("catalog:page", message, DatasetPage).datasets
            if not page:
                return
            yield from page
            after = page[-1].id

    def hashed(self, profile: Profile) -> HashedProfile:
        """Hash a profile's terms under the consortium's retrieval key.

        Raises
        ------
        ValueError
            The session has no retrieval key.
        """
        from fedpact.retrieval import TermHasher

        if self._session.retrieval_key is None:
            raise ValueError("the session was connected without the consortium's retrieval key")
        return TermHasher(self._session.retrieval_key).profile(profile)


def _terms(profile: HashedProfile) -> tuple[Term, ...]:
    return tuple(Term(hash=term, weight=weight) for term, weight in profile)
