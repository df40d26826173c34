"""Runs on a real scheduler and real workers of Dask, all on this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

import harness
from harness.data.filtered import open_filtered
from harness.data.loading import open_file
from harness.data.truth.store import stored_truth, truth_of
from harness.registry.registry import load_registry
from harness.running.cluster.settings import read_cluster
from harness.running.cluster.starting import connected
from harness.running.processes.descendants import is_alive

pytestmark = pytest.mark.cluster

SUITE = """\
k: 5
datasets: small.hdf5
algorithms:
  exact:
  misbehaving: {build: {how: [nothing, fit-raise]}}
builds: 2
repeats: 2
least_seconds: 0
build_threads: 1
precision: off
"""
SLOW_ADAPTER = '''\
import time

import numpy as np

from harness.contracts import Algorithm


class Slow(Algorithm):
    """Takes its time, and says when it begins."""

    def __init__(self, metric, seconds):
        super().__init__(metric, seconds=seconds)

    def fit(self, base):
        self.base = base
        time.sleep(self.build["seconds"])

    def query(self, query, k):
        time.sleep(self.build["seconds"] / 40)
        return np.argsort(-(self.base @ query))[:k]

    def index_bytes(self):
        return self.base.nbytes
'''
SLOW_ENTRY = """\
slow:
  adapter: adapter:Slow
  about: Exact search that takes its time.
  metrics: [angular]
  build: {seconds: 2.0}
"""
SLOW_SUITE = """\
k: 5
datasets: small.hdf5
algorithms: {slow: }
builds: 2
repeats: 1
least_seconds: 0
build_threads: 1
precision: off
"""
FILTERED_SUITE = """\
k: 5
track: filtered
datasets: years
algorithms:
  exact:
  sklearn-ball-tree: {label: after, build: {leaf_size: 40}, search: {post_filter: 100}}
builds: 1
repeats: 1
least_seconds: 0
build_threads: 1
precision: off
"""
PROGRAMS = "harness.running.cluster.programs"
OURS = (PROGRAMS, "harness.running.cluster.node", "harness.running.worker.entry")


@pytest.fixture
def suite(tmp_path, small_hdf5):
    (tmp_path / "mine.yml").write_text(SUITE)
    return tmp_path / "mine.yml"


@pytest.fixture
def slow(tmp_path, small_hdf5):
    """A suite with an algorithm of one's own that is slow enough to be killed."""
    folder = tmp_path / "plugins" / "algorithms" / "slow"
    folder.mkdir(parents=True)
    (folder / "adapter.py").write_text(SLOW_ADAPTER)
    (folder / "config.yml").write_text(SLOW_ENTRY)
    (tmp_path / "slow.yml").write_text(SLOW_SUITE)
    return ("slow.yml", "--plugins", "plugins")


class Cluster:
    """A scheduler and workers, started as a user starts them."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder = folder
        self._env = {**os.environ, "ANNHARNESS_DATA": str(cache), "TMPDIR": str(folder)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        found = folder / "scheduler.json"
        here = ("--host", "127.0.0.1", "--port", "0")
        self._start("scheduler", [PROGRAMS, "scheduler", *here, "--scheduler-file", str(found)])
        wait_until(found.exists)
        wait_until(lambda: bool(found.read_text()))
        self.address = json.loads(found.read_text())["address"]

    def worker(self, name: str, program: str = PROGRAMS, **env: str) -> None:
        """Start a worker; the harness's own program, or Dask's."""
        first = (program, "worker") if program == PROGRAMS else (program, "--no-nanny")
        self._start(name, [*first, self.address, "--host", "127.0.0.1", "--name", name], **env)

    def _start(self, name: str, arguments: list[str], **env: str) -> None:
        log = (self._folder / f"{name}.log").open("wb")
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**self._env, **env},
            cwd=self._folder,
            stdout=log,
            stderr=log,
        )
        log.close()

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path_factory, session_cache):
    made = Cluster(tmp_path_factory.mktemp("cluster"), session_cache)
    yield made
    made.end()


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def table(folder: Path) -> list[tuple[object, ...]]:
    """Keys, statuses, builds and recalls of a results folder."""
    frame = harness.load_results(folder, overhead=True).sort_values("key")
    recall = [tuple(curve) if curve is not None else () for curve in frame["recall_curve"]]
    return list(zip(frame["key"], frame["status"], frame["builds"], recall, strict=True))


def of_this_run(folder: Path) -> list[psutil.Process]:
    """The processes of ours that have something of a folder in their environment."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if set(OURS) & set(process.info["cmdline"] or []):
            with suppress(psutil.Error):
                if str(folder) in " ".join(process.environ().values()):
                    found.append(process)
    return found


