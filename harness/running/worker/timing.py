"""The timed loops: between two clock reads there is only what makes an answer.

That is the adapter's own call, the conversion of a list to an array, and the filtering of answers
where the harness filters for an adapter that cannot.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter_ns
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Algorithm, Rows
from harness.contracts.definitions import Mode
from harness.running.messages import UNLIMITED_SECONDS
from harness.running.worker.filtered_search import Ask, FilteredQuery
from harness.running.worker.libraries import pools_limited

_SECONDS_PER_NS = 1e-9


class Timed(NamedTuple):
    """A timed turn: n queries, fewer than asked for if the time limit was reached.

    `seconds` is `(n,)` float64, one per query; `wall` the seconds of all of them; `answers` what
    the adapter returned, unchanged, or converted to arrays if it returns lists.
    """

    seconds: NDArray[np.float64]
    wall: float
    answers: object


TurnFunction = Callable[[NDArray[np.intp], float], Timed]
"""Answers the queries of these numbers.

One by one, no further query begins after so many seconds; a batch, and the queries of several
clients, are answered whole.
"""

Query = Rows | FilteredQuery
_Served = tuple[list[int], list[object]]
Serve = Callable[[Sequence[Query], int, float], _Served]
"""Asks queries one after another: nanoseconds and answers of each; the limit is in seconds."""

Part = TypeVar("Part")


def turn_function(
    algorithm: Algorithm,
    queries: NDArray[np.float32] | Sequence[FilteredQuery],
    k: int,
    mode: Mode,
    threads: int,
    *,
    ask: Ask | None = None,
    answers_are_lists: bool = False,
) -> TurnFunction:
    """Return the function that takes one turn in the given mode.

    Parameters
    ----------
    algorithm
        A fitted adapter.
    queries
        `(nq, d)` float32, C-contiguous: all queries; or each with its filter.
    mode
        `single` and `load`: `query` is called for one query at a time, by `threads` clients at
        once, each as soon as it has its last answer; `batch`: `query_batch` is called once
        for all queries of the turn.
    ask
        What is called for each query that has a filter, instead of `query`.
    answers_are_lists
        Whether to turn answers into arrays within the timed region: a list is no answer yet.
    """
    if mode == "batch":
        if not isinstance(queries, np.ndarray):
            raise TypeError("queries with filters are asked one by one")
        return partial(_batch_turn, algorithm, answers_are_lists, queries, k)
    serve = serving(algorithm, threads, answers_are_lists, ask)
    rows: Sequence[Query] = list(queries)  # the views are made here, not between two queries
    if threads == 1:
        return partial(_single_turn, serve, rows, k)
    return partial(_clients_turn, serve, rows, k, threads)


def keep_out_of_collections() -> None:
    """Let the collections between turns skip all that exists now: modules and the index."""
    gc.collect()
    gc.freeze()


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep Python's collector from running, such as between two queries."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def serving(
    algorithm: Algorithm, threads: int, answers_are_lists: bool, ask: Ask | None = None
) -> Serve:
    """Return the loop that times the queries of one client, of so many that ask at once."""
    if threads > (algorithm.most_clients or threads):
        raise TypeError(f"{threads} clients ask at once, it serves {algorithm.most_clients}")
    if algorithm.prepares_queries and ask is None:
        return partial(_timed_prepared_queries, algorithm)
    timed = _timed_lists if answers_are_lists else _timed_queries
    return partial(timed, algorithm.query if ask is None else ask)


def _single_turn(
    serve: Serve, rows: Sequence[Query], k: int, chosen: NDArray[np.intp], limit: float
) -> Timed:
    asked = [rows[i] for i in chosen.tolist()]
    with no_garbage_collection():
        began = perf_counter_ns()
        nanoseconds, answers = serve(asked, k, limit)
        wall = perf_counter_ns() - began
    return Timed(np.array(nanoseconds) * _SECONDS_PER_NS, wall * _SECONDS_PER_NS, answers)


def _timed_queries(
    query: Callable[..., object], rows: Sequence[Query], k: int, limit: float
) -> _Served:
    clock = perf_counter_ns
    last = clock() + int(limit / _SECONDS_PER_NS)
    nanoseconds = [0] * len(rows)
    answers: list[object] = [None] * len(rows)
    i = 0
    for row in rows:
        start = clock()
        answer = query(row, k)
        stop = clock()
        nanoseconds[i] = stop - start
        answers[i] = answer
        i += 1
        if stop > last:
            break
    return nanoseconds[:i], answers[:i]


def _timed_lists(
    query: Callable[..., object], rows: Sequence[Query], k: int, limit: float
) -> _Served:
    """As `_timed_queries`, for adapters that return lists; converting them is timed."""
    asarray = np.asarray
    return _timed_queries(lambda row, k: asarray(query(row, k)), rows, k, limit)


def _timed_prepared_queries(
    algorithm: Algorithm, rows: Sequence[Any], k: int, limit: float
) -> _Served:
    """As `_timed_queries`, with the preparation of queries and the reading of ids not timed."""
    clock = perf_counter_ns
    last = clock() + int(limit / _SECONDS_PER_NS)
    nanoseconds, answers = [], []
    for row in rows:
        ask = algorithm.prepared_query(row, k)
        start = clock()
        result = ask()
        stop = clock()
        nanoseconds.append(stop - start)
        answers.append(algorithm.ids_of(result, k))
        if stop > last:
            break
    return nanoseconds, answers


def _batch_turn(
    algorithm: Algorithm,
    answers_are_lists: bool,
    queries: NDArray[np.float32],
    k: int,
    chosen: NDArray[np.intp],
    limit: float,
) -> Timed:
    asked = np.ascontiguousarray(queries[chosen])
    asked.flags.writeable = False
    ask = algorithm.prepared_batch(asked, k)
    with no_garbage_collection():
        began = perf_counter_ns()
        result = np.asarray(ask()) if answers_are_lists else ask()
        wall = (perf_counter_ns() - began) * _SECONDS_PER_NS
    return Timed(np.full(len(asked), wall / len(asked)), wall, algorithm.ids_of_batch(result, k))


class _Client(NamedTuple):
    """One client's record: nanoseconds and results of its queries, and its start and end."""

    nanoseconds: list[int]
    answers: list[object]
    began: int
    ended: int


