"""What a run stores of what comes back: no names, and nothing that it cannot read again."""

from __future__ import annotations

import platform
from dataclasses import replace

import numpy as np
import pytest

from harness.registry import load_registry
from harness.registry.suites import suite_of
from harness.results.identity import Machine
from harness.results.point import BuildFacts
from harness.results.store import ResultStore
from harness.running.blocks import BlockOutcome, Measured
from harness.running.datasets import open_in
from harness.running.plan import plan_suite
from harness.running.runner import Runner

MACHINE = Machine("cpu", 2, 2**30)
FACTS = BuildFacts(
    build_seconds=1.0, prepare_seconds=0.0, index_bytes=1, measured_index_bytes=1,
    warnings=("see /home/ada/index",),
)  # fmt: skip
TABLES = {"files": {"path": np.array(["/home/ada/index"]), "bytes": np.array([7])}}


class Told:
    """An executor whose workers tell the same of every setting, but for what `odd` changes."""

    machine = MACHINE

    def __init__(self, **odd):
        self.odd = odd

    def run_blocks(self, blocks, follow):
        for spec in filter(None, blocks):
            outcome = BlockOutcome(spec.id, spec.number)
            for member in spec.members:
                for setting in member.settings:
                    odd = self.odd if member.title == "exact" else {}
                    outcome.finished[setting.key] = replace(told(setting.k), **odd)
            yield spec, outcome
            yield spec, None


def told(k):
    return Measured(
        times=np.ones((1, 20)), walls=np.ones(1), cycles=np.zeros(1, dtype=np.int16),
        neighbors=np.tile(np.arange(k), (1, 20, 1)), facts=FACTS, diagnostics=TABLES,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path, small_hdf5, session_cache, monkeypatch):
    """Run `exact` and `no-op` in one block; return what is stored of `exact`, and the summary."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    registry = load_registry()
    dataset = open_in(registry, str(small_hdf5))
    suite = replace(suite_of([str(small_hdf5)], ["exact"], registry.algorithms), builds=1)
    plan = plan_suite(suite, registry, {dataset.name: dataset}, MACHINE)

    def run(executor, *, signed=False):
        store = ResultStore(tmp_path / "results")
        summary = Runner(plan, store, executor, signed=signed).run()
        [exact] = [one.header for one in plan.points if one.header.label == "exact"]
        return store.find(exact), summary

    return run


@pytest.mark.parametrize(("signed", "expected"), [(False, "~/index"), (True, "/home/ada/index")])
def test_warnings_and_diagnostics_name_nobody_unless_signed(run, monkeypatch, signed, expected):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setattr(platform, "node", lambda: "engine-7")
    [build] = run(Told(), signed=signed)[0].point.builds
    assert build.facts.warnings == (f"see {expected}",)
    assert build.diagnostics["files"]["path"].tolist() == [expected]
    assert build.diagnostics["files"]["bytes"].tolist() == [7]


@pytest.mark.parametrize(
    "odd",
    [
        {"facts": replace(FACTS, build_seconds=1e300)},
        {"facts": replace(FACTS, libraries={"versions": 5})},
        {"times": np.full((1, 20), 1e300)},
        {"diagnostics": {"a": {"b": np.ones(1), "c": np.ones(2)}}},
        {"diagnostics": {"a": {"b": np.ones(1, dtype=np.longdouble)}}},
    ],
    ids=["build_seconds", "libraries", "times", "lengths", "longdouble"],
)
def test_what_could_not_be_read_back_is_a_failure_of_its_point(run, odd):
    """It was stored; then the run ended, as its results were gone, and no other was summed up."""
    found, summary = run(Told(**odd))
    assert found.point is None
    assert found.failure.status == "error"
    assert "cannot be stored" in found.failure.reason
    assert (summary.measured, len(summary.failures)) == (2, 1)
