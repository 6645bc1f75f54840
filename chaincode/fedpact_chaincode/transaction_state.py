"""The state under one transaction's own writes, which Fabric does not show to it.

Nothing reaches the stub before `flush`, so a rejected call leaves no trace, and every key is put once.
"""

from __future__ import annotations

from collections.abc import Iterator

from fedpact_chaincode.errors import READS_WITHOUT_PROTECTION, Rejected
from fedpact_chaincode.stub import KeyModification, Stub


class State:
    """The state as one transaction sees it: committed values under its own writes."""

    __slots__ = ("_parameters", "_private", "_reads", "_stub", "_writes")

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._reads: dict[str, bytes | None] = {}
        self._writes: dict[str, bytes | None] = {}
        self._parameters: dict[str, bytes] = {}
        self._private: dict[str, PrivateState] = {}

    def get(self, key: str) -> bytes | None:
        """Return the value as this transaction left it; None if absent."""
        if key in self._writes:
            return self._writes[key]
        if key not in self._reads:
            self._reads[key] = self._stub.get_state(key)
        return self._reads[key]

    def put(self, key: str, value: bytes) -> None:
        """Remember a write."""
        self._writes[key] = value

    def delete(self, key: str) -> None:
        """Remember a removal."""
        self._writes[key] = None

    def range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield (key, value) with start <= key < end in key order, own writes included.

        Rows are fetched as they are asked for, unless this transaction wrote in the range: then all at once.
        """
        committed = self._committed(start, end)
        own = {key: value for key, value in self._writes.items() if start <= key < end}
        if not own:
            yield from committed
            return
        rows: dict[str, bytes | None] = {**dict(committed), **own}
        yield from ((key, value) for key, value in sorted(rows.items()) if value is not None)

    def page(
        self, start: str, end: str, size: int, bookmark: str = ""
    ) -> tuple[list[tuple[str, bytes]], str]:
        """Return up to `size` committed rows of a range and the bookmark of the next page; "" after the last.

        Raises
        ------
        Rejected
            READS_WITHOUT_PROTECTION: only a transaction that writes nothing reads pages.
        ValueError
            If the size is out of bounds or the bookmark outside the range.
        """
        if self.written:
            raise Rejected(READS_WITHOUT_PROTECTION)
        return self._stub.get_state_by_range_with_pagination(start, end, size, bookmark)

    def history(self, key: str) -> Iterator[KeyModification]:
        """Yield the committed changes of a key, newest first."""
        return self._stub.get_history_for_key(key)

    def validation_parameter(self, key: str) -> bytes | None:
        """Return the key's own endorsement policy as this transaction left it; None if it has none."""
        if key in self._parameters:
            return self._parameters[key] or None
        return self._stub.get_state_validation_parameter(key)

    def set_validation_parameter(self, key: str, policy: bytes) -> None:
        """Remember an endorsement policy for one key (see `key_policies`); empty: the chaincode's."""
        self._parameters[key] = policy

    def private(self, collection: str) -> PrivateState:
        """Return the transaction's view of a collection of private data; maps work on it as on this."""
        if collection not in self._private:
            self._private[collection] = PrivateState(self._stub, collection)
        return self._private[collection]

    def flush(self) -> None:
        """Hand all writes to the stub, in key order."""
        for key, value in sorted(self._writes.items()):
            if value is None:
                self._stub.delete_state(key)
            else:
                self._stub.put_state(key, value)
        for key, policy in sorted(self._parameters.items()):
            self._stub.set_state_validation_parameter(key, policy)
        for private in self._private.values():
            private.flush()

    @property
    def written(self) -> bool:
        """Whether anything was written or deleted."""
        return bool(self._writes or self._parameters) or any(map(_written, self._private.values()))

    def _committed(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        return self._stub.get_state_by_range(start, end)


class PrivateState(State):
    """A collection of private data as one transaction sees it; refusals as `Stub` names them.

    Ranges do not go together with writes (READS_WITHOUT_PROTECTION); there are neither pages nor histories.
    """

    __slots__ = ("_collection", "_purges")

    def __init__(self, stub: Stub, collection: str) -> None:
        super().__init__(stub)
        self._collection = collection
        self._purges: set[str] = set()

    def get(self, key: str) -> bytes | None:
        """Return the value as this transaction left it; None if absent."""
        if key in self._writes:
            return self._writes[key]
        if key not in self._reads:
            self._reads[key] = self._stub.get_private_data(self._collection, key)
        return self._reads[key]

    def hash(self, key: str) -> bytes | None:
        """Return the SHA-256 of the committed value, which every node knows; None if absent."""
        return self._stub.get_private_data_hash(self._collection, key)

    def put(self, key: str, value: bytes) -> None:
        """Remember a write."""
        self._purges.discard(key)
        self._writes[key] = value

    def delete(self, key: str) -> None:
        """Remember a removal; past values stay with the members."""
        self._purges.discard(key)
        self._writes[key] = None

    def purge(self, key: str) -> None:
        """Remember a removal with all past values."""
        self._purges.add(key)
        self._writes[key] = None

    def page(
        self, start: str, end: str, size: int, bookmark: str = ""
    ) -> tuple[list[tuple[str, bytes]], str]:
        """Refuse: Fabric has no pages of private data."""
        raise TypeError("there are no pages of private data")

    def history(self, key: str) -> Iterator[KeyModification]:
        """Refuse: private data have no history."""
        raise TypeError("private data have no history")

    def private(self, collection: str) -> PrivateState:
        """Refuse: collections are not nested."""
        raise TypeError("collections are not nested")

    def validation_parameter(self, key: str) -> bytes | None:
        """Return the key's own endorsement policy as this transaction left it; None if it has none."""
        if key in self._parameters:
            return self._parameters[key] or None
        return self._stub.get_private_data_validation_parameter(self._collection, key)

    def flush(self) -> None:
        """Hand all writes to the stub, in key order."""
        for key, value in sorted(self._writes.items()):
            if value is not None:
                self._stub.put_private_data(self._collection, key, value)
            elif key in self._purges:
                self._stub.purge_private_data(self._collection, key)
            else:
                self._stub.delete_private_data(self._collection, key)
        for key, policy in sorted(self._parameters.items()):
            self._stub.set_private_data_validation_parameter(self._collection, key, policy)

    def _committed(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        return self._stub.get_private_data_by_range(self._collection, start, end)


def _written(state: State) -> bool:
    return state.written
