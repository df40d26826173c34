"""A run of queries with filters: answers, failures, keys and columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import harness
from harness.contracts import UserError
from harness.registry.registry import load_registry
from harness.results.identity import Machine
from harness.running.plan import DatasetFacts, plan_points
from harness.running.suite_run import RunOptions, SuiteRun

PLUGINS = Path(__file__).parent / "plugins_filtered"
SUITE = {
    "k": 10,
    "track": "filtered",
    "datasets": "glove-50-10k",
    "algorithms": {
        "right": None,
        "predicate": None,
        "deaf": None,
        "unable": [{}, {"label": "after", "search": {"post_filter": [1, 1000]}}],
        "no-op": None,
    },
    "builds": 1,
    "repeats": 1,
    "precision": "off",
    "least_seconds": 0,
}
FACTS = DatasetFacts("glove-50-10k", "angular", "ab", 10_000, 50, 1_000)
MACHINE = Machine("here", 2, 1 << 34)


@pytest.fixture(scope="module")
def table(session_cache, tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANNHARNESS_DATA", str(session_cache))
        done = harness.run(SUITE, plugins=[PLUGINS], results=results)
        return done.table.set_index("label", drop=False)


@pytest.mark.slow
def test_exact_searches_find_all_that_match(table):
    for label in ("right", "predicate"):
        row = table.loc[label]
        assert (row["status"], row["recall@10"]) == ("ok", 1.0)
        assert row["dataset"] == "glove-50-10k+filtered"
        assert row["track"] == "filtered"


@pytest.mark.slow
def test_an_answer_that_does_not_match_is_wrong(table):
    row = table.loc["deaf"]
    assert row["status"] == "wrong_answer"
    assert "does not match the filter" in row["reason"]


@pytest.mark.slow
def test_an_adapter_without_the_ability_is_unsupported(table):
    row = table.loc["unable"]
    assert row["status"] == "unsupported"
    assert "post_filter" in row["reason"]


@pytest.mark.slow
def test_post_filtering_finds_what_it_looks_far_enough_for(table):
    near, far = table.loc["after"].sort_values("recall@10").to_dict("records")
    assert (near["search"], far["search"]) == ({"post_filter": 1}, {"post_filter": 1000})
    assert near["recall@10"] < far["recall@10"] == 1.0


@pytest.mark.slow
def test_figures_are_told_by_selectivity_and_correlation(table):
    found = table.loc["right"]["by_filter"]
    assert sum(one["queries"] for one in found.values()) == 1000
    assert found["0.001 none"]["below_k"] == 0
    assert found["0 none"]["below_k"] == found["0 none"]["queries"] > 0
    assert found["0.01 negative"]["recall"] == [1.0, 1.0, 1.0]
    assert table.loc["right"]["filter_seconds"] > 0
    assert np.isnan(table.loc["predicate"]["filter_seconds"])


def test_only_keys_of_filtered_points_hold_the_filters():
    registry = load_registry([PLUGINS])
    plain = SuiteRun.of({**SUITE, "track": "plain"}, RunOptions(), Path("r"), [PLUGINS]).suite
    [point] = _points(plain, registry, FACTS)
    identity = point.header.identity
    assert "track" not in identity.to_json()
    filtered = DatasetFacts("glove-50-10k+filtered", "angular", "cd", 10_000, 50, 1_000)
    other = DatasetFacts("glove-50-10k+filtered", "angular", "ef", 10_000, 50, 1_000)
    points = [*_points(plain, registry, filtered), *_points(plain, registry, other)]
    assert len({identity.key, *(point.header.identity.key for point in points)}) == 3


def _points(suite, registry, facts):
    planned = plan_points(suite, registry, [facts], MACHINE, ["right"])
    return [point for point in planned if point.header.label == "right"]


def test_post_filtering_is_for_queries_with_filters():
    registry = load_registry([PLUGINS])
    plain = SuiteRun.of({**SUITE, "track": "plain"}, RunOptions(), Path("r"), [PLUGINS]).suite
    refusals = {p.refusal for p in plan_points(plain, registry, [FACTS], MACHINE, ["after"])}
    assert "post_filter is for queries with filters" in refusals


def test_queries_with_filters_are_not_asked_in_batches():
    registry = load_registry([PLUGINS])
    batch = SuiteRun.of({**SUITE, "mode": "batch"}, RunOptions(), Path("r"), [PLUGINS]).suite
    filtered = DatasetFacts("glove-50-10k+filtered", "angular", "cd", 10_000, 50, 1_000)
    with pytest.raises(UserError, match="asked one by one"):
        plan_points(batch, registry, [filtered], MACHINE)


def test_a_dataset_without_filters_says_so():
    with pytest.raises(UserError, match="glove-50 has no filtered queries"):
        SuiteRun.of({**SUITE, "datasets": "glove-50"}, RunOptions(), Path("r"), [PLUGINS])
