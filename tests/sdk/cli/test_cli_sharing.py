"""Consent, requests, what is there already, and handing a model over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from fedpact.consortium.connecting import connect
from fedpact.consortium.founding import Consortium
from fedpact.models import ModelRef, ModelStore, decode_tensors
from fedpact.retrieval import DataRequest, TermHasher, fingerprint, table_profile
from fedpact_chaincode import consortium as contracts
from fedpact_chaincode.contract import Context, Contract, Message
from fedpact_chaincode.contracts.sharing import CachedModel, remember
from fedpact_network.embedded.backend import EmbeddedBackend

NODE, ASKING = "AlphaMSP/node", "GammaMSP/admin"
WANTED = ["--column", "bmi=kg/m2", "--column", "age", "--target", "progression"]
ASK = [*WANTED, "--category", "diabetes", "--kind", "regression", "--parameter", "rounds=6"]


@pytest.fixture
def dataset(fedpact, patients: Path) -> str:
    words = ["--category", "diabetes", "--target", "progression"]
    return str(fedpact.ok("data", "publish", "patients", patients, *words, who=NODE).one["id"])


def test_consent_is_given_listed_and_taken_back(fedpact, dataset: str) -> None:
    words = [dataset, "GammaMSP", "diabetes"]
    options = ["--expires", "2099-01-31", "--conditions", "cite us"]
    granted = fedpact.ok("sharing", "grant", *words, *options, who=NODE).one
    assert (granted["expires_ms"], granted["conditions"]) == (4_073_500_800_000, "cite us")
    assert fedpact.ok("sharing", "grants", dataset, who=ASKING).lines == [granted]
    assert fedpact.ok("sharing", "revoke", *words, who=NODE).one["status"] == "revoked"
    assert "GRANT_REVOKED" in fedpact.refused("sharing", "revoke", *words, who=NODE)
    assert "NOT_THE_OWNER" in fedpact.refused("sharing", "revoke", *words, who="BetaMSP/node")


def test_a_grant_needs_an_expiry_to_come(fedpact, dataset: str) -> None:
    words = ["sharing", "grant", dataset, "GammaMSP", "diabetes"]
    assert "--expires" in fedpact.refused(*words, who=NODE, code=2)
    assert "no duration" in fedpact.refused(*words, "--expires", "+1y", who=NODE, code=2)
    assert "EXPIRY_PASSED" in fedpact.refused(*words, "--expires", "2020-01-01", who=NODE)


def test_a_requests_fingerprint_is_what_the_sdk_computes(fedpact) -> None:
    key = bytes.fromhex((fedpact.home / "retrieval.key").read_text())
    terms = TermHasher(key).profile(table_profile({"bmi": "kg/m2", "age": ""}, "progression"))
    same = DataRequest(
        "diabetes", "regression", "progression", terms, frozenset({"age", "bmi"}), {"rounds": "6"}
    )
    asked = fedpact.ok("sharing", "request", "r", *ASK, "--max-age", "1d", who=ASKING).one
    assert (asked["id"], asked["outcome"]) == ("GammaMSP/r", "unknown")
    assert asked["fingerprint"] == fingerprint(same)
    assert asked["max_age_ms"] == 86_400_000
    assert "RECORD_EXISTS" in fedpact.refused("sharing", "request", "r", *ASK, who=ASKING)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--category", "c", "--kind", "regression", "--term", "x"], "--target"),
        (["--category", "c", "--kind", "poetry", *WANTED], "regression"),
        (["--kind", "regression", *WANTED], "--category"),
        ([*ASK, "--parameter", "rounds"], "NAME=VALUE"),
        ([*ASK, "--parameter", "a=1", "--parameter", "A=2"], "same name"),
        ([*ASK, "--max-age", "old"], "no duration"),
    ],
)
def test_usage_of_request(fedpact, words: list[str], reason: str) -> None:
    assert reason in fedpact.refused("sharing", "request", "r", *words, who=ASKING, code=2)


class Remember(Message, frozen=True, kw_only=True):
    """What a completed task leaves behind."""

    fingerprint: str
    model: str
    dataset: str


def seeded() -> Contract:
    """A contract that stands in for a completed task: it fills the cache as the tasks contract does."""
    contract = Contract("seed", "a completed task")

    def complete(ctx: Context, message: Remember) -> CachedModel:
        return remember(
            ctx,
            message.fingerprint,
            requester=ctx.caller.mspid,
            category="diabetes",
            task_id="t1",
            model=message.model,
            location=f"store://{message.model}",
            datasets=[message.dataset],
            quality_nano=44 * 10**9,
        )

    # annotations of a function in a function are not resolved by name
    complete.__annotations__ = {"ctx": Context, "message": Remember, "return": CachedModel}
    contract.transaction(complete)
    return contract


@pytest.fixture
def complete(fedpact, tmp_path: Path) -> Callable[[str, str], ModelRef]:
    """Let Alpha's node complete task t1, whose model answers a fingerprint."""

    def run(digest: str, dataset: str) -> ModelRef:
        consortium = Consortium.open(fedpact.home)
        identity = consortium.identity(NODE)
        model = ModelStore(str(tmp_path / "models"), identity).put({"w": np.arange(3.0)})
        chaincode = contracts.chaincode()
        chaincode.contracts["seed"] = seeded()
        with (
            closing(EmbeddedBackend.open(consortium.url, chaincodes={"fedpact": chaincode})) as ledger,
            connect(ledger, identity=identity) as session,
        ):
            message = Remember(fingerprint=digest, model=model.hash, dataset=dataset)
            session.gateway.submit("seed:complete", msgspec.json.encode(message))
        return model

    return run


