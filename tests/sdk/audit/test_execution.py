"""What executing a transaction again finds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fedpact.audit.execution import disagreement
from fedpact.audit.replayed_state import ReplayedState
from fedpact.wire.envelopes import ParsedTransaction, Response
from fedpact.wire.headers import Headers
from fedpact.wire.rwsets import (
    CollectionRwset,
    HashedRead,
    MetadataWrite,
    NamespaceRwset,
    Write,
)
from fedpact_chaincode.chaincode import Response as Answer
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.stub import Stub

PUT = NamespaceRwset("kv", writes=(Write("a", b"1"),))
GUARD = (MetadataWrite("a", (("VALIDATION_PARAMETER", b"mine"),)),)
READ = (CollectionRwset("secrets", reads=(HashedRead(bytes(32), None),)),)


class Contract:
    version = "1"

    def __init__(self, source: str = "") -> None:
        self.source = source

    def invoke(self, stub: Stub) -> Answer:
        try:
            if self.source == "collection":
                stub.get_private_data("secrets", "k")
            elif self.source == "transient":
                stub.transient["k"]
        except (KeyError, Rejected):
            return Answer(400, "refused")
        stub.put_state("a", b"1")
        return Answer(200, "", b"")


def recorded(rwset: NamespaceRwset) -> ParsedTransaction:
    headers = Headers(b"", b"", "channel", "tx", "kv", 5, b"", b"")
    return ParsedTransaction(headers, b"", b"", (), True, b"", (), (rwset,), Response(200), None, "1")


def again(contract: Contract, rwset: NamespaceRwset) -> str:
    return disagreement(ReplayedState(), contract, recorded(rwset))  # type: ignore[arg-type]


def test_the_same_agrees() -> None:
    assert again(Contract(), PUT) == ""


@pytest.mark.parametrize("added", [{"metadata": GUARD}, {"collections": READ}], ids=["policy", "private"])
def test_what_the_contract_did_not_do_is_found(added: dict[str, object]) -> None:
    assert "the contract has other" in again(Contract(), replace(PUT, **added))  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["collection", "transient"])
def test_of_what_needs_private_data_nothing_is_said(source: str) -> None:
    assert again(Contract(source), replace(PUT, collections=READ)) == ""
    assert "refused" in again(Contract(source), PUT)
