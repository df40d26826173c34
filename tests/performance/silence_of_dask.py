"""Processor time of Dask's scheduler and worker, and of the run itself, while queries are timed.

    python tests/performance/silence_of_dask.py

A block of three indexes is measured on `local:1`. From its first turn to its last told one the
processor time of each of these processes is read and printed, as a share of the wall time.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

import psutil

RUN = "run -d glove-50-10k -a exact -a pq --k 10 --builds 1 --precision off --cluster local:1"
PROGRAMS = "harness.running.cluster.programs"


def main() -> None:
    """Run the block and print a line for each process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "harness", *RUN.split(), "--results", folder]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as run:
            assert run.stderr is not None
            readings = [taken(run.pid) for line in run.stderr if "cycle" in line]
    (began, first), (ended, last) = readings[0], readings[-1]
    for name, seconds in first.items():
        used = last.get(name, seconds) - seconds
        print(f"{name:10} {used:.2f} s in {ended - began:.1f} s, {used / (ended - began):.2%}")


def taken(pid: int) -> tuple[float, dict[str, float]]:
    """The time now, and the processor seconds of each process by its name."""
    run = psutil.Process(pid)
    found = {"run": run}
    for child in run.children(recursive=True):
        words = child.cmdline()
        if PROGRAMS in words:
            found[words[words.index(PROGRAMS) + 1]] = child
    return time.monotonic(), {name: sum(one.cpu_times()[:2]) for name, one in found.items()}


if __name__ == "__main__":
    main()
