"""What the harness itself costs per query, with the `no-op` adapter, paired with another loop.

The other loop does what ann-benchmarks' runner does around each query: it reads `time.time()`
before and after, and between two timed queries turns the answer into a list of (id, distance)
pairs, the distances computed one by one. Both run in turn over the same queries in one process.

    python tests/performance/overhead.py
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from harness.measures.distances import distances_and_scales
from harness.registry import load_registry
from harness.running.worker.answers import checked_ids
from harness.running.worker.timing import turn_function

QUERIES, DIMENSION, ROWS, ROUNDS = 10_000, 100, 20_000, 5


def main() -> None:
    """Print medians in microseconds per query, and the ratios of the pairs."""
    load_registry()
    from harness.algorithms.no_op.adapter import NoOp  # found by the registry

    rng = np.random.default_rng(0)
    base = unit(rng.standard_normal((ROWS, DIMENSION)))
    queries = unit(rng.standard_normal((QUERIES, DIMENSION)))
    for k in (10, 100):
        algorithm = NoOp("angular")
        algorithm.fit(base)
        algorithm.warm_up(queries, k)
        turn = turn_function(algorithm, queries, k, "single", 1)
        one_pass = partial(turn, np.arange(QUERIES), 1e9)
        one_pass()
        rounds = [
            (*ours(one_pass, base, queries, k), *theirs(algorithm, base, queries[:1000], k))
            for _ in range(ROUNDS)
        ]
        report(k, np.array(rounds) * 1e6)


def ours(one_pass, base, queries, k):
    """Seconds per query: timed, and outside the timed region."""
    began = time.perf_counter()
    done = one_pass()
    ids = checked_ids(done.answers, len(queries), k, len(base))
    in_loop = done.wall
    distances_and_scales("angular", base, queries, ids)
    whole = time.perf_counter() - began
    timed = done.seconds.mean()
    return timed, whole / len(queries) - timed, in_loop / len(queries) - timed


def theirs(algorithm, base, queries, k):
    """Seconds per query of a loop that computes distances between two timed queries."""
    seconds = []
    began = time.perf_counter()
    for query in queries:
        start = time.time()
        candidates = algorithm.query(query, k)
        total = time.time() - start
        [(int(i), float(cosine(query, base[i]))) for i in candidates]
        seconds.append(total)
    whole = (time.perf_counter() - began) / len(queries)
    return np.mean(seconds), whole - np.mean(seconds)


def cosine(a, b):
    return 1 - np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def report(k: int, rounds: np.ndarray) -> None:
    names = ("timed", "outside", "of which in the loop", "other loop: timed", "other: outside")
    medians = np.median(rounds, axis=0)
    shown = ", ".join(f"{n} {v:.2f}" for n, v in zip(names, medians, strict=True))
    ratio = np.median(rounds[:, 4] / rounds[:, 1])
    timed = np.median(rounds[:, 3] / rounds[:, 0])
    print(f"k={k}: microseconds per query: {shown}")
    print(
        f"k={k}: other / ours: timed {timed:.2f}, outside {ratio:.1f} (medians of {ROUNDS} pairs)"
    )


if __name__ == "__main__":
    main()
