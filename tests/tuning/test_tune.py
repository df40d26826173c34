"""`harness.tune` from the request to the measured winner; mistakes in the request."""

from __future__ import annotations

import itertools
import json

import pytest
import yaml

import harness
from harness.contracts import UserError
from harness.running.machine.facts import this_machine
from harness.tuning import sampling
from harness.tuning.following import Outputs
from harness.tuning.request import TuneOptions, TuneRequest, seconds_of
from harness.tuning.session import tuned

ADAPTER = '''\
import numpy as np

from harness.contracts import Algorithm


class Part(Algorithm):
    """Exact search of the first rows, some of which are left out."""

    def fit(self, base):
        if self.build["kind"] == "broken":
            raise RuntimeError("as told")
        self.base = base[:: self.build["every"]]

    def set_search(self, rows):
        self.rows = rows

    def query(self, query, k):
        return np.argsort(-(self.base[: self.rows] @ query))[:k] * self.build["every"]

    def index_bytes(self):
        return self.base.nbytes
'''
ENTRY = """\
part:
  adapter: adapter:Part
  about: A test.
  metrics: [angular]
  build: {every: [1], kind: plain}
  search: {rows: [300]}
  tune:
    build: {every: [1, 2], kind: [plain, broken]}
    search: {rows: {int: [10, 300], log: true, monotone: recall}}
"""


@pytest.fixture
def plugins(tmp_path, session_cache, monkeypatch):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    folder = tmp_path / "plugins" / "algorithms" / "part"
    folder.mkdir(parents=True)
    (folder / "config.yml").write_text(ENTRY)
    (folder / "adapter.py").write_text(ADAPTER)
    return tmp_path / "plugins"


