"""Publishing a table's profile, finding it, and fetching public datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedpact.cli.data import SOURCES
from fedpact.datasets import SOURCES as KNOWN_SOURCES
from fedpact.retrieval import TermHasher, label_histogram, table_profile

NODE = "AlphaMSP/node"
PUBLISH = ["--category", "diabetes", "--target", "progression", "--ignore", "id", "--unit", "bmi=kg/m2"]
COLUMNS = {"age": "", "bmi": "kg/m2", "bp": "", "ward": ""}


def publish(fedpact, file: Path, *options: str, name: str = "patients", who: str = NODE):
    return fedpact.ok("data", "publish", name, file, *PUBLISH, *options, who=who).one


def hashed(fedpact, labels=None) -> dict[str, int]:
    key = bytes.fromhex((fedpact.home / "retrieval.key").read_text())
    return dict(TermHasher(key).profile(table_profile(COLUMNS, "progression", labels=labels)))


def terms(dataset) -> dict[str, int]:
    return {term["hash"]: term["weight"] for term in dataset["terms"]}


def test_a_profile_is_columns_units_ranges_rows_and_hashed_terms(fedpact, patients: Path) -> None:
    dataset = publish(fedpact, patients)
    assert (dataset["id"], dataset["category"], dataset["form"]) == (
        "AlphaMSP/patients",
        "diabetes",
        "tabular",
    )
    assert [size["rows"] for size in dataset["sizes"]] == [4]
    assert dataset["fields"] == [
        {"name": "age", "unit": "", "low_milli": 24_000, "high_milli": 72_000},
        {"name": "bmi", "unit": "kg/m2", "low_milli": 21_600, "high_milli": 32_100},
        {"name": "bp", "unit": "", "low_milli": 87_000, "high_milli": 101_000},
        {"name": "ward", "unit": "", "low_milli": None, "high_milli": None},
    ]
    assert terms(dataset) == hashed(fedpact)
    assert fedpact.ok("data", "show", "AlphaMSP/patients", who="BetaMSP/node").one == dataset


def test_ranges_can_be_agreed_on_or_kept_back(fedpact, patients: Path) -> None:
    agreed = publish(fedpact, patients, "--range", "age=0:120", "--range", "bmi=9.9995:70.07", "--no-ranges")
    ranges = {field["name"]: (field["low_milli"], field["high_milli"]) for field in agreed["fields"]}
    assert ranges == {"age": (0, 120_000), "bmi": (9_999, 70_070), "bp": (None, None), "ward": (None, None)}


def test_the_targets_distribution_is_published_only_if_asked(fedpact, patients: Path) -> None:
    bins = label_histogram([151, 75, 141, 206], edges=[100, 150, 200])
    assert terms(publish(fedpact, patients, "--edges", "100,150,200")) == hashed(fedpact, bins)
    classes = publish(fedpact, patients, "--classes", name="classes")
    assert terms(classes) == hashed(fedpact, {"141": 1, "151": 1, "206": 1, "75": 1})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no column is called 'progression'"),
        ("id,age\n1,2\n", "no column is called 'progression'; there are id, age"),
        ("id,progression\n", "no records"),
        ("id,progression,id\n1,2,3\n", "two columns are called 'id'"),
        ("id,progression\n1,2\n3\n", "line 3 has 1 values for 2 columns"),
        ('id,progression\n1,"2\n', "line 2"),
        ("id,progression\n1,\ud8002\n", "codec"),
    ],
)
def test_a_malformed_table_is_refused_with_its_place(
    fedpact, tmp_path: Path, content: str, reason: str
) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    words = ["data", "publish", "x", file, "--category", "c", "--target", "progression", "--ignore", "id"]
    message = fedpact.refused(*words, who=NODE)
    assert "MALFORMED: bad.csv: " in message
    assert reason in message


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--unit", "bmj=kg"], "no column is called 'bmj'; there are age, bmi"),
        (["--unit", "bmi"], "NAME=VALUE"),
        (["--range", "age=9:1"], "NAME=LOW:HIGH"),
        (["--range", "age=1"], "NAME=LOW:HIGH"),
        (["--range", "age=nan:2"], "NAME=LOW:HIGH"),
        (["--edges", "3,2"], "growing"),
        (["--edges", "x"], "growing"),
        (["--classes", "--edges", "1,2"], "--classes is for a classification"),
    ],
)
def test_usage_of_publish(fedpact, patients: Path, options: list[str], reason: str) -> None:
    assert reason in fedpact.refused("data", "publish", "x", patients, *PUBLISH, *options, who=NODE, code=2)


def test_a_target_of_words_has_no_bins(fedpact, patients: Path) -> None:
    words = ["--category", "c", "--target", "ward", "--edges", "1,2"]
    assert "counted in bins" in fedpact.refused("data", "publish", "x", patients, *words, who=NODE, code=2)


def test_a_number_is_not_a_class(fedpact, tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    file.write_text("a,y\n" + "".join(f"1,{n}\n" for n in range(200)))
    words = ["--category", "c", "--target", "y", "--classes"]
    assert "200 different values" in fedpact.refused("data", "publish", "x", file, *words, who=NODE, code=2)


def test_a_table_with_a_byte_order_mark_and_missing_values_is_read(fedpact, tmp_path: Path) -> None:
    file = tmp_path / "excel.csv"
    file.write_bytes("\ufeffage,y\r\n, a \r\n7,b\r\nNaN,a\r\n".encode())
    dataset = fedpact.ok(
        "data", "publish", "x", file, "--category", "c", "--target", "y", "--classes", who=NODE
    ).one
    assert dataset["fields"] == [{"name": "age", "unit": "", "low_milli": 7_000, "high_milli": 7_000}]


def test_only_a_registered_node_of_the_organisation_publishes(fedpact, patients: Path) -> None:
    words = ["data", "publish", "x", patients, *PUBLISH]
    assert "NODE_NOT_REGISTERED" in fedpact.refused(*words, who="AlphaMSP/admin")
    assert "ROLE_REQUIRED" in fedpact.refused(*words, who="AlphaMSP/manager")


def test_datasets_are_listed_by_category_and_withdrawn_by_their_owner(fedpact, patients: Path) -> None:
    publish(fedpact, patients)
    publish(fedpact, patients, name="archive", who="BetaMSP/node")
    other = ["data", "publish", "hearts", patients, "--category", "heart", "--target", "bp"]
    fedpact.ok(*other, who=NODE)
    listed = fedpact.ok("data", "list", "--category", "diabetes", who="GammaMSP/admin").lines
    assert [dataset["id"] for dataset in listed] == ["AlphaMSP/patients", "BetaMSP/archive"]
    assert len(fedpact.ok("data", "list", who=NODE).lines) == 3
    assert "NOT_THE_OWNER" in fedpact.refused("data", "withdraw", "BetaMSP/archive", who=NODE)
    assert fedpact.ok("data", "withdraw", "AlphaMSP/patients", who=NODE).one["status"] == "withdrawn"
    assert "DATASET_WITHDRAWN" in fedpact.refused("data", "withdraw", "AlphaMSP/patients", who=NODE)


def test_a_search_by_columns_and_target_finds_the_nearest_first(fedpact, patients: Path) -> None:
    publish(fedpact, patients)
    fedpact.ok("data", "publish", "other", patients, "--category", "diabetes", "--target", "bp", who=NODE)
    wanted = ["--column", "age", "--column", "bmi=kg/m2", "--target", "progression"]
    found = fedpact.ok("retrieval", "search", *wanted, who="GammaMSP/admin").lines
    assert [line["dataset_id"] for line in found] == ["AlphaMSP/patients", "AlphaMSP/other"]
    assert 1 > found[0]["similarity"] > found[1]["similarity"] > 0
    assert found[0]["rows"] == 4
    assert len(fedpact.ok("retrieval", "search", *wanted, "--count", "1", who=NODE).lines) == 1
    assert fedpact.ok("retrieval", "search", *wanted, "--category", "heart", who=NODE).out == ""


def test_a_search_by_terms_weighs_them(fedpact, patients: Path) -> None:
    publish(fedpact, patients)
    exact = [f"--term=column:{name}=0.1125" for name in COLUMNS]
    exact += ["--term=unit:bmi=kg/m2=0.1", "--term=target:progression=0.3"]
    [found] = fedpact.ok("retrieval", "search", *exact, who=NODE).lines
    assert found["similarity"] == 1
    # without a weight the "=" belongs to the term itself
    [found] = fedpact.ok("retrieval", "search", "--term", "unit:bmi=kg/m2", who=NODE).lines
    assert 0 < found["similarity"] < 0.2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "give --column and --target, or --term"),
        (["--column", "a", "--term", "b"], "give --column and --target, or --term"),
        (["--column", "a"], "--target"),
        (["--term", "x=0"], "no term has a positive weight"),
        (["--term", "x=inf"], "finite"),
        (["--count", "0", "--term", "x"], "range"),
    ],
)
def test_usage_of_search(fedpact, words: list[str], reason: str) -> None:
    assert reason in fedpact.refused("retrieval", "search", *words, who=NODE, code=2)


def test_what_fetch_offers_is_what_there_is() -> None:
    assert set(SOURCES) == set(KNOWN_SOURCES)


def test_fetch_says_where_to_and_what(bare) -> None:
    assert "FEDPACT_DATA" in bare.refused("data", "fetch", "mnist", code=2)
    assert "nhanes" in bare.refused("data", "fetch", "cifar", "--folder", "x", code=2)


def test_a_publisher_that_cannot_be_reached_exits_with_3_and_leaves_nothing(bare, tmp_path: Path) -> None:
    bare.set(https_proxy="http://127.0.0.1:9", FEDPACT_DATA=str(tmp_path / "data"))
    assert "UNREACHABLE" in bare.refused("data", "fetch", "mnist", code=3)
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []
