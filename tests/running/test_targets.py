"""Blocks with a target: which settings of a built index take turns, and which leave the race."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from harness.measures.choosing import split_queries
from harness.running.blocks import AdapterSpec, BlockSpec, MemberSpec, SettingSpec, Target
from harness.running.cluster.outcomes import decoded, encoded
from harness.running.datasets import open_named
from harness.running.executors.local import LocalExecutor

ADAPTER = '''\
import os, time

import numpy as np

from harness.contracts import Algorithm


class Part(Algorithm):
    """Exact search of the first rows; each needs a byte, and the index some more."""

    def __init__(self, metric, sleep=0.0, crash=False, bytes=0):
        super().__init__(metric)
        self.sleep, self.crash, self.bytes = sleep, crash, bytes

    def fit(self, base):
        self.base = base

    def set_search(self, rows, pause=0.0):
        if self.crash and rows < 200:
            os._exit(3)
        self.rows, self.pause = rows, pause

    def query(self, query, k):
        time.sleep(self.sleep + self.pause)
        return np.argsort(-(self.base[: self.rows] @ query))[:k]

    def index_bytes(self):
        return self.rows + self.bytes
'''
ROWS = range(10, 310, 10)
NUMBERS = itertools.count()


def _pauses(rung, pauses):
    """The mark, parameters and rung of a setting under each of several pauses, or without any."""
    if not pauses:
        return [("", {}, (rung,))]
    return [(f"-{pause}", {"pause": pause}, (rung, i)) for i, pause in enumerate(pauses)]


@pytest.fixture
def tuned(tmp_path, small_hdf5, monkeypatch, session_cache):
    """Measure a block with a target, of members given as title to build parameters."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    root = tmp_path / "algorithms" / "part"
    root.mkdir(parents=True)
    (root / "adapter.py").write_text(ADAPTER)
    dataset = open_named(str(small_hdf5), None)

    def run(members, target, settings=ROWS, pauses=(), **more):
        specs = tuple(
            MemberSpec(
                title,
                AdapterSpec("harness.algorithms.part.adapter", "Part", (str(tmp_path),)),
                build,
                tuple(
                    SettingSpec(f"{title}-{rows}{mark}", {"rows": rows, **slow}, 5, 1, 0, rung)
                    for i, rows in enumerate(settings)
                    for mark, slow, rung in _pauses(i, pauses)
                ),
            )
            for title, build in members.items()
        )
        facts = {
            "id": f"{next(NUMBERS):x}", "number": 0, "dataset": str(dataset.path),
            "fingerprint": dataset.fingerprint, "metric": "angular", "mode": "single",
            "threads": 1, "build_threads": 1, "search_seconds": 60.0, "least_seconds": 0.1,
            "timeout": 60.0, "memory_bytes": None, "members": specs, "target": target,
        }  # fmt: skip
        block = BlockSpec(**{**facts, **more})
        block = BlockSpec.from_json(block.to_json())
        return list(LocalExecutor(session_cache).run_block(block, lambda *told: None))

    return run


def test_the_lowest_setting_that_reaches_the_target_takes_the_turns(tuned):
    [outcome] = tuned({"one": {}}, Target(0.99))
    [(key, measured)] = outcome.finished.items()
    probes = outcome.probes
    assert probes[key].recall == 1.0
    assert 2 < len(probes) < 10  # bisected
    for other, probe in probes.items():
        if int(other.removeprefix("one-")) < int(key.removeprefix("one-")):
            assert probe.recall < 1.0
    asked = np.isfinite(measured.times).all(axis=0)
    assert np.flatnonzero(asked).tolist() == split_queries(20).tuning.tolist()
    assert (measured.neighbors[0][~asked] == -1).all()
    assert probes[key].index_bytes == measured.facts.index_bytes == int(key.removeprefix("one-"))
    assert decoded(encoded(outcome)).probes == probes


def test_a_setting_whose_index_is_too_large_hides_no_smaller_one(tuned):
    [outcome] = tuned({"one": {}}, Target(0.1, most_index_bytes=295))
    [key] = outcome.finished
    assert outcome.probes[key].index_bytes <= 290
    assert np.isnan(outcome.probes["one-300"].recall)
    [outcome] = tuned({"one": {}}, Target(0.1, most_index_bytes=5))
    assert outcome.finished == {}
    assert all(np.isnan(probe.recall) for probe in outcome.probes.values())


def test_an_index_of_unknown_size_meets_no_limit(tuned):
    [outcome] = tuned({"one": {"bytes": -300}}, Target(0.1, most_index_bytes=295), settings=[300])
    assert outcome.finished == {}
    assert np.isnan(outcome.probes["one-300"].recall)