def test_a_local_cluster_finds_what_this_machine_finds(suite, tmp_path, command):
    here = command("run", suite, "--results", "here")
    there = command("run", suite, "--results", "there", "--cluster", "local:2")
    assert here.returncode == there.returncode == 1
    assert "measuring on 2 nodes of 1 machine" in there.stderr
    assert "block 1 of 2" in there.stderr
    assert table(tmp_path / "here") == table(tmp_path / "there")
    again = command("run", suite, "--results", "there", "--cluster", "local:1")
    assert "0 builds to run" in again.stderr
    assert of_this_run(tmp_path) == []


def test_a_node_without_the_data_and_the_plug_in_gets_both(
    slow, tmp_path, command, cluster, tmp_path_factory
):
    cache = tmp_path_factory.mktemp("node-cache")
    cluster.worker("far", ANNHARNESS_DATA=str(cache))
    shared = tmp_path / "shared"
    (tmp_path / "c.yml").write_text(f"scheduler: {cluster.address}\nshared: {shared}\n")
    done = command("run", *slow, "--cluster", "c.yml")
    assert done.returncode == 0, done.stderr
    assert list((cache / "staged").glob("*.hdf5"))
    (copy,) = (shared / "datasets").rglob("*.hdf5")
    copy.write_bytes(copy.read_bytes()[:-200] + b"\0" * 200)
    shutil.rmtree(cache)
    broken = command("run", *slow, "--cluster", "c.yml", "--results", "other")
    assert broken.returncode == 2
    assert "in the shared folder is damaged" in broken.stderr
    assert not list((tmp_path / "other").rglob("*.hdf5"))


@pytest.fixture
def filtered(tmp_path, write_filtered_entry):
    """A suite of queries with filters, on a dataset of one's own."""
    (tmp_path / "filtered.yml").write_text(FILTERED_SUITE)
    return ("filtered.yml", "--plugins", write_filtered_entry())


def test_queries_with_filters_are_answered_as_on_this_machine(filtered, tmp_path, command):
    here = command("run", *filtered, "--results", "here")
    there = command("run", *filtered, "--results", "there", "--cluster", "local:1")
    assert here.returncode == there.returncode == 0, here.stderr + there.stderr
    assert table(tmp_path / "here") == table(tmp_path / "there")
    found = harness.load_results(tmp_path / "there").set_index("label")
    assert set(found["dataset"]) == {"years+filtered"}
    assert found["status"].to_dict() == {"exact": "ok", "after": "ok"}
    assert found["recall@5"].to_dict() == {"exact": 1.0, "after": 1.0}
    for classes in found["by_filter"]:
        assert sum(one["queries"] for one in classes.values()) == 12


