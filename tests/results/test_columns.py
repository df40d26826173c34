"""Tables have the declared columns, whatever is stored."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

import harness
from harness.report.export.exporting import export
from harness.results.point import Failure
from harness.results.store import ResultStore
from harness.results.table.columns import COLUMNS, columns, completed


def assert_as_declared(table, *, per_query=False):
    declared = columns(per_query=per_query)
    assert list(table) == [column.name for column in declared]
    for column in declared:
        assert table[column.name].dtype == pd.Series([], dtype=column.dtype).dtype, column.name


@pytest.fixture
def full_store(small_store, header, build):
    """Give a store with a finished point, a failed one, `no-op` and one of another k."""
    small_store.write_failure(Failure(header(build={"M": 8}), "crashed", "by a signal"))
    small_store.add_build(replace(header(algorithm="no-op"), in_answers=False), build(0))
    return small_store


@pytest.mark.parametrize("per_query", [False, True])
def test_a_table_of_stored_results_has_the_declared_columns(full_store, per_query):
    for _ in range(2):  # the second time from rows that were kept
        table = harness.load_results(full_store.root, overhead=True, per_query=per_query)
        assert len(table) == 3
        assert_as_declared(table, per_query=per_query)


def test_tables_without_finished_points_have_all_columns(tmp_path, header):
    store = ResultStore(tmp_path / "results")
    store.root.mkdir()
    assert_as_declared(harness.load_results(store.root))
    store.write_failure(Failure(header(), "timeout", "too slow"))
    table = harness.load_results(store.root)
    assert len(table) == 1
    assert_as_declared(table)
    assert table[["qps", "recall@10", "build_seconds"]].isna().all(axis=None)


def test_values_are_of_the_declared_kinds(full_store):
    kinds = {"mapping": dict, "tuple": tuple}
    table = harness.load_results(full_store.root, overhead=True)
    for column in columns():
        if column.kind in kinds:
            assert {type(value) for value in table[column.name]} == {kinds[column.kind]}


def test_exports_have_the_columns_that_are_declared_for_them(full_store, tmp_path):
    table = harness.load_results(full_store.root)
    export(table, tmp_path / "t.csv")
    export(table, tmp_path / "t.json")
    exported = [c for c in COLUMNS if c.export and c.from_k <= 10]
    assert list(pd.read_csv(tmp_path / "t.csv")) == [c.name for c in exported if c.export == "all"]
    assert list(json.loads((tmp_path / "t.json").read_text())[0]) == [c.name for c in exported]


def test_names_are_declared_once_and_meanings_are_sentences():
    names = [column.name for column in COLUMNS]
    assert len(names) == len(set(names))
    assert all(column.meaning.endswith(".") for column in COLUMNS)


def test_a_row_with_an_unknown_column_or_without_a_needed_one_is_refused():
    with pytest.raises(KeyError, match="not declared: qpss"):
        completed({"qpss": 1.0})
    with pytest.raises(KeyError):
        completed({"dataset": "small"})