def test_a_target_that_nothing_reaches_leaves_the_nearest_miss(tuned):
    [outcome] = tuned({"one": {}}, Target(0.99), settings=range(10, 110, 10))
    assert outcome.finished == {}
    assert all(probe.recall < 0.99 for probe in outcome.probes.values())
    assert 0 < outcome.probes["one-100"].recall < 0.99


@pytest.mark.parametrize(
    ("race", "mode", "kept"),
    [("time", "single", "0.001"), ("time", "batch", "0.02"), (None, "single", "0.02")],
)
def test_one_far_slower_than_one_that_reaches_takes_no_turn(tuned, race, mode, kept):
    """But in batches, of which a pause holds up all queries, it does."""
    settings = {"settings": (200, 250, 300), "pauses": (0.02, 0.001)}
    target = Target(0.5, race=race)  # the lower rung of the pauses is the slow one
    [outcome] = tuned({"one": {}}, target, mode=mode, **settings)
    assert [key.rpartition("-")[2] for key in outcome.finished] == [kept]


@pytest.mark.parametrize("race", ["time", None])
def test_a_build_far_slower_than_one_of_an_earlier_block_is_not_searched_through(tuned, race):
    """Its settings would take many thousand times as long as the best that is known."""
    target = Target(0.5, race=race, begun=((300.0, 1e-3),))
    [outcome] = tuned({"slow": {"sleep": 0.01}}, target, settings=range(200, 310, 10))
    assert (len(outcome.probes) == 1) == (race is not None)
    assert (len(outcome.finished) == 0) == (race is not None)
    assert all(probe.too_slow == (race is not None) for probe in outcome.probes.values())
    assert decoded(encoded(outcome)).probes == outcome.probes


def test_a_build_far_slower_than_another_of_its_block_takes_no_turn(tuned):
    """If it comes first, both do."""
    members = {"fast": {}, "slow": {"sleep": 0.02}, "slower": {"sleep": 0.1}}
    [outcome] = tuned(members, Target(0.5), settings=range(200, 310, 10))
    kept = {key.partition("-")[0] for key in outcome.finished}
    dropped = {key.partition("-")[0] for key, probe in outcome.probes.items() if probe.too_slow}
    assert "fast" in kept
    assert kept | dropped == set(members)
    assert not kept & dropped


def test_a_build_far_slower_than_a_larger_one_stays_in_a_race_for_time_and_bytes(tuned):
    target = Target(0.5, race="time and bytes", begun=((400.0, 1e-3),))
    [outcome] = tuned({"slow": {"sleep": 0.01}}, target, settings=range(200, 310, 10))
    assert len(outcome.finished) == 1


@pytest.mark.slow
def test_one_that_is_clearly_slower_leaves_the_race(tuned):
    members = {"fast": {"sleep": 0.004}, "slow": {"sleep": 0.006}}
    [outcome] = tuned(members, Target(0.99), least_seconds=2.0)
    passes = {key.partition("-")[0]: len(one.times) for key, one in outcome.finished.items()}
    assert passes["slow"] < passes["fast"]
    [outcome] = tuned(members, Target(0.99, race=None))
    assert all(np.isfinite(one.times).any() for one in outcome.finished.values())
    assert len(outcome.finished) == 2


@pytest.mark.slow
def test_a_slow_one_that_is_smaller_stays_in_a_race_for_time_and_bytes(tuned):
    target = Target(0.99, race="time and bytes")
    members = {
        "large": {"sleep": 0.004, "bytes": 5000},
        "slow": {"sleep": 0.006},
        "worse": {"sleep": 0.006, "bytes": 9000},
    }
    [outcome] = tuned(members, target, least_seconds=2.0)
    passes = {key.partition("-")[0]: len(one.times) for key, one in outcome.finished.items()}
    assert passes["worse"] < passes["slow"]
    whole = {
        key.partition("-")[0]: bool(np.isfinite(one.times[-1]).sum() > 0)
        for key, one in outcome.finished.items()
    }
    assert whole["slow"]
    assert whole["large"]


def test_a_crash_while_searching_costs_that_member_alone(tuned):
    parts = tuned({"well": {}, "bad": {"crash": True}}, Target(0.99))
    failed = {key for part in parts for key in part.failed}
    assert {key.partition("-")[0] for key in failed} == {"bad"}
    assert {s.status for part in parts for s in part.failed.values()} == {"crashed"}
    assert [key.partition("-")[0] for part in parts for key in part.finished] == ["well"]