def test_a_node_without_the_filters_gets_them_with_their_rows(
    filtered, tmp_path, command, cluster, tmp_path_factory
):
    cache = tmp_path_factory.mktemp("node-cache")
    cluster.worker("far", ANNHARNESS_DATA=str(cache))
    shared = tmp_path / "shared"
    (tmp_path / "c.yml").write_text(f"scheduler: {cluster.address}\nshared: {shared}\n")
    done = command("run", *filtered, "--cluster", "c.yml")
    assert done.returncode == 0, done.stderr
    assert len(list((cache / "staged").glob("*.hdf5"))) == 2
    plugins = f"--plugins {filtered[-1]}"
    own = f"ANNHARNESS_DATA={tmp_path}/own-cache"
    fetch = f"{own} exec {sys.executable} -m harness data fetch years+filtered --k 12 {plugins}"
    done = command.raw(["sh", "-c", f"{fetch} --shards 3 --cluster c.yml"])
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANNHARNESS_DATA", str(tmp_path / "own-cache"))
        dataset = open_filtered(load_registry([filtered[-1]]).datasets["years"])
        found = stored_truth(dataset.fingerprint, 12)
        patch.setenv("ANNHARNESS_DATA", str(tmp_path / "fresh-cache"))
        expected = truth_of(dataset, 12)
    assert found is not None
    assert (found.ids == -1).any()
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_killed_workers_cost_nothing_but_time(slow, tmp_path, command, cluster):
    """One dies while it builds, one while it searches; a third goes on."""
    for name in ("one", "two", "three"):
        cluster.worker(name)
    process = command.start("run", *slow, "--cluster", cluster.address)
    told: list[str] = []

    def read(phase: str) -> None:
        while process.stderr is not None and (line := process.stderr.readline()):
            told.append(line)
            if phase in line:
                return

    read("building slow")
    first = [line.split("on node ")[1].split(",")[0].strip() for line in told if "on node" in line]
    cluster.kill(first[-1])
    read("is gone")
    read("cycle")
    second = [line.split("on node ")[1].split(",")[0].strip() for line in told if "on node" in line]
    if second[-1] != first[-1]:
        cluster.kill(second[-1])
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 0, "".join(told) + rest
    assert [row[1:3] for row in table(tmp_path / "results")] == [("ok", 2)] * 2


def test_an_error_of_the_run_is_not_taken_for_one_of_the_connection(cluster):
    with (
        pytest.raises(BrokenPipeError),
        connected(read_cluster(cluster.address)),
    ):
        raise BrokenPipeError


def test_a_killed_scheduler_ends_the_run_and_the_next_goes_on(slow, tmp_path, command, cluster):
    cluster.worker("one")
    process = command.start("run", *slow, "--cluster", cluster.address)
    wait_until(lambda: bool(list((tmp_path / "results").rglob("*.hdf5"))))
    cluster.kill("scheduler")
    _, told = process.communicate(timeout=90)
    assert process.returncode == 2, told
    assert "the scheduler of the cluster is gone" in told
    assert "Traceback" not in told
    done = command("run", *slow, "--cluster", "local:1")
    assert done.returncode == 0, done.stderr
    assert [row[1:3] for row in table(tmp_path / "results")] == [("ok", 2)] * 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_leaves_no_process_on_a_node(slow, tmp_path, command, cluster, number):
    cluster.worker("one")
    process = command.start("run", *slow, "--cluster", cluster.address)
    worker = psutil.Process(cluster.processes["one"].pid)
    wait_until(lambda: len(worker.children(recursive=True)) > 2)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    wait_until(lambda: not any(is_alive(c.pid) for c in worker.children(recursive=True)))
    done = command("run", *slow, "--cluster", cluster.address)
    assert done.returncode == 0, done.stderr


def test_a_worker_that_dies_takes_its_adapters_with_it(slow, tmp_path, command, cluster):
    cluster.worker("one")
    process = command.start("run", *slow, "--cluster", cluster.address)
    worker = psutil.Process(cluster.processes["one"].pid)
    wait_until(lambda: len(worker.children(recursive=True)) > 2)
    children = worker.children(recursive=True)
    cluster.kill("one")
    try:
        wait_until(lambda: not any(is_alive(child.pid) for child in children))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_nodes_that_would_measure_something_else_are_refused(
    suite, tmp_path, command, cluster, tmp_path_factory
):
    """Another commit of the harness, Dask as it comes, and a machine that was not asked for."""
    other = tmp_path_factory.mktemp("other-commit")
    root = Path(harness.__file__).parent
    shutil.copytree(root, other / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root.parent / "algorithms", other / "algorithms")
    with (other / "harness" / "text.py").open("a") as file:
        file.write("\nanother_commit = True\n")
    cluster.worker("older", PYTHONPATH=str(other))
    cluster.worker("plain", "distributed.cli.dask_worker")
    head = f"scheduler: {cluster.address}\nwait: 8\n"
    (tmp_path / "c.yml").write_text(head)
    done = command("run", suite, "-a", "exact", "--cluster", "c.yml")
    assert done.returncode == 2, done.stderr
    assert "node older is not used: another annharness" in done.stderr
    assert "node plain is not used: Dask disturbs measurements" in done.stderr
    assert "no node of the cluster can measure" in done.stderr
    assert not (tmp_path / "results").exists()

    cluster.worker("good")
    (tmp_path / "c.yml").write_text(f"{head}machine: {{cores: 4096}}\n")
    done = command("run", suite, "-a", "exact", "--cluster", "c.yml")
    assert done.returncode == 2, done.stderr
    assert "node good is not used: another machine" in done.stderr


