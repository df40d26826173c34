"""The main job through the command line, as a user gives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import psutil
import pytest

import harness

SUITE = """\
k: [1, 5]
datasets: small.hdf5
algorithms:
  exact:
  misbehaving: {build: {how: [nothing, fit-nothing]}, search: {setting: [0, 2]}}
builds: 1
repeats: 2
least_seconds: 0
build_threads: 1
timeout: 60
precision: off
"""


@pytest.fixture
def suite(tmp_path: Path, small_hdf5: Path) -> Path:
    path = tmp_path / "mine.yml"
    path.write_text(SUITE)
    return path


def files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.hdf5")}


@pytest.mark.slow
def test_run_again_force_export_and_plot(suite, tmp_path, command):
    first = command("run", suite)
    assert first.returncode == 0, first.stderr
    assert "4 builds to run" in first.stderr  # of four indexes; each serves both k
    assert "recall@5" in first.stdout
    assert str(tmp_path / "results") in first.stdout
    before = files(tmp_path / "results")
    assert len(before) == 2 * (1 + 4 + 1)

    again = command("run", suite)
    assert again.returncode == 0
    assert "12 points, 12 measured before, 0 builds to run" in again.stderr
    assert files(tmp_path / "results") == before

    forced = command("run", suite, "--force", "-a", "exact")
    assert forced.returncode == 0
    changed = [path for path, when in files(tmp_path / "results").items() if when != before[path]]
    assert {Path(path).parent.name for path in changed} == {"exact", "no-op"}

    exported = command("export", suite, "-o", "points.csv")
    assert exported.returncode == 0, exported.stderr
    table = pd.read_csv(tmp_path / "points.csv")
    exact = table[table["algorithm"] == "exact"]
    assert (exact[exact["k"] == 5][["recall@1", "recall@5", "recall1@5"]] == 1).all(axis=None)
    assert (exact["status"] == "ok").all()

    fastest = command("recommend", suite, "--recall", "0.9", "-d", "small.hdf5", "-a", "exact")
    assert fastest.returncode == 0, fastest.stderr
    assert "exact, recall 1.000" in fastest.stdout
    limited = command("export", suite, "-o", "few.csv", "--recall", "0.9", "-a", "exact")
    assert limited.returncode == 0, limited.stderr
    assert set(pd.read_csv(tmp_path / "few.csv")["algorithm"]) == {"exact"}

    plotted = command("plot", suite, "--out", "plots")
    assert plotted.returncode == 0, plotted.stderr
    figures = {path.suffix for path in (tmp_path / "plots").iterdir()}
    assert figures == {".png", ".svg"}


@pytest.mark.slow
def test_more_builds_and_repeats_run_only_what_is_missing(suite, tmp_path, command):
    assert command("run", suite, "-a", "exact").returncode == 0
    suite.write_text(SUITE.replace("builds: 1", "builds: 2").replace("repeats: 2", "repeats: 40"))
    more = command("run", suite, "-a", "exact")
    assert "4 builds to run" in more.stderr
    frame = harness.load_results(tmp_path / "results", overhead=True)
    assert set(frame["builds"]) == {2}
    assert (frame["repeats"] >= 40).all()
    assert "0 builds to run" in command("run", suite, "-a", "exact").stderr


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["batch", "clients"])
def test_batches_and_parallel_clients(suite, tmp_path, command, mode):
    more = "mode: batch\n" if mode == "batch" else "threads: 2\n"
    suite.write_text(SUITE + more)
    done = command("run", suite)
    assert done.returncode == 0, done.stdout
    frame = harness.load_results(tmp_path / "results", overhead=True)
    exact = frame[frame["algorithm"] == "exact"]
    assert exact["recall_curve"].map(lambda curve: curve.min() == 1).all()
    assert (exact["qps"] > 0).all()
    assert set(frame.loc[frame["algorithm"] == "no-op", "status"]) == {"ok"}


def test_a_result_file_is_one_that_ann_benchmarks_can_read(suite, tmp_path, command):
    assert command("run", suite, "-a", "misbehaving").returncode == 0
    path = next(p for p in (tmp_path / "results").rglob("*.hdf5") if p.parent.name == "misbehaving")
    assert path.parts[-3:-1] == (path.parts[-3], "misbehaving")
    with h5py.File(path, "r+") as file:  # as ann-benchmarks opens it
        k = int(path.parts[-3])
        assert file["times"].shape == (20,)
        assert file["neighbors"].shape == file["distances"].shape == (20, k)
        assert {"algo", "dataset", "name", "build_time", "best_search_time", "candidates"} <= set(
            file.attrs
        )
        assert file.attrs["best_search_time"] == pytest.approx(np.mean(file["times"]))
        shapes = [own["times"].shape for own in file["annharness/builds"].values()]
        assert [queries for _, queries in shapes] == [20]
        assert min(passes for passes, _ in shapes) >= 2
        file.create_group("metrics")  # ann-benchmarks keeps its own figures there
    assert len(harness.load_results(tmp_path / "results", overhead=True)) == 10


@pytest.mark.parametrize("distance", ["angular", pytest.param("euclidean", marks=pytest.mark.slow)])
def test_a_dataset_by_path_with_either_metric(tmp_path, command, write_small_hdf5, distance):
    write_small_hdf5(tmp_path / "mine.hdf5", distance)
    (tmp_path / "s.yml").write_text(SUITE.replace("small.hdf5", str(tmp_path / "mine.hdf5")))
    done = command("run", "s.yml", "-a", "exact")
    assert done.returncode == 0, done.stderr
    frame = harness.load_results(tmp_path / "results", overhead=True)
    assert frame["dataset"].str.fullmatch(r"mine-[0-9a-f]{8}").all()
    exact = frame[frame["algorithm"] == "exact"]
    assert exact["recall_curve"].map(lambda curve: curve.min() == 1).all()


BAD = {
    "unknown suite": (["run", "dmeo"], "did you mean 'demo'"),
    "unknown algorithm": (["run", "mine.yml", "-a", "pqq"], "has no algorithm 'pqq'"),
    "unknown dataset": (["run", "mine.yml", "-d", "glove-50-10"], "did you mean 'glove-50-10k'"),
    "an empty dataset": (["run", "-d", "", "-a", "exact"], "no dataset is called ''"),
    "an empty dataset for a suite": (["run", "mine.yml", "-d", ""], "no dataset is called ''"),
    "unknown status": (["run", "mine.yml", "--retry", "eror"], "did you mean 'error'"),
    "results is a file": (["run", "mine.yml", "--results", "mine.yml"], "cannot write to"),
    "no results": (["export", "-o", "x.csv", "--results", "nowhere"], "no readable results folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_told_on_one_screen(suite, tmp_path, command, case):
    arguments, message = BAD[case]
    done = command(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 24
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("k: [1, 5]", "k: 301", "k is larger than the base"),
        ("k: [1, 5]", "k: 0", "greater than or equal to 1"),
        ("repeats: 2", "repeats: 0", "greater than or equal to 1"),
        ("exact:", "pq: {build: {M: [0]}}", "M must be a whole number of at least 1 (M=0)"),
        ("builds: 1", "bilds: 1", "did you mean 'builds'"),
        ("small.hdf5", "empty.hdf5", "empty.hdf5"),
        ("small.hdf5", "nan.hdf5", "nan.hdf5"),
        ("small.hdf5", "one-query.hdf5", "quer"),
        ("small.hdf5", "no-test.hdf5", "test"),
        ("small.hdf5", "bits.hdf5", "point_type"),
    ],
)
def test_bad_suites_and_data_exit_2_and_write_nothing(suite, tmp_path, command, old, new, message):
    rows = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    broken = {
        "empty.hdf5": {"train": rows[:0], "test": rows[:5]},
        "nan.hdf5": {"train": np.where(rows > 2, np.nan, rows), "test": rows[:5]},
        "one-query.hdf5": {"train": rows, "test": rows[:1]},
        "no-test.hdf5": {"train": rows},
        "bits.hdf5": {"train": rows, "test": rows[:5]},
    }
    for name, arrays in broken.items():
        with h5py.File(tmp_path / name, "w") as file:
            for key, values in arrays.items():
                file[key] = values
            file.attrs["distance"] = "angular"
            file.attrs["point_type"] = "bit" if name == "bits.hdf5" else "float"
    suite.write_text(SUITE.replace(old, new))
    done = command("run", suite)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_refusal_from_a_registry_grid_is_recorded_and_the_rest_runs(
    suite, tmp_path, command, write_small_hdf5
):
    write_small_hdf5(tmp_path / "small.hdf5", "euclidean")
    suite.write_text(
        "k: 5\ndatasets: small.hdf5\nalgorithms: {exact: , anisotropic-pq: }\nbuilds: 1\n"
        "least_seconds: 0\nprecision: off\n"
    )
    done = command("run", suite)
    assert done.returncode == 0, done.stderr
    assert "unsupported" in done.stdout
    frame = harness.load_results(tmp_path / "results", overhead=True)
    assert set(frame[frame["algorithm"] == "anisotropic-pq"]["status"]) == {"unsupported"}
    assert set(frame[frame["algorithm"] == "exact"]["status"]) == {"ok"}


@pytest.mark.slow
def test_broken_result_files_are_named_and_skipped(suite, tmp_path, command):
    assert command("run", suite, "-a", "exact").returncode == 0
    good, other = sorted(p for p in (tmp_path / "results").rglob("*.hdf5"))[:2]
    other.write_bytes(good.read_bytes()[:900])
    with pytest.warns(UserWarning, match="skipped a broken result"):
        frame = harness.load_results(tmp_path / "results", overhead=True)
    assert len(frame) == 3
    again = command("run", suite, "-a", "exact")
    assert again.returncode == 0, again.stderr
    assert len(harness.load_results(tmp_path / "results", overhead=True)) == 4


LIMITED = [
    sys.executable,
    "-c",
    "import resource, runpy, sys\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
    "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "sys.argv = ['annharness', 'run', 'mine.yml', '-a', 'exact']\n"
    "runpy.run_module('harness', run_name='__main__')",
]


@pytest.mark.faults
def test_a_full_disk_is_no_failure_of_an_algorithm(suite, tmp_path, command):
    """500 repeats of 20 queries are more than the limit that stands for a full disk."""
    suite.write_text(SUITE.replace("repeats: 2", "repeats: 500").replace("k: [1, 5]", "k: 5"))
    done = command.raw(LIMITED)
    assert done.returncode == 1, done.stderr
    assert "the results folder takes no more" in done.stderr
    assert list((tmp_path / "results").rglob("*.failure.json")) == []


@pytest.mark.faults
def test_a_folder_that_fills_up_keeps_what_it_has_and_says_so(suite, tmp_path, command):
    suite.write_text(SUITE.replace("builds: 1", "builds: 60").replace("k: [1, 5]", "k: 5"))
    done = command.raw(LIMITED)
    assert done.returncode == 1, done.stderr
    assert "takes no more" in done.stderr
    assert "it continues from here" in done.stderr
    frame = harness.load_results(tmp_path / "results", overhead=True)
    assert (frame["status"] == "ok").all()
    assert (frame["builds"] >= 1).all()


def wait_for_results(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while len(files(folder)) < count and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended too early"
        time.sleep(0.05)


def none_is_left(pids: list[int]) -> bool:
    """Whether all are gone soon: a child that was only starting notices a little later."""
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_keeps_what_is_done_and_goes_on(suite, tmp_path, command, number):
    suite.write_text(SUITE.replace("builds: 1", "builds: 2"))
    process = command.start("run", "mine.yml")
    wait_for_results(tmp_path / "results", 2, process)
    children = descendants(process.pid)
    process.send_signal(number)
    began = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    if number == signal.SIGINT:
        assert time.monotonic() - began < 2 * (1 + os.getloadavg()[0])
    assert none_is_left(children)
    kept = len(files(tmp_path / "results"))
    assert kept >= 2
    done = command("run", "mine.yml")
    assert done.returncode == 0, done.stderr
    frame = harness.load_results(tmp_path / "results", overhead=True)
    assert len(frame) == 12
    assert set(frame["builds"]) == {2}
    leftovers = [p for p in (tmp_path / "results").rglob("*.part") if p.is_file()]
    assert number == signal.SIGKILL or leftovers == []


def descendants(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


@pytest.mark.slow
def test_two_runs_share_the_work(suite, tmp_path, command):
    suite.write_text(SUITE.replace("builds: 1", "builds: 2"))
    both = [command.start("run", "mine.yml") for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    frame = harness.load_results(tmp_path / "results", overhead=True)
    assert len(frame) == 12
    assert set(frame["builds"]) == {2}
    assert (frame["repeats"] >= 2).all()


def test_provenance_names_the_machine_and_nobody(suite, tmp_path, command):
    import getpass
    import socket

    assert command("run", suite, "-a", "exact").returncode == 0
    path = next((tmp_path / "results").rglob("exact/*.hdf5"))
    with h5py.File(path) as file:
        text = file["annharness/builds/0/provenance"].asstr()[()]
        header = file["annharness"].attrs["header"]
        facts = json.loads(file["annharness/builds/0"].attrs["facts"])
    provenance = json.loads(text)
    assert provenance["machine"]["cpu"]
    assert provenance["command"][-1] == "exact"
    assert facts["libraries"]["versions"]["numpy"] == np.__version__
    assert f'"{socket.gethostname()}"' not in text + header
    assert f'"{getpass.getuser()}"' not in text + header


@pytest.mark.slow
def test_precision_goes_on_building_until_the_interval_is_narrow(
    suite, tmp_path, command, monkeypatch
):
    suite.write_text(SUITE.replace("k: [1, 5]", "k: 5"))
    done = command("run", suite, "-a", "exact", "--precision", "90%", timeout=400)
    assert done.returncode == 0, done.stderr
    frame = harness.load_results(tmp_path / "results", overhead=True)
    exact = frame[frame["algorithm"] == "exact"]
    half_width = (exact["qps_high"] - exact["qps_low"]) / (2 * exact["qps"])
    assert ((half_width <= 0.9) | (exact["builds"] == 20)).all()

    most = int(exact["builds"].max()) + 1
    monkeypatch.setattr("harness.running.runner.MOST_BUILDS_FOR_PRECISION", most)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANNHARNESS_DATA", command._env["ANNHARNESS_DATA"])
    monkeypatch.setenv("ANNHARNESS_PLUGINS", command._env["ANNHARNESS_PLUGINS"])
    again = harness.run("mine.yml", algorithms="exact", precision="0.1%", progress=False).table
    assert set(again["builds"]) == {most}
    assert set(frame[frame["algorithm"] == "no-op"]["builds"]) == {1}
    assert command("run", suite, "--precision", "wide").returncode == 2


def test_the_doctor_gives_a_grade_with_reasons(command):
    done = command("doctor")
    assert done.returncode in (0, 1)
    assert "grade " in done.stdout
    assert "a fixed kernel" in done.stdout
    assert (done.returncode == 1) == ("grade D" in done.stdout)
