"""Kill the runner and the worker at random moments; the final table must be as if undisturbed.

python tests/performance/kills.py --kills 200
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
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import psutil

import harness

SUITE = """\
k: [1, 5]
datasets: small.hdf5
algorithms:
  exact:
  misbehaving: {build: {how: [nothing, query-raise]}, search: {setting: [0, 2]}}
builds: 3
repeats: 2
build_threads: 1
"""
FAULTS = Path(__file__).parents[1] / "faults"


def main() -> None:
    """Run until so many kills have been survived, and compare with an undisturbed run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        problems = survive(Path(name), options.kills, random.Random(options.seed))
    print("identical to the undisturbed run" if not problems else "\n".join(problems))
    sys.exit(bool(problems))


def survive(folder: Path, kills: int, rng: random.Random) -> list[str]:
    """Return what differs after the kills; an empty list is what should come."""
    write_data(folder / "small.hdf5")
    (folder / "mine.yml").write_text(SUITE)
    began = time.monotonic()
    run(folder, "calm").wait()
    calm_seconds = time.monotonic() - began
    expected = facts(folder / "calm")
    done = {"runner": 0, "worker": 0}
    rounds = 0
    problems: list[str] = []
    while sum(done.values()) < kills:
        results = f"stormy-{rounds}"
        rounds += 1
        kill_one_run(folder, results, calm_seconds, rng, done, kills)
        if rng.random() < 0.5:  # go on in the same folder after the kill, once or more
            kill_one_run(folder, results, calm_seconds, rng, done, kills)
        process = run(folder, results, "--retry", "crashed")
        if process.wait() not in (0, 1):
            problems.append(f"{results}: exit status {process.returncode}")
        problems += differences(expected, facts(folder / results), results)
        problems += [f"left running: {pid}" for pid in workers(folder / results)]
    print(f"kills: {done}, in {rounds} runs")
    return problems


def kill_one_run(folder, results, calm_seconds, rng, done, kills) -> None:
    process = run(folder, results)
    time.sleep(rng.uniform(0, calm_seconds))
    victims = children(process.pid) if rng.random() < 0.5 else []
    kind = "worker" if victims else "runner"
    target = rng.choice(victims) if victims else process.pid
    if process.poll() is None and sum(done.values()) < kills:
        try:
            os.kill(target, signal.SIGKILL)
            done[kind] += 1
        except ProcessLookupError:
            pass
    process.wait()


def run(folder: Path, results: str, *more: str) -> subprocess.Popen[bytes]:
    env = {
        **os.environ,
        "ANNHARNESS_DATA": str(folder / "cache"),
        "ANNHARNESS_PLUGINS": str(FAULTS),
    }
    command = [sys.executable, "-m", "harness", "run", "mine.yml", "--results", results, *more]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, env=env, stdout=nowhere, stderr=nowhere)


def children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


def workers(results: Path) -> list[int]:
    """Workers that nobody watches any more, after a moment to notice."""
    time.sleep(0.2)
    found = []
    for process in psutil.process_iter(["cmdline", "ppid"]):
        line = process.info["cmdline"] or []
        if "harness.running.child" in line and process.info["ppid"] == 1:
            found.append(process.pid)
    return found


def facts(results: Path) -> pd.DataFrame:
    """Keys, statuses, builds and recalls of a results folder, and a hash of the ids."""
    frame = harness.load_results(results)
    frame["ids"] = [ids_of(path) for path in frame["path"]]
    recall = frame["recall_curve"].map(lambda c: () if c is None or c is np.nan else tuple(c))
    columns = ["key", "status", "builds", "repeats", "ids"]
    return frame[columns].assign(recall=recall).sort_values("key").reset_index(drop=True)


def ids_of(path: str) -> int:
    if not Path(path).exists():
        return 0
    with h5py.File(path) as file:
        builds = file["annharness/builds"].values()
        return hash(b"".join(build["neighbors"][()].tobytes() for build in builds))


def differences(expected: pd.DataFrame, found: pd.DataFrame, name: str) -> list[str]:
    if expected.equals(found):
        return []
    return [f"{name} differs:\n{expected}\n{found}"]


def write_data(path: Path) -> None:
    rng = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        file["train"] = rng.standard_normal((300, 8)).astype(np.float32)
        file["test"] = rng.standard_normal((20, 8)).astype(np.float32)
        file.attrs["distance"] = "angular"
        file.attrs["point_type"] = "float"


if __name__ == "__main__":
    main()