def test_a_scheduler_that_is_not_there_is_told(suite, command):
    done = command("run", suite, "--cluster", "tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert "the scheduler does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_ground_truth_is_computed_by_nodes_that_read_their_rows_alone(
    small_hdf5, tmp_path, command, cluster, tmp_path_factory
):
    cluster.worker("far", ANNHARNESS_DATA=str(tmp_path_factory.mktemp("node-cache")))
    cluster.worker("other", ANNHARNESS_DATA=str(tmp_path_factory.mktemp("other-cache")))
    shared = tmp_path / "shared"
    (tmp_path / "c.yml").write_text(f"scheduler: {cluster.address}\nshared: {shared}\n")
    own = f"ANNHARNESS_DATA={tmp_path}/own-cache"
    fetch = f"{own} exec {sys.executable} -m harness data fetch small.hdf5 --k 7"
    done = command.raw(["sh", "-c", f"{fetch} --shards 5 --cluster c.yml"])
    assert done.returncode == 0, done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANNHARNESS_DATA", str(tmp_path / "own-cache"))
        dataset = open_file(small_hdf5)
        found = stored_truth(dataset.fingerprint, 7)
        patch.setenv("ANNHARNESS_DATA", str(tmp_path / "fresh-cache"))
        expected = truth_of(dataset, 7)
    assert found is not None
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.distances, expected.distances)


SBATCH = """\
#!/bin/sh
cp "$1" "$JOBS/job.sh"
setsid sh "$JOBS/job.sh" > "$JOBS/log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """\
#!/bin/sh
echo "$1" >> "$JOBS/cancelled"
kill -- "-$1"
setsid sh -c "sleep 20; kill -9 -- -$1" > /dev/null 2>&1 &  # as Slurm does after its KillWait
"""


def test_a_batch_system_gives_nodes_and_takes_them_back(
    suite, tmp_path, command, monkeypatch, tmp_path_factory
):
    """Stand-ins for Slurm's commands run the job here."""
    jobs = tmp_path_factory.mktemp("jobs")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (jobs / name).write_text(text)
        (jobs / name).chmod(0o755)
    line = f"PATH={jobs}:$PATH JOBS={jobs} exec {sys.executable} -m harness run mine.yml -a exact"
    (tmp_path / "c.yml").write_text(
        "slurm: {nodes: 1, queue: bench, account: us, interface: lo, before: [export MARK=1],"
        " directives: [--constraint=milan]}\n"
        f"walltime: 01:00:00\nscratch: {tmp_path}/scratch\nshared: {tmp_path}/shared\n"
    )
    (tmp_path / "scratch").mkdir()
    done = command.raw(["sh", "-c", f"{line} --cluster c.yml"])
    assert done.returncode == 0, done.stdout + done.stderr + (jobs / "log").read_text()
    script = (jobs / "job.sh").read_text()
    for expected in (
        "#SBATCH -p bench",
        "#SBATCH -A us",
        "#SBATCH -t 01:00:00",
        "#SBATCH --exclusive",
        "#SBATCH --constraint=milan",
        "export MARK=1",
        f"export ANNHARNESS_DATA={tmp_path}/scratch/annharness",
        f"{PROGRAMS} worker tcp://127.0.0.1:",
    ):
        assert expected in script
    assert [row[1:3] for row in table(tmp_path / "results")] == [("ok", 2)] * 2
    assert list((tmp_path / "scratch" / "annharness" / "staged").glob("*.hdf5"))
    wait_until((jobs / "cancelled").exists)
    wait_until(lambda: of_this_run(tmp_path) == [])
