"""Exhaustive scan on one thread: queries per second against scann, at equal bits.

    python tests/performance/quantization_search.py [--dataset glove-100] [--M 25 50] [--rounds 7]

One process, the two by turns in every round; ratios are medians over the rounds of ratios within a
round. Single: one query at a time, k=10, --single queries a round. Batch: all queries at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import faiss
import numba
import numpy as np
from quantization_shared import Data, hits, load, parser, scann_searcher

# isort: split
from harness.algorithms.quantization.adapter import AnisotropicPQ

K = 10


def rate(work: Callable[[], object], queries: int) -> float:
    """Return queries per second of one call."""
    start = time.perf_counter()
    work()
    return queries / (time.perf_counter() - start)


def compare(title: str, own: Callable, theirs: Callable, queries: int, rounds: int) -> None:
    """Print rates and their ratio."""
    own(), theirs()
    pairs = [(rate(own, queries), rate(theirs, queries)) for _ in range(rounds)]
    ratio = median(a / b for a, b in pairs)
    rates = [median(pair[side] for pair in pairs) for side in (0, 1)]
    print(f"  {title:8} ours {rates[0]:7.0f} QPS   scann {rates[1]:7.0f} QPS   ratio {ratio:.2f}")


def one_setting(data: Data, M: int, single: int, rounds: int) -> None:
    """Build both, then compare single queries, batches and recall."""
    index = AnisotropicPQ("angular", M=M, nbits=4)
    index.fit(data.base)
    index.set_search(rerank=0)
    searcher = scann_searcher(data.base, M)
    faiss.omp_set_num_threads(1)
    numba.set_num_threads(1)
    index.warm_up(data.queries, K)
    print(f"M={M}, nbits=4, {4 * M} bits, one thread")
    some = data.queries[:single]
    compare(
        "single",
        lambda: [index.query(query, K) for query in some],
        lambda: [searcher.search(query, K) for query in some],
        single,
        rounds,
    )
    compare(
        "batch",
        lambda: index.query_batch(data.queries, K),
        lambda: searcher.search_batched(data.queries, K),
        len(data.queries),
        rounds,
    )
    theirs = np.asarray(searcher.search_batched(data.queries, K)[0]).astype(np.int64)
    for name, ids in (
        ("anisotropic-pq", index.query_batch(data.queries, K)),
        ("scann", theirs),
    ):
        means = {kind: values.mean() for kind, values in hits(ids, data.truth).items()}
        print(f"  {name:15} " + "   ".join(f"{kind} {mean:.3f}" for kind, mean in means.items()))


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--M", type=int, nargs="+", default=[25, 50])
    options.add_argument("--single", type=int, default=200)
    options = options.parse_args()
    data = load(options)
    for M in options.M:
        one_setting(data, M, options.single, options.rounds)


if __name__ == "__main__":
    main()
