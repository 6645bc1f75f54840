"""Private data: values for a collection's members, hashes for everybody."""

# ruff: noqa: S101

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest

from fedpact.gateway.commit import Result
from fedpact.gateway.transaction import Transaction
from fedpact.testing.cases import LedgerCases
from fedpact.testing.channels import Capability
from fedpact.testing.probe.cells import Rows
from fedpact.testing.probe.secrets import VALUE, Found, Place, PrivateSpan
from fedpact.testing.stage import Client, Stage
from fedpact.wire.chaincode_terms import CollectionTerms, OwnPolicy
from fedpact.wire.commits import ValidationCode
from fedpact_chaincode.errors import COLLECTION_FORBIDDEN, COLLECTION_UNDEFINED, Rejected

SECRET = b"nobody else may know this"
MEMBERS = "OR('Org1MSP.member', 'Org2MSP.member')"
COLLECTIONS = (
    CollectionTerms(name="open", policy=MEMBERS),
    CollectionTerms(name="closed", policy=MEMBERS, member_only_read=True, member_only_write=True),
    CollectionTerms(name="brief", policy=MEMBERS, block_to_live=2),
    CollectionTerms(
        name="guarded", policy=MEMBERS, endorsement_policy=OwnPolicy(signature_policy="OR('Org3MSP.peer')")
    ),
)


class PrivateDataCases(LedgerCases):
    """Collections of a chaincode's definition, and the implicit ones of the organisations."""

    @pytest.mark.parametrize("collection", ["open", "closed", "_implicit_org_Org1MSP"])
    def test_members_read_what_others_see_the_hash_of(self, stage: Stage, collection: str) -> None:
        """The value is in no block."""
        client = self._agreed(stage)
        _put(client, collection, "k")
        assert _read(client, collection, "k") == SECRET.decode()
        place = Place(collection=collection, key="k")
        assert client.ask("secrets:digest", place, Found).value == sha256(SECRET).hexdigest()
        assert not any(SECRET in block for block in stage.ledger.blocks())
        assert not any(SECRET in row.value for row in stage.rows())

    def test_who_is_no_member_is_refused(self, stage: Stage) -> None:
        """Where the collection says so."""
        insider = self._agreed(stage)
        outsider = stage.client(stage.member("Org3MSP"))
        _put(insider, "closed", "k")
        height = stage.ledger.height()
        for attempt in (lambda: _put(outsider, "closed", "k"), lambda: _read(outsider, "closed", "k")):
            with pytest.raises(Rejected) as caught:
                attempt()
            assert caught.value.code == COLLECTION_FORBIDDEN
        assert stage.ledger.height() == height
        _put(outsider, "open", "k")
        assert _read(outsider, "open", "k") == SECRET.decode()

    def test_there_must_be_such_a_collection(self, stage: Stage) -> None:
        """Else nothing is executed."""
        client = self._agreed(stage)
        with pytest.raises(Rejected) as caught:
            _put(client, "none", "k")
        assert caught.value.code == COLLECTION_UNDEFINED

    @pytest.mark.parametrize("how", ["remove", "purge"])
    def test_what_is_removed_is_gone(self, stage: Stage, how: str) -> None:
        """Value and hash."""
        client = self._agreed(stage)
        _put(client, "open", "a")
        _put(client, "open", "b")
        client.submit(f"secrets:{how}", Place(collection="open", key="a"))
        assert _read(client, "open", "a") is None
        assert client.ask("secrets:digest", Place(collection="open", key="a"), Found).value is None
        span = client.ask("secrets:span", PrivateSpan(collection="open"), Rows)
        assert span.rows == [("b", SECRET.decode())]

    def test_private_reads_conflict_as_public_ones_do(self, stage: Stage) -> None:
        """By the versions of their hashes."""
        client = self._agreed(stage)
        _put(client, "open", "k")
        first, stale = (client.endorse("secrets:copy", Place(collection="open", key="k")) for _ in "12")
        assert stage.outcome(first) is ValidationCode.VALID
        _put(client, "open", "k", b"another value")
        assert stage.outcome(stale) is ValidationCode.MVCC_READ_CONFLICT
        assert _read(client, "open", "k'") == SECRET.decode()

    def test_values_go_when_their_time_is_over(self, stage: Stage) -> None:
        """After so many blocks, with their hashes."""
        client = self._agreed(stage)
        _put(client, "brief", "k")
        client.create("a")
        client.create("b")
        assert _read(client, "brief", "k") == SECRET.decode()
        client.create("c")
        assert _read(client, "brief", "k") is None
        assert client.ask("secrets:digest", Place(collection="brief", key="k"), Found).value is None

    def test_a_collection_may_have_its_own_policy(self, stage: Stage) -> None:
        """Its endorsers are found without being named; others do not count."""
        client = self._agreed(stage)
        _put(client, "guarded", "k")
        assert _read(client, "guarded", "k") == SECRET.decode()
        others = _endorsed(client, "guarded", "k", b"other", ("Org1MSP", "Org2MSP"))
        assert stage.outcome(others) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        assert _read(client, "guarded", "k") == SECRET.decode()

    def test_what_was_endorsed_before_a_restart_is_committed_after_it(self, stage: Stage) -> None:
        """With its private values: they were kept before the endorsement left."""
        self.need(Capability.REOPENING)
        client = self._agreed(stage)
        endorsed = _endorsed(client, "open", "k", SECRET)
        message, signature = endorsed.to_bytes(), stage.alice.sign(endorsed.message)
        stage.reopen()
        again = stage.client()
        resumed = again.gateway.signed_transaction(message, signature)
        assert stage.outcome(resumed) is ValidationCode.VALID
        assert _read(again, "open", "k") == SECRET.decode()

    def _agreed(self, stage: Stage) -> Client:
        self.need(Capability.LIFECYCLE)
        self.need(Capability.PRIVATE_DATA)
        stage.agree(stage.terms(collections=COLLECTIONS))
        return stage.client()


def _put(client: Client, collection: str, key: str, value: bytes = SECRET) -> Result:
    return client.submit("secrets:put", Place(collection=collection, key=key), {VALUE: value})


def _endorsed(
    client: Client, collection: str, key: str, value: bytes, organisations: Sequence[str] = ()
) -> Transaction:
    return client.endorse(
        "secrets:put", Place(collection=collection, key=key), tuple(organisations), {VALUE: value}
    )


def _read(client: Client, collection: str, key: str) -> str | None:
    return client.ask("secrets:read", Place(collection=collection, key=key), Found).value
