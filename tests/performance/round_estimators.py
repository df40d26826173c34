"""Which summary of a build's times is steadiest on a shared machine?

    python tests/performance/round_estimators.py
    python tests/performance/round_estimators.py --burners 2

Six processes that hold the same FAISS scan take turns of some queries in random order, as the
members of a block do. Their true ratio is 1, so the standard deviation of the logarithm of the
ratio of two of them, over pairs and over blocks of some passes, is the error of the summary.
Printed are those of the harness (`typical_difference`), and of summaries of each process alone.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import random
import time
from collections import defaultdict
from contextlib import nullcontext
from multiprocessing.connection import Connection

import numpy as np
from disturbance import disturbed

from harness.measures.speed import query_windows, round_levels, typical_difference

PROCESSES, ROWS, DIMENSION, NQ, CYCLES, K = 6, 4000, 32, 1000, 48, 10
PASSES = (3, 6, 12)


def serve(pipe: Connection) -> None:
    """Time windows of queries until None comes."""
    import faiss

    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((ROWS, DIMENSION)).astype(np.float32)
    queries = rng.standard_normal((NQ, 1, DIMENSION)).astype(np.float32)
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(rows)
    while (window := pipe.recv()) is not None:
        for query in window[:10]:
            index.search(queries[query], K)
        seconds = []
        for query in window:
            began = time.perf_counter()
            index.search(queries[query], K)
            seconds.append(time.perf_counter() - began)
        pipe.send(seconds)


def recorded(windows: list[np.ndarray]) -> np.ndarray:
    """Return `(processes, cycles, nq)` seconds."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for _ in range(PROCESSES):
        ours, theirs = context.Pipe()
        context.Process(target=serve, args=(theirs,), daemon=True).start()
        pipes.append(ours)
    times = np.empty((PROCESSES, CYCLES, NQ))
    for cycle, window in itertools.product(range(CYCLES), windows):
        for process in random.sample(range(PROCESSES), PROCESSES):
            pipes[process].send(window)
            times[process, cycle, window] = pipes[process].recv()
    for pipe in pipes:
        pipe.send(None)
    return times


def errors(times: np.ndarray, windows: list[np.ndarray], passes: int) -> dict[str, float]:
    """Return the standard deviation of the log ratio of two processes for each summary."""
    found = defaultdict(list)
    for start in range(0, CYCLES - passes + 1, passes):
        block = times[:, start : start + passes]
        levels = [round_levels(own, np.arange(passes), windows) for own in block]
        alone = {
            "lower quartile": np.quantile(block, 0.25, axis=1, method="median_unbiased"),
            "median": np.median(block, axis=1),
            "least": block.min(axis=1),
            "mean": block.mean(axis=1),
        }
        for a, b in itertools.combinations(range(PROCESSES), 2):
            found["round by round"].append(typical_difference(levels[a], levels[b]))
            for name, of_queries in alone.items():
                found[name].append(np.log(of_queries[a].mean() / of_queries[b].mean()))
    return {name: float(np.std(values)) for name, values in found.items()}


def main() -> None:
    """Record one session for each window and print the errors."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--burners", type=int, default=0)
    parser.add_argument("--windows", type=int, nargs="+", default=[50, 200])
    options = parser.parse_args()
    for window in options.windows:
        windows = query_windows(NQ, window, 1)
        with disturbed(options.burners) if options.burners else nullcontext():
            times = recorded(windows)
        spread = np.quantile(np.median(times, axis=2), [0.1, 0.5, 0.9]) * 1e6
        told = ", ".join(f"{one:.0f}" for one in spread)
        print(f"windows of {window}; a pass took {told} us a query (10th, 50th, 90th centile)")
        for passes in PASSES:
            cells = [f"{name} {e:.4f}" for name, e in errors(times, windows, passes).items()]
            print(f"  {passes:>2} passes: {'; '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
