"""A cluster of processes of this machine, for tests, and what is measured on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

import harness
from harness.contracts.dataset import Truth
from harness.data.cache.cached import CachedDataset
from harness.data.truth.store import stored_truth, truth_of

SUITE = """\
k: 5
datasets: small.hdf5
algorithms:
  exact:
  misbehaving: {build: {how: fit-raise}}
builds: 2
repeats: 2
least_seconds: 0
build_threads: 1
precision: off
"""
SLOW_ADAPTER = '''\
import time
from pathlib import Path

import numpy as np

from harness.contracts import Algorithm


class Slow(Algorithm):
    """Takes its time, and leaves a file when it begins to build and to search."""

    def __init__(self, metric, seconds):
        super().__init__(metric, seconds=seconds)

    def fit(self, base):
        Path("{here}/building").touch()
        self.base = base
        time.sleep(self.build["seconds"])

    def query(self, query, k):
        Path("{here}/searching").touch()
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
  build: {seconds: 0.5}
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
SHARDED = ("--k", "7", "--shards", "5")
PROGRAMS = "harness.running.cluster.programs"
MEASURING = "harness.running.worker.entry"
OWN_MOUNTS = ("unshare", *(("--map-root-user",) if os.getuid() else ()), "--mount")
OURS = (PROGRAMS, "harness.running.cluster.node", MEASURING)


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

    def worker(
        self,
        name: str,
        program: str = PROGRAMS,
        host: str = "127.0.0.1",
        before: Sequence[str] = (),
        **env: str,
    ) -> None:
        """Start a worker; the harness's own program, or Dask's. `before` is what it is run by."""
        first = (program, "worker") if program == PROGRAMS else (program, "--no-nanny")
        here = ("--host", host, "--name", name)
        self._start(name, [*first, self.address, *here], before, **env)

    def wait_for(self, name: str) -> None:
        """Wait until the scheduler knows a worker."""
        wait_until(lambda: "Registered to" in (self._folder / f"{name}.log").read_text())

    def _start(
        self, name: str, arguments: Sequence[str], before: Sequence[str] = (), **env: str
    ) -> None:
        log = (self._folder / f"{name}.log").open("wb")
        self.processes[name] = subprocess.Popen(
            [*before, sys.executable, "-m", *arguments],
            env={**self._env, **env},
            cwd=self._folder,
            stdout=log,
            stderr=log,
        )
        log.close()

    def descendants(self, name: str) -> list[psutil.Process]:
        """The processes that a worker has started, and theirs."""
        return psutil.Process(self.processes[name].pid).children(recursive=True)

    def busy(self) -> list[str]:
        """The workers that measure: processes of adapters run on them."""
        alive = [name for name, process in self.processes.items() if process.poll() is None]
        return [name for name in alive if len(self.descendants(name)) > 2]

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def end(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


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


def require_right_truth(
    opened: Callable[[], CachedDataset], k: int, cache: Path, fresh: Path
) -> Truth:
    """Return the truth that a cache holds, which is what this process finds in a fresh one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANNHARNESS_DATA", str(cache))
        dataset = opened()
        found = stored_truth(dataset.fingerprint, k)
        patch.setenv("ANNHARNESS_DATA", str(fresh))
        expected = truth_of(dataset, k)
    assert found is not None
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.distances, expected.distances)
    return found
