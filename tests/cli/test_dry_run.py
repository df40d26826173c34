"""`run --dry-run` and runs without a suite file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import harness
from harness.cli.dry_run import print_dry_run
from harness.registry import load_registry
from harness.registry.suites import read_suite
from harness.running.estimate import Estimate
from harness.running.plan import DatasetFacts


def here(folder):
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("dataset", ["small.hdf5", "glove-100"])
def test_a_dry_run_counts_and_writes_nothing(tmp_path, small_hdf5, command, dataset):
    before = here(tmp_path)
    done = command(
        "run", "-d", dataset, "-a", "exact", "-a", "faiss-ivf", "--builds", 2, "--dry-run"
    )
    assert done.returncode == 0, done.stderr
    assert "in 2 blocks" in done.stdout
    assert (
        "not known for exact, faiss-ivf, no-op, of which nothing is stored; at most" in done.stdout
    )
    assert "not in the cache" in done.stdout
    assert here(tmp_path) == before


@pytest.mark.slow
def test_a_run_without_a_suite_and_what_a_dry_run_says_afterwards(tmp_path, small_hdf5, command):
    run = ("run", "-d", "small.hdf5", "-a", "exact", "--k", 5, "--builds", 1, "--repeats", 1)
    run += ("--least-seconds", 0)
    done = command(*run, "--precision", "off")
    assert done.returncode == 0, done.stderr
    frame = harness.load_results(tmp_path / "results", overhead=True)
    assert set(frame["label"]) == {"exact", "no-op"}
    assert set(frame["k"]) == {5}
    assert set(frame["builds"]) == {1}

    again = command(*run, "--dry-run").stdout
    assert "points: 2, 2 complete in the results folder, 0 unsupported" in again
    assert "builds: none" in again
    forced = command(*run, "--dry-run", "--force").stdout
    assert "builds: 2, of 2 indexes, in 1 block\n" in forced
    assert "time: about " in forced
    assert "memory: about " in forced


@pytest.mark.parametrize("arguments", [[], ["-d", "small.hdf5"], ["-a", "exact"]])
def test_nothing_to_run_says_what_is_needed(command, arguments):
    done = command("run", *arguments)
    assert done.returncode == 2
    assert "a suite, or datasets (-d) and algorithms (-a)" in done.stderr


@pytest.mark.parametrize(("mode", "told"), [({}, True), ({"mode": "load", "rates": [9]}, False)])
def test_under_load_no_blocks_are_added_for_the_precision(mode, told):
    keys = {"k": 10, "datasets": ["small"], "algorithms": ["exact"], "precision": "5%", **mode}
    suite = read_suite(keys, load_registry().algorithms)
    dataset = DatasetFacts("small", "angular", "f" * 64, 300, 8, 20)
    found = Estimate(dataset, 1, 0, {}, 1, 1, (), 1, 1, 5.0, 0.0, 1.0, ())
    console = Console(file=io.StringIO(), width=200)
    print_dry_run(console, [found], suite)
    assert ("may add 50% of the time" in console.file.getvalue()) == told
