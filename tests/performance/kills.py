"""Kill the runner and the worker at random moments; the final table must be as if undisturbed.

    python tests/performance/kills.py --kills 200
    python tests/performance/kills.py --kills 50 --cluster local:2

Each sequence starts a run on an empty folder, kills it again and again at random moments (the
runner, one of the processes of a block, or both at once), gives the command a last time and
compares with an undisturbed run: keys, statuses, ids and recalls, builds. No process and no
half-written file may be left. The answers depend on the seed of each build, so that a build lost or
done twice would show. On a cluster the processes of a run are its scheduler, Dask's workers and
the processes that measure as well.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import psutil

import harness

ADAPTER = '''\
import os

import numpy as np

from harness.contracts import Algorithm


class Sampled(Algorithm):
    """Exact search over a random part of the rows; fails where it is told to."""

    def __init__(self, metric, how, seed=0):
        super().__init__(metric, how=how, seed=seed)

    def fit(self, base):
        order = np.random.default_rng(self.build["seed"]).permutation(len(base))
        self.ids, self.base = order[:100], base
        if self.build["how"] == "crash":
            os.abort()

    def set_search(self, setting=0):
        self.setting = setting

    def query(self, query, k):
        if self.build["how"] == "raise" and self.setting == 1:
            raise RuntimeError("as told")
        return self.ids[np.argsort(-(self.base[self.ids] @ query))[:k]]

    def index_bytes(self):
        return self.ids.nbytes
'''
ENTRY = """\
sampled:
  adapter: adapter:Sampled
  about: Exact search over a random part of the rows.
  metrics: [angular]
  build: {how: [fine, raise, crash], seed: 0}
  search: {setting: [0, 1]}
"""
SUITE = """\
k: [1, 5]
datasets: small.hdf5
algorithms: {sampled: }
builds: 2
repeats: 2
least_seconds: 0
build_threads: 1
precision: off
"""
MOST_RUNS_KILLED_IN_A_ROW = 6
LASTING = "dask-scratch-space"
"""The folder in which Dask keeps its own files, which is no leftover."""
PROGRAMS = (
    "harness.running.worker.entry",
    "harness.running.cluster.programs",
    "harness.running.cluster.node",
)


def main() -> None:
    """Run until so many kills have been survived, and compare with an undisturbed run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cluster", help="measure on a cluster, such as local:2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rng = random.Random(options.seed)
        problems = survive(Path(name), options.kills, rng, options.cluster)
    print("identical to the undisturbed run" if not problems else "\n".join(problems))
    sys.exit(bool(problems))


def survive(folder: Path, kills: int, rng: random.Random, cluster: str | None = None) -> list[str]:
    """Return what differs after the kills; an empty list is what should come."""
    lay_out(folder)
    where = ("--cluster", cluster) if cluster else ()
    calm_seconds = seconds_of_run(folder, "calm")
    expected = facts(folder / "calm")
    if where:
        calm_seconds = seconds_of_run(folder, "calm-there", *where)
        assert expected.equals(facts(folder / "calm-there")), "it differs where nothing was killed"
    done: Counter[str] = Counter()
    problems: list[str] = []
    sequences = 0
    while done.total() < kills:
        results = f"stormy-{sequences}"
        sequences += 1
        for _ in range(rng.randint(1, MOST_RUNS_KILLED_IN_A_ROW)):
            if done.total() < kills:
                kill_one_run(folder, results, calm_seconds, rng, done, where)
        last = run(folder, results, "--retry", "crashed", *where).wait()
        if last not in (0, 1):
            problems.append(f"{results}: exit status {last}")
        problems += differences(expected, facts(folder / results), results)
        problems += leftovers(folder, folder / results)
        print(f"{sum(done.values())} kills: {dict(done)}, {len(problems)} problems", flush=True)
    return problems