def _clients_turn(
    serve: Serve,
    rows: Sequence[Query],
    k: int,
    clients: int,
    chosen: NDArray[np.intp],
    limit: float,
) -> Timed:
    """Give each client every clients-th query; the wall time is from first start to last end.

    The clients read the clock themselves, since the thread that starts them may be scheduled late.
    """
    asked = [rows[i] for i in chosen.tolist()]

    def be_client(client: int) -> _Client:
        began = perf_counter_ns()
        nanoseconds, answers = serve(asked[client::clients], k, UNLIMITED_SECONDS)
        return _Client(nanoseconds, answers, began, perf_counter_ns())

    return _joined(in_clients(clients, be_client), len(asked))


def in_clients(clients: int, work: Callable[[int], Part]) -> list[Part]:
    """Return what each client, a thread of its own, does at the same time as the others.

    Raises
    ------
    BaseException
        What one of them raised.
    """
    parts: dict[int, Part] = {}
    errors: list[BaseException] = []
    barrier = threading.Barrier(clients)

    def be_client(client: int) -> None:
        try:
            # A pool's size belongs to the thread that calls: limit it in each client.
            with pools_limited(1):
                barrier.wait()
                parts[client] = work(client)
        except BaseException as error:
            barrier.abort()
            errors.append(error)

    threads = [threading.Thread(target=be_client, args=(c,), daemon=True) for c in range(clients)]
    with no_garbage_collection():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if errors:  # the others stopped only because of this one
        raise min(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError))
    return [parts[client] for client in range(clients)]


def _joined(served: Sequence[_Client], nq: int) -> Timed:
    seconds = np.empty(nq)
    answers: list[object] = [None] * nq
    for client, part in enumerate(served):
        seconds[client :: len(served)] = np.array(part.nanoseconds) * _SECONDS_PER_NS
        answers[client :: len(served)] = part.answers
    wall = max(part.ended for part in served) - min(part.began for part in served)
    return Timed(seconds, wall * _SECONDS_PER_NS, answers)
