"""What is stored names neither user nor host, unless it is signed."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import pytest

from harness.registry import load_registry
from harness.registry.suites import suite_of
from harness.results.identity import Machine
from harness.results.point import BuildFacts
from harness.results.store import ResultStore
from harness.running.blocks import BlockOutcome, Measured
from harness.running.datasets import open_in
from harness.running.machine.facts import impersonal, impersonal_data, signature
from harness.running.plan import plan_suite
from harness.running.recording import Recorder


@pytest.fixture
def somebody(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setattr(platform, "node", lambda: "engine-7")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ada/data.hdf5", "~/data.hdf5"),
        ("/home/ada", "~"),
        ("/home/adam/data.hdf5", "/home/adam/data.hdf5"),
        ("/scratch/ada/x", "/scratch/USER/x"),
        ("adapter of ada-boost", "adapter of ada-boost"),
        ("on engine-7 and engine-72", "on HOST and engine-72"),
    ],
)
def test_names_are_taken_out_and_nothing_else(somebody, text, expected):
    assert impersonal(text) == expected


def test_all_of_plain_data_is_cleaned(somebody):
    data = {"command": ["run", "/home/ada/s.yml"], "deep": [{"a": ["on engine-7"]}], "n": 1}
    assert impersonal_data(data) == {
        "command": ["run", "~/s.yml"],
        "deep": [{"a": ["on HOST"]}],
        "n": 1,
    }
    assert signature() == {"user": "ada", "host": "engine-7"}


@pytest.mark.parametrize(("signed", "expected"), [(False, "~/index"), (True, "/home/ada/index")])
def test_warnings_and_diagnostics_of_a_build_are_cleaned_too(
    somebody, tmp_path, small_hdf5, session_cache, monkeypatch, signed, expected
):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    registry = load_registry()
    dataset = open_in(registry, str(small_hdf5))
    suite = suite_of([str(small_hdf5)], ["exact"], registry.algorithms)
    plan = plan_suite(suite, registry, {dataset.name: dataset}, Machine("cpu", 2, 2**30))
    point = next(one for one in plan.points if one.header.label == "exact")
    nq, k = len(dataset.queries), point.header.identity.k
    tables = {"files": {"path": np.array(["/home/ada/index"]), "bytes": np.array([7])}}
    measured = Measured(
        times=np.ones((1, nq)), walls=np.ones(1), cycles=np.zeros(1, dtype=np.int16),
        neighbors=np.tile(np.arange(k), (1, nq, 1)),
        facts=BuildFacts(build_seconds=1.0, prepare_seconds=0.0, index_bytes=1,
                         measured_index_bytes=1, warnings=("see /home/ada/index",)),
        diagnostics=tables,
    )  # fmt: skip
    store = ResultStore(tmp_path / "results")
    recorder = Recorder(store, suite, signed=signed)
    recorder.build(BlockOutcome("ab", 0), measured, point, dataset)
    [build] = store.find(point.header).point.builds
    assert build.facts.warnings == (f"see {expected}",)
    assert build.diagnostics["files"]["path"].tolist() == [expected]
    assert build.diagnostics["files"]["bytes"].tolist() == [7]


@pytest.mark.slow
def test_a_traceback_of_a_failure_and_the_command_name_nobody(
    tmp_path, small_hdf5, command, monkeypatch
):
    """The failing adapter lies below a home folder; its traceback shows the path."""
    home = Path(__file__).parents[1]
    monkeypatch.setitem(command._env, "HOME", str(home))
    monkeypatch.setitem(command._env, "XDG_CONFIG_HOME", str(tmp_path))
    suite = tmp_path / "s.yml"
    suite.write_text(
        "k: 5\ndatasets: small.hdf5\nbuilds: 1\nrepeats: 1\nleast_seconds: 0\nbuild_threads: 1\n"
        "precision: off\n"
        "algorithms: {misbehaving: {build: {how: [query-raise]}}}\n"
    )
    for more, named in (((), False), (("--signed", "--force"), True)):
        done = command("run", suite, "--plugins", home / "faults", *more)
        assert done.returncode == 1, done.stderr
        [path] = (tmp_path / "results").rglob("*.failure.json")
        failure = json.loads(path.read_text())
        assert "Traceback" in failure["log_tail"]
        assert (str(home) in path.read_text()) == named
        assert ("signature" in failure["provenance"]) == named