def kill_one_run(
    folder: Path,
    results: str,
    calm_seconds: float,
    rng: random.Random,
    done: Counter[str],
    where: tuple[str, ...],
) -> None:
    """Start or go on with a run; kill its workers now and then, and in the end the runner."""
    again = ("--retry", "crashed") if rng.random() < 0.5 else ()
    process = run(folder, results, *again, *where)
    kind = "worker"
    while kind == "worker" and process.poll() is None:
        time.sleep(rng.uniform(0, calm_seconds / 2))
        workers = children(process.pid)
        kind = rng.choice(["runner", "worker", "both"]) if workers else "runner"
        victims = [rng.choice(workers)] if workers and kind != "runner" else []
        victims += [] if kind == "worker" else [process.pid]
        if process.poll() is None:
            for victim in victims:
                kill(victim)
            done[kind] += 1
    process.wait()


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def run(folder: Path, results: str, *more: str) -> subprocess.Popen[bytes]:
    """Start the command on a results folder."""
    env = {
        **os.environ,
        "ANNHARNESS_DATA": str(folder / "cache"),
        "ANNHARNESS_PLUGINS": str(folder / "plugins"),
        "TMPDIR": str(folder / "temporary"),
    }
    command = [sys.executable, "-m", "harness", "run", "mine.yml", "--results", results, *more]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, env=env, stdout=nowhere, stderr=nowhere)


def children(pid: int) -> list[int]:
    """Return the children of the runner, if any are at work: supervisors and workers."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def seconds_of_run(folder: Path, results: str, *more: str) -> float:
    """Run the command to its end; return the seconds that it took."""
    began = time.monotonic()
    run(folder, results, *more).wait()
    return time.monotonic() - began


def leftovers(folder: Path, results: Path) -> list[str]:
    """Processes that nobody watches any more, after a moment to notice, and half-written files."""
    deadline = time.monotonic() + 5
    while (left := workers(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    halves = [path for path in results.rglob("*.part*") if path.is_file()]
    jobs = [path for path in (folder / "temporary").iterdir() if path.name != LASTING]
    return [f"left running: {pid}" for pid in left] + [f"left: {path}" for path in halves + jobs]


def workers(folder: Path) -> list[int]:
    """Return the processes that work for a run below a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if set(PROGRAMS) & set(process.info["cmdline"] or []):
            with suppress(psutil.Error):
                temporary = process.environ().get("TMPDIR", "")
                found += [process.pid] if temporary.startswith(str(folder)) else []
    return found


def facts(results: Path) -> pd.DataFrame:
    """Keys, statuses, builds and recalls of a results folder, and a hash of the ids."""
    frame = harness.load_results(results)
    frame["ids"] = [ids_of(path) for path in frame["path"]]
    recall = frame["recall_curve"].map(lambda c: () if c is None or c is np.nan else tuple(c))
    columns = ["key", "status", "builds", "ids"]
    return frame[columns].assign(recall=recall).sort_values("key").reset_index(drop=True)


def ids_of(path: str) -> int:
    """Return a hash of all ids of a result file; 0 where there is none."""
    if not Path(path).exists():
        return 0
    with h5py.File(path) as file:
        builds = file["annharness/builds"].values()
        return hash(b"".join(build["neighbors"][()].tobytes() for build in builds))


def differences(expected: pd.DataFrame, found: pd.DataFrame, name: str) -> list[str]:
    """Return the rows that are not as they should be."""
    if expected.equals(found):
        return []
    return [f"{name} differs:\n{expected}\n{found}"]


def lay_out(folder: Path) -> None:
    """Write the algorithm, its suite and a small dataset."""
    plugin = folder / "plugins" / "algorithms" / "sampled"
    plugin.mkdir(parents=True)
    (plugin / "adapter.py").write_text(ADAPTER)
    (plugin / "config.yml").write_text(ENTRY)
    (folder / "mine.yml").write_text(SUITE)
    (folder / "temporary").mkdir()
    rng = np.random.default_rng(3)
    with h5py.File(folder / "small.hdf5", "w") as file:
        file["train"] = rng.standard_normal((300, 8)).astype(np.float32)
        file["test"] = rng.standard_normal((20, 8)).astype(np.float32)
        file.attrs["distance"] = "angular"
        file.attrs["point_type"] = "float"


if __name__ == "__main__":
    main()
