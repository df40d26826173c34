"""The timed passes: nothing stands between two clock reads but the adapter's own call."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter_ns
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Algorithm
from harness.foreign import ForeignAlgorithm
from harness.running.foreign_passes import timed_foreign_batch, timed_foreign_queries
from harness.running.threads import pools_limited

_SECONDS_PER_NS = 1e-9


class Pass(NamedTuple):
    """One pass over all queries.

    `seconds` is `(nq,)` float64, of each query; `wall` the seconds of the whole pass; `answers`
    what the adapter returned, untouched.
    """

    seconds: NDArray[np.float64]
    wall: float
    answers: Any


PassFunction = Callable[[], Pass]
_Serve = Callable[[Sequence[Any], int], tuple[list[int], list[Any]]]


def pass_function(
    algorithm: Algorithm, queries: NDArray[np.float32], k: int, mode: str, threads: int
) -> PassFunction:
    """Return the function that makes one pass in the given mode.

    Parameters
    ----------
    algorithm
        A fitted adapter.
    queries
        `(nq, d)` float32, C-contiguous.
    mode
        `single`: `query` is called for one query at a time, by `threads` clients at once;
        `batch`: `query_batch` is called once.
    """
    if mode == "batch":
        if isinstance(algorithm, ForeignAlgorithm):
            return lambda: _foreign_batch_pass(algorithm, queries, k)
        return lambda: _batch_pass(algorithm.query_batch, queries, k)
    serve: _Serve = partial(_timed_queries, algorithm.query)
    if isinstance(algorithm, ForeignAlgorithm):
        serve = timed_foreign_queries(algorithm, threads)
    rows = list(queries)  # the views are made here, not between two queries
    if threads == 1:
        return lambda: _single_pass(serve, rows, k)
    return lambda: _clients_pass(serve, rows, k, threads)


def keep_out_of_collections() -> None:
    """Let the collections before each pass skip all that exists now: modules and the index."""
    gc.collect()
    gc.freeze()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _single_pass(serve: _Serve, rows: Sequence[Any], k: int) -> Pass:
    with _no_garbage_collection():
        began = perf_counter_ns()
        nanoseconds, answers = serve(rows, k)
        wall = perf_counter_ns() - began
    return Pass(np.array(nanoseconds) * _SECONDS_PER_NS, wall * _SECONDS_PER_NS, answers)


def _timed_queries(
    query: Callable[..., Any], rows: Sequence[Any], k: int
) -> tuple[list[int], list[Any]]:
    clock = perf_counter_ns
    nanoseconds = [0] * len(rows)
    answers: list[Any] = [None] * len(rows)
    i = 0
    for row in rows:
        start = clock()
        answer = query(row, k)
        stop = clock()
        nanoseconds[i] = stop - start
        answers[i] = answer
        i += 1  # noqa: SIM113 - enumerate would make a tuple between two queries
    return nanoseconds, answers


def _batch_pass(query_batch: Callable[..., Any], queries: NDArray[np.float32], k: int) -> Pass:
    with _no_garbage_collection():
        began = perf_counter_ns()
        answers = query_batch(queries, k)
        wall = (perf_counter_ns() - began) * _SECONDS_PER_NS
    return Pass(np.full(len(queries), wall / len(queries)), wall, answers)


def _foreign_batch_pass(algorithm: ForeignAlgorithm, queries: NDArray[np.float32], k: int) -> Pass:
    with _no_garbage_collection():
        nanoseconds, answers = timed_foreign_batch(algorithm, queries, k)
    wall = nanoseconds * _SECONDS_PER_NS
    return Pass(np.full(len(queries), wall / len(queries)), wall, answers)


class _Served(NamedTuple):
    """What one client saw: nanoseconds and answers of its queries, and when it began and ended."""

    nanoseconds: list[int]
    answers: list[Any]
    began: int
    ended: int


def _clients_pass(serve: _Serve, rows: Sequence[Any], k: int, clients: int) -> Pass:
    """Clients take every clients-th query; the wall time runs from the first start to the last end.

    The clients read the clock themselves: the thread that starts them may get its turn late.
    """
    parts: dict[int, _Served | BaseException] = {}
    barrier = threading.Barrier(clients)

    def be_client(client: int) -> None:
        try:
            # A pool's size belongs to the thread that calls: limit it in each client.
            with pools_limited(1):
                barrier.wait()
                began = perf_counter_ns()
                nanoseconds, answers = serve(rows[client::clients], k)
                parts[client] = _Served(nanoseconds, answers, began, perf_counter_ns())
        except BaseException as error:
            barrier.abort()
            parts[client] = error

    threads = [threading.Thread(target=be_client, args=(c,), daemon=True) for c in range(clients)]
    with _no_garbage_collection():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return _joined([parts[client] for client in range(clients)], len(rows))


def _joined(parts: Sequence[_Served | BaseException], nq: int) -> Pass:
    errors = [part for part in parts if isinstance(part, BaseException)]
    if errors:  # the others only broke off because of the guilty one
        raise min(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError))
    served = [part for part in parts if isinstance(part, _Served)]
    seconds = np.empty(nq)
    answers: list[Any] = [None] * nq
    for client, part in enumerate(served):
        seconds[client :: len(served)] = np.array(part.nanoseconds) * _SECONDS_PER_NS
        answers[client :: len(served)] = part.answers
    wall = max(part.ended for part in served) - min(part.began for part in served)
    return Pass(seconds, wall * _SECONDS_PER_NS, answers)
