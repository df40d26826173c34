"""Timed passes over adapters of other harnesses, clocked where those harnesses clock them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.foreign import ForeignAlgorithm

TimedQueries = Callable[[Sequence[Any], int], tuple[list[int], list[Any]]]


def timed_foreign_queries(algorithm: ForeignAlgorithm, clients: int) -> TimedQueries:
    """Return the loop that one client runs over its rows.

    Raises
    ------
    TypeError
        If several clients are to ask an adapter that keeps the query it was prepared for.
    """
    if clients > 1 and algorithm.prepares:
        raise TypeError("an adapter with prepare_query serves one client at a time")
    return partial(_timed_queries, algorithm)


def timed_foreign_batch(
    algorithm: ForeignAlgorithm, queries: NDArray[np.float32], k: int
) -> tuple[int, NDArray[np.int64]]:
    """Return the nanoseconds of a batch and its answers."""
    ask = algorithm.asking_batch(queries, k)
    start = perf_counter_ns()
    ask()
    stop = perf_counter_ns()
    return stop - start, algorithm.answered_batch(k)


def _timed_queries(
    algorithm: ForeignAlgorithm, rows: Sequence[Any], k: int
) -> tuple[list[int], list[Any]]:
    clock = perf_counter_ns
    nanoseconds, answers = [], []
    for row in rows:
        ask = algorithm.asking(row, k)
        start = clock()
        result = ask()
        stop = clock()
        nanoseconds.append(stop - start)
        answers.append(algorithm.answered(result, k))
    return nanoseconds, answers
