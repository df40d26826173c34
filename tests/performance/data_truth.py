"""Ground truth against FAISS's flat index: the ratio of speeds, paired in one process.

    python tests/performance/data_truth.py [DATASET] [QUERIES] [ROUNDS]

Both compute k=100 for the same queries over the same rows, turn by turn for each block of queries
and in alternating order, so that other load on the machine meets both alike. FAISS searches by such
blocks within one call, too.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import faiss
import numpy as np

from harness.data.loading import open_definition
from harness.data.truth.nearest import Space, nearest_of_block
from harness.data.truth.store import DEFAULT_MEMORY_BYTES, queries_at_once
from harness.registry.registry import load_registry

K = 100


def seconds(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Time one call."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main(name: str = "glove-100", queries: str = "10000", rounds: str = "3") -> None:
    """Print the ratio of every round and the median."""
    dataset = open_definition(load_registry().dataset(name))
    nq = min(int(queries), len(dataset.queries))
    step = queries_at_once(dataset, K, DEFAULT_MEMORY_BYTES)
    rows = np.ascontiguousarray(dataset.search_base)
    index = faiss.IndexFlat(rows.shape[1], *_metric(dataset.metric))
    index.add(rows)

    parts = [slice(start, min(start + step, nq)) for start in range(0, nq, step)]
    ratios = []
    for number in range(int(rounds)):
        start = time.perf_counter()
        space = Space.of(dataset)
        spent = {"ours": time.perf_counter() - start, "flat": 0.0}
        found: dict[str, list[np.ndarray]] = {"ours": [], "flat": []}
        for turn, part in enumerate(parts):
            work = {
                "ours": lambda part=part, space=space: nearest_of_block(space, part, K).ids,
                "flat": lambda part=part: index.search(dataset.search_queries[part], K)[1],
            }
            for who in ("ours", "flat") if (turn + number) % 2 else ("flat", "ours"):
                took, ids = seconds(work[who])
                spent[who] += took
                found[who].append(ids)
        ratios.append(spent["flat"] / spent["ours"])
        mine, theirs = np.concatenate(found["ours"]), np.concatenate(found["flat"])
        sets = np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(mine, theirs, strict=True)])
        print(
            f"{dataset.name}, {nq:,} queries, k={K}: ours {spent['ours']:.2f} s, FAISS flat "
            f"{spent['flat']:.2f} s, speed ratio {ratios[-1]:.3f}; "
            f"equal positions {(mine == theirs).mean():.6f}, equal sets {sets:.7f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.3f}")


def _metric(metric: str) -> tuple[int, ...]:
    return (faiss.METRIC_L2 if metric == "euclidean" else faiss.METRIC_INNER_PRODUCT,)


if __name__ == "__main__":
    main(*sys.argv[1:])