def test_a_model_is_found_in_the_cache_delivered_and_opened(
    fedpact, dataset: str, complete, tmp_path: Path
) -> None:
    fedpact.set(FEDPACT_MODELS=str(tmp_path / "models"))
    asked = fedpact.ok("sharing", "request", "r", *ASK, who=ASKING).one
    model = complete(str(asked["fingerprint"]), dataset)
    [cached] = fedpact.ok("sharing", "cached", str(asked["fingerprint"]), who=ASKING).lines
    assert (cached["task_id"], cached["model"]) == ("t1", model.hash)
    fedpact.ok("sharing", "grant", dataset, "GammaMSP", "diabetes", "--expires", "+1d", who=NODE)
    hit = fedpact.ok("sharing", "request", "r2", *ASK, who=ASKING).one
    assert (hit["outcome"], hit["model"]) == ("hit", model.hash)
    file, wrong, right = tmp_path / "model.safetensors", tmp_path / "wrong.pem", tmp_path / "right.pem"
    consortium = Consortium.open(fedpact.home)
    wrong.write_bytes(consortium.identity("BetaMSP/node").certificate_pem)
    right.write_bytes(consortium.identity(ASKING).certificate_pem)
    deliver = ["sharing", "deliver", "GammaMSP/r2", "t1", "--note", "the usual place"]
    assert "who asked" in fedpact.refused(*deliver, "--certificate", wrong, who=NODE, code=2)
    assert fedpact.ok(*deliver, "--certificate", right, who=NODE).one["model"] == model.hash
    assert "DELIVERED_ALREADY" in fedpact.refused(*deliver, who=NODE)
    opened = fedpact.ok("sharing", "open", "GammaMSP/r2", file, who=ASKING).one
    assert (opened["model"], opened["size_bytes"]) == (model.hash, model.size_bytes)
    assert decode_tensors(file.read_bytes())["w"].tolist() == [0, 1, 2]
    assert file.stat().st_mode & 0o777 == 0o600
    other = fedpact.refused("sharing", "open", "GammaMSP/r2", tmp_path / "x", who="BetaMSP/node")
    assert "NOT_A_RECIPIENT" in other
    assert not (tmp_path / "x").exists()


def test_what_does_not_answer_is_not_delivered(fedpact, dataset: str, complete, tmp_path: Path) -> None:
    complete("ab" * 32, dataset)
    fedpact.ok("sharing", "request", "r", *ASK, who=ASKING)
    assert "RECORD_NOT_FOUND" in fedpact.refused("sharing", "deliver", "GammaMSP/r", "t1", who=NODE)
    pem = tmp_path / "asking.pem"
    pem.write_bytes(Consortium.open(fedpact.home).identity(ASKING).certificate_pem)
    deliver = ["sharing", "deliver", "GammaMSP/r", "t1", "--certificate", pem]
    assert "--models" in fedpact.refused(*deliver, who=NODE, code=2)
    fedpact.set(FEDPACT_MODELS=str(tmp_path / "models"))
    assert "no model that answers" in fedpact.refused(*deliver, who=NODE, code=2)


def test_opening_needs_a_store_and_a_delivery(fedpact, tmp_path: Path) -> None:
    words = ["sharing", "open", "GammaMSP/r", tmp_path / "x"]
    assert "--models" in fedpact.refused(*words, who=ASKING, code=2)
    assert "RECORD_NOT_FOUND" in fedpact.refused(*words, "--models", tmp_path / "m", who=ASKING)
