"""How much longer does a suite take than an earlier version took, for as many timed queries?

    git worktree add ../before 7b1cf5d
    python tests/performance/cost.py ../before --suite suite.yml --turns 3

Both versions run the same suite in turns, each time into an empty results folder, with the
libraries of this environment. This version is told to measure no longer than the suite says, so
that both time each query `repeats` times. Printed are the seconds of each run, the queries that it
timed, and the ratio of the seconds for a timed query.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py

HERE = Path(__file__).parents[2]
AS_BEFORE = ("--precision", "off", "--least-seconds", "0")


def main() -> None:
    """Run the suite by both versions in turns and print the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("before", type=Path, help="a checkout of the earlier version")
    parser.add_argument("--suite", default="demo", help="a suite file, or a name")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    suite = options.suite
    if Path(suite).is_file():
        suite = str(Path(suite).resolve())
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.turns + 1):  # the first compiles what numba compiles
            cost = {}
            for name, tree in (("before", options.before.resolve()), ("now", HERE)):
                more = AS_BEFORE if name == "now" else ()
                results = Path(folder) / f"{name}-{number}"
                seconds = seconds_of_run(tree, suite, results, Path(folder) / f"{name}-cache", more)
                timed = timed_queries(results)
                cost[name] = seconds / timed
                if number:
                    print(f"{name}: {seconds:.1f} s, {timed:,} timed queries", flush=True)
            if number:
                ratios.append(cost["now"] / cost["before"])
                print(f"now / before, for a timed query: {ratios[-1]:.2f}", flush=True)
    print(f"median of {len(ratios)} turns: {statistics.median(ratios):.2f}")


def seconds_of_run(
    tree: Path, suite: str, results: Path, cache: Path, more: tuple[str, ...]
) -> float:
    """Run a suite by the code of a tree; return the wall time."""
    env = {**os.environ, "PYTHONPATH": str(tree), "ANNHARNESS_DATA": str(cache)}
    command = [sys.executable, "-m", "harness", "run", suite, "--results", str(results), *more]
    began = time.monotonic()
    subprocess.run(command, cwd=results.parent, env=env, check=True, capture_output=True)
    return time.monotonic() - began


def timed_queries(results: Path) -> int:
    """Return how many queries of the suite's algorithms were timed, over all builds and repeats."""
    count = 0
    for path in results.rglob("*.hdf5"):
        if path.parent.name != "no-op":
            with h5py.File(path) as file:
                group = file["annharness"]
                # The version before kept the times of all builds together.
                held = [group] if "times" in group else group["builds"].values()
                count += sum(one["times"].size for one in held)
    return count


if __name__ == "__main__":
    main()
