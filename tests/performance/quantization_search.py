"""Exhaustive scan on one thread: queries per second against scann, at equal bits.

    python tests/performance/quantization_search.py [--dataset glove-100] [--M 25 50] [--rounds 7]

One process, the two by turns in every round; ratios are medians over the rounds of ratios within a
round. Single: one query at a time, --single of them in each of many short rounds. Batch: all
queries at once.
Rates are medians by the processor time of the process, which on an idle machine is the wall time,
and the best of all rounds by wall time, which comes nearest to an idle machine on a busy one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from quantization_shared import Data, hits, load, parser, scann_searcher

# isort: split
import faiss
import numba
from harness.algorithms.quantization.adapter import AnisotropicPQ


def rates(work: Callable[[], object], queries: int) -> np.ndarray:
    """Return queries per second of one call, by wall and by processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    spent = [time.perf_counter() - wall, time.process_time() - processor]
    return queries / np.array(spent)


def compare(title: str, own: Callable, theirs: Callable, queries: int, rounds: int) -> None:
    """Print rates and their ratios."""
    own(), theirs()
    turns = np.array([(rates(own, queries), rates(theirs, queries)) for _ in range(rounds)])
    middle, best = np.median(turns[:, :, 1], axis=0), turns[:, :, 0].max(axis=0)
    ratio = np.median(turns[:, 0, 1] / turns[:, 1, 1])
    for name, (ours, scann), share in (
        ("processor, median", middle, ratio),
        ("wall, best", best, best[0] / best[1]),
    ):
        print(f"  {title:8}{name:19}ours {ours:5.0f} QPS, scann {scann:5.0f} QPS, {share:.2f} x")


def one_setting(data: Data, M: int, options: argparse.Namespace) -> None:
    """Build both, then compare single queries, batches and recall."""
    single, rounds, k = options.single, options.rounds, options.k
    index = AnisotropicPQ("angular", M=M, nbits=4)
    index.fit(data.base)
    index.set_search(rerank=0)
    searcher = scann_searcher(data.base, M, k=k)
    faiss.omp_set_num_threads(1)
    numba.set_num_threads(1)
    index.warm_up(data.queries, k)
    print(f"M={M}, nbits=4, {4 * M} bits, one thread")
    some = data.queries[:single]
    compare(
        "single",
        lambda: [index.query(query, k) for query in some],
        lambda: [searcher.search(query, k) for query in some],
        single,
        8 * rounds,  # short rounds: some of them find the machine idle
    )
    compare(
        "batch",
        lambda: index.query_batch(data.queries, k),
        lambda: searcher.search_batched(data.queries, k),
        len(data.queries),
        rounds,
    )
    theirs = np.asarray(searcher.search_batched(data.queries, k)[0]).astype(np.int64)
    for name, ids in (
        ("anisotropic-pq", index.query_batch(data.queries, k)),
        ("scann", theirs),
    ):
        means = {kind: values.mean() for kind, values in hits(ids, data.truth).items()}
        print(f"  {name:15} " + "   ".join(f"{kind} {mean:.3f}" for kind, mean in means.items()))


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--M", type=int, nargs="+", default=[25, 50])
    options.add_argument("--k", type=int, default=10)
    options.add_argument("--single", type=int, default=10)
    options = options.parse_args()
    data = load(options)
    for M in options.M:
        one_setting(data, M, options)


if __name__ == "__main__":
    main()