def suite(dataset):
    return {
        "k": 5, "datasets": str(dataset), "algorithms": ["part"], "builds": 1, "repeats": 1,
        "least_seconds": 0.05, "precision": "off",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_winner_is_an_ordinary_point_that_says_how_it_was_found(
    plugins, tmp_path, small_hdf5, capsys
):
    path = tmp_path / "small.yml"
    path.write_text(yaml.safe_dump(suite(small_hdf5)))
    more = {"recall": 0.99, "results": tmp_path / "results", "plugins": plugins, "progress": False}
    found = harness.tune(path, budget=60, **more)
    [row] = found.table.to_dict("records")
    assert (row["label"], row["algorithm"], row["status"]) == ("part-tuned", "part", "ok")
    assert row["build"] == {"every": 1, "kind": "plain"}
    assert found.met.all()
    assert "for recall 0.99, 4 trials" in row["tuned"]
    statuses = {tuple(t["build"].values()): t["status"] for t in found.trials.to_dict("records")}
    assert statuses[1, "broken"] == statuses[2, "broken"] == "error"
    assert statuses[2, "plain"] == "missed"
    assert [path.suffix for path in found.figures] == [".png", ".svg"] * 2
    written = yaml.safe_load(found.suite.read_text())
    assert written["tuned"]["trials"] == {"part": 4}
    assert written["algorithms"]["part"][0]["search"] == row["search"]

    again = harness.tune(path, budget="2m", **more)  # nothing is left to try or to measure
    assert again.table.to_dict("records")[0]["sequence"] == row["sequence"]

    with pytest.raises(UserError, match=r"nothing that was tried reaches .* in 3 bytes") as refused:
        harness.tune(path, budget=60, max_bytes=3, **more)
    assert "too large" in refused.value.describe()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_frontier_of_time_and_bytes_is_measured_by_ascending_bytes(plugins, tmp_path, small_hdf5):
    found = harness.tune(
        suite(small_hdf5), recall=0.6, budget=60, minimize=("bytes", "query"),
        results=tmp_path / "results", plugins=plugins, progress=False,
    )  # fmt: skip
    assert found.minimize == ("query", "bytes")
    assert found.table["bytes_per_vector"].is_monotonic_increasing
    assert found.table["label"].str.fullmatch(r"part-tuned-[0-9.]+B").all()
    assert found.table["label"].is_unique
    assert 1 <= len(found.table) <= 5
    assert [path.name for path in found.figures][2:] == ["frontier.png", "frontier.svg"]
    written = yaml.safe_load(found.suite.read_text())
    assert written["tuned"]["minimize"] == ["query", "bytes"]
    assert len(written["algorithms"]["part"]) == len(found.table)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_cluster_finds_the_same_winner(plugins, tmp_path, small_hdf5):
    path = tmp_path / "small.yml"
    path.write_text(yaml.safe_dump(suite(small_hdf5)))
    found = harness.tune(
        path, recall=0.99, budget=60, results=tmp_path / "results", plugins=plugins,
        progress=False, cluster="local:1",
    )  # fmt: skip
    [row] = found.table.to_dict("records")
    assert (row["build"], row["search"]) == ({"every": 1, "kind": "plain"}, {"rows": 300})
    assert found.met.all()
    assert set(found.trials["status"]) == {"error", "missed", "reached"}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("cluster", [None, "local:1"])
def test_builds_of_samples_are_made_by_whatever_measures(
    plugins, tmp_path, small_hdf5, monkeypatch, cluster
):
    monkeypatch.setattr(sampling, "_FEW_BUILDS", 1e9)  # every build is slow
    monkeypatch.setattr(sampling, "_LEAST_ROWS", 10)
    found = harness.tune(
        suite(small_hdf5), recall=0.6, budget=60, results=tmp_path / "results", plugins=plugins,
        progress=False, cluster=cluster,
    )  # fmt: skip
    of_samples = found.trials[found.trials["sample_rows"].notna()]
    assert {"error", "reached"} <= set(of_samples["status"])
    assert (of_samples["sample_rows"] < 100).all()
    [row] = found.table.to_dict("records")
    assert row["status"] == "ok"
    builds = set(zip(of_samples["build"].map(str), of_samples["sample_rows"], strict=True))
    assert f"and {len(builds)} on samples" in row["tuned"]


@pytest.mark.parametrize(
    ("names", "options", "told"),
    [
        (["part"], {"recall": 1.5}, "not a recall"),
        (["part"], {"budget": "soon"}, "not a time"),
        (["part"], {"max_bytes": -1}, "not a size"),
        (["part"], {"minimize": ["cost"]}, "nothing that can be minimized"),
        (["part"], {"minimize": ["query", "build"]}, "query and bytes, for the frontier"),
        (["part"], {"seed": -1}, "not a seed"),
        (["part"], {"dataset": None}, "no dataset to tune on"),
        (["part", "demo"], {}, "what is to be tuned?"),
        (["trap"], {}, "no suite is called 'trap'"),
        (["no-op"], {}, "only no-op is asked for"),
    ],
)
def test_a_mistake_is_named_before_anything_is_opened(plugins, tmp_path, names, options, told):
    given = {"recall": 0.9, "budget": 10, "dataset": "glove-50-10k", **options}
    with pytest.raises(UserError) as refused:
        TuneRequest.of(names, TuneOptions(**given), tmp_path, [plugins])
    assert told in refused.value.describe()


def test_trials_under_other_conditions_are_not_taken_from_the_journal(
    plugins, tmp_path, small_hdf5, monkeypatch
):
    def kept_under(suite, budget="1m"):
        path = tmp_path / "small.yml"
        path.write_text(json.dumps(suite))
        request = TuneRequest.of([str(path)], TuneOptions(0.9, budget), tmp_path, [plugins])
        plan = request.asked.plan(this_machine())
        return request.to_json(plan, request.contenders(plan), this_machine())

    before = {**suite(small_hdf5), "build_threads": 1}
    others = [{"build_threads": 2}, {"memory": "1GiB"}, {"timeout": 9}, {"least_seconds": 0.01}]
    journals = [kept_under({**before, **changed}) for changed in ({}, *others)]
    assert all(one != other for one, other in itertools.combinations(journals, 2))
    assert kept_under(before, "2m") == journals[0]
    monkeypatch.setattr("harness.tuning.request.MARGIN", 5.0)  # of an earlier version
    assert kept_under(before) not in journals


def test_the_same_search_in_another_process_is_refused(plugins, tmp_path, small_hdf5):
    options, results = TuneOptions(0.9, 60), tmp_path / "results"
    request = TuneRequest.of(suite(small_hdf5), options, results, [plugins])
    other = Outputs(search=lambda: tuned(request, Outputs(), [plugins]))
    with pytest.raises(UserError, match="the same search is going on in another process"):
        tuned(request, other, [plugins])


def test_a_suite_may_be_a_mapping_of_its_keys(plugins, tmp_path, small_hdf5):
    options = TuneOptions(0.9, 10, dataset="glove-50-10k")
    request = TuneRequest.of(suite(small_hdf5), options, tmp_path, [plugins])
    assert request.asked.suite.datasets == ("glove-50-10k",)
    assert [variant.label for variant in request.variants] == ["part"]
    with pytest.raises(UserError, match="2 values of k"):
        TuneRequest.of({**suite(small_hdf5), "k": [5, 10]}, options, tmp_path, [plugins])
    with pytest.raises(UserError, match="no algorithm is called 'trap'"):
        TuneRequest.of({**suite(small_hdf5), "algorithms": ["trap"]}, options, tmp_path, [plugins])


@pytest.mark.filterwarnings("default")
def test_a_budget_is_refused_by_what_that_very_build_took(plugins, tmp_path, small_hdf5):
    def required(every):
        variant = {"build": {"every": [every], "kind": ["plain"]}}
        asked = {**suite(small_hdf5), "algorithms": {"part": [variant]}}
        request = TuneRequest.of(asked, TuneOptions(0.9, "0.0000001s"), tmp_path, [plugins])
        plan = request.asked.plan(this_machine())
        request.require_budget(plan, request.contenders(plan), this_machine())

    harness.run(suite(small_hdf5), results=tmp_path, plugins=plugins, progress=False)
    with pytest.raises(UserError, match="the budget is too small for one build of part"):
        required(every=1)
    required(every=2)


def test_a_budget_is_seconds_or_has_a_unit():
    assert [seconds_of(text) for text in (90, "90s", "1.5m", "2h")] == [90, 90, 90, 7200]


def test_a_suite_of_two_datasets_is_refused(plugins, tmp_path):
    path = tmp_path / "two.yml"
    path.write_text(json.dumps({**suite("glove-50-10k"), "datasets": ["glove-50-10k", "glove-50"]}))
    with pytest.raises(UserError, match="2 values of dataset"):
        TuneRequest.of([str(path)], TuneOptions(0.9, 10), tmp_path, [plugins])
