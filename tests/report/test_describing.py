"""What the registry and the cache at hand say, in the table."""

from __future__ import annotations

from harness.data.loading import open_definition
from harness.registry import load_registry
from harness.report.analysis.describing import with_entries, with_rows


def test_entries_at_hand_are_told_and_unknown_ones_are_left_out(table):
    renamed = table.assign(
        algorithm=table["algorithm"].replace("exact", "gone"),
        dataset=["glove-50-10k", *["lost"] * (len(table) - 1)],
    )
    told = with_entries(renamed, load_registry())
    assert dict(zip(told["algorithm"], told["family"].fillna(""), strict=True)) == {
        "gone": "", "no-op": "", "pq": "quantization", "anisotropic-pq": "quantization",
        "faiss-pq": "quantization",
    }  # fmt: skip
    assert told["family"].dtype == table["family"].dtype
    first, *others = told["dataset_about"]
    assert first["licence"] == "PDDL-1.0"
    assert first["queries"] == "the rest of the rows"
    assert "query_distribution" not in first  # it was not recorded for rarer words
    assert not any(others)
    other = with_entries(table.assign(dataset="coco-t2i-512-angular"), load_registry())
    assert other["dataset_about"].iloc[0]["query_distribution"] == "differs from the base"


def test_filtered_queries_are_told_by_the_entry_of_their_dataset(table):
    told = with_entries(table.assign(dataset="glove-50-10k+filtered"), load_registry())
    about = told["dataset_about"].iloc[0]
    assert about["about"].endswith("rarer words. Each query has a filter.")
    assert about["licence"] == "PDDL-1.0"
    assert "queries" not in about  # some of them, perhaps several times


def test_rows_are_told_of_the_data_that_were_measured_alone(table, session_cache, monkeypatch):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    opened = open_definition(load_registry().dataset("glove-50-10k"))
    opened.truth(10)
    described = with_entries(table, load_registry())
    about = with_rows(described.assign(fingerprint=opened.fingerprint))["dataset_about"].iloc[0]
    assert about["duplicates"] == about["queries_in_base"] == 0
    assert 1 < about["contrast"][0] < about["contrast"][1] < about["contrast"][2]
    assert about["licence"] == "PDDL-1.0"
    assert 0 < about["plane"].share < 1
    other = with_rows(described)["dataset_about"].iloc[0]  # of another fingerprint
    assert other == described["dataset_about"].iloc[0]
