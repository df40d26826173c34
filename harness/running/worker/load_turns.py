"""Turns under load: queries are asked when they are due, whether or not earlier ones are answered.

The generator needs no processor of its own, since a client does nothing but wait and ask. Each has
one processor, which waiting for the next query keeps busy at the end: a sleep alone ends late by
50 us and more, and wakes a processor that has cooled down.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter_ns, sleep
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Algorithm, Rows
from harness.measures.load import DROPPED, IN_TIME, LATE_SECONDS, LATE_START
from harness.running.messages import UNLIMITED_SECONDS
from harness.running.worker.libraries import pools_limited
from harness.running.worker.timing import Serve, in_clients, no_garbage_collection, serving

_NS = 1e9
_LATE_NS = int(LATE_SECONDS * _NS)
_LEAD_NS = 10_000_000  # from the call to the start of the schedule, so that all clients are there
_SPIN_NS = 1_000_000
_SPIN_BESIDE_OTHERS_NS = 200_000  # it holds the interpreter, which other clients need
_SWITCH_SECONDS = 50e-6  # how long it may be held while another client waits for it


class LoadTimed(NamedTuple):
    """A timed turn under load of n queries; arrays are `(n,)`.

    `seconds` are from when each query was due until it was answered, or dropped; `service` those of
    the adapter's call, 0 if it was dropped; `outcomes` are as in `harness.measures.load`. `wall`
    is from the first query due to the last answer. `answers` holds one for every query: those
    dropped were asked afterwards, so that recall is that of the setting.
    """

    seconds: NDArray[np.float64]
    service: NDArray[np.float64]
    outcomes: NDArray[np.int8]
    wall: float
    answers: list[object]


LoadTurn = Callable[[NDArray[np.intp], NDArray[np.float64], int], LoadTimed]
"""Asks the queries of these numbers at these seconds; so many of the last ones count."""


def load_turn_function(
    algorithm: Algorithm,
    queries: NDArray[np.float32],
    k: int,
    clients: int,
    drop_seconds: float,
    *,
    answers_are_lists: bool = False,
) -> LoadTurn:
    """Return the function that takes one turn under load; parameters as for `turn_function`.

    A query that has waited for longer than `drop_seconds` when a client comes to it is dropped.
    """
    serve = serving(algorithm, clients, answers_are_lists)
    return partial(_load_turn, serve, list(queries), k, clients, int(drop_seconds * _NS))


def _load_turn(
    serve: Serve,
    rows: Sequence[Rows],
    k: int,
    clients: int,
    drop_ns: int,
    chosen: NDArray[np.intp],
    due_seconds: NDArray[np.float64],
    counted: int,
) -> LoadTimed:
    asked = [rows[i] for i in chosen.tolist()]
    due = np.rint(due_seconds * _NS).astype(np.int64) + (perf_counter_ns() + _LEAD_NS)
    queue = _Queue(serve, asked, k, due.tolist(), drop_ns, clients)
    if clients == 1:
        with no_garbage_collection():
            queue.be_client(0)
    else:
        with _short_switches():
            in_clients(clients, queue.be_client)
    queue.ask_dropped()
    return queue.last(counted)


@contextmanager
def _short_switches() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class _Queue:
    """The queries of a turn, served first come, first served, and what became of each."""

    def __init__(
        self,
        serve: Serve,
        asked: Sequence[Rows],
        k: int,
        due: Sequence[int],
        drop_ns: int,
        clients: int,
    ) -> None:
        self._serve, self._asked, self._k = serve, asked, k
        self._due, self._drop_ns = due, drop_ns
        self._alone = clients == 1
        self._spin_ns = _SPIN_NS if self._alone else _SPIN_BESIDE_OTHERS_NS
        self._numbers = iter(range(len(asked)))
        self._latency = [0] * len(asked)
        self._service = [0] * len(asked)
        self._outcomes = [IN_TIME] * len(asked)
        self._answers: list[object] = [None] * len(asked)

    def be_client(self, _: int) -> None:
        """Take the next query again and again, wait until it is due, and ask it.

        The clients share one iterator: each takes the next query as soon as it is free, so that
        queries are begun in the order in which they are due.
        """
        clock, serve, asked, k = perf_counter_ns, self._serve, self._asked, self._k
        shift = 0  # by which the rest of the schedule is put off
        free = clock()
        for i in self._numbers:
            due = self._due[i] + shift
            _wait_until(due, self._spin_ns)
            taken = clock()
            lateness = taken - max(due, free)
            if lateness > _LATE_NS:
                self._outcomes[i] = LATE_START
            elif self._alone:
                shift += lateness
                due += lateness
            waited = taken - due
            nanoseconds = 0
            if waited > self._drop_ns:
                self._outcomes[i] = DROPPED
            else:
                (nanoseconds,), (self._answers[i],) = serve(asked[i : i + 1], k, UNLIMITED_SECONDS)
            self._latency[i] = waited + nanoseconds
            self._service[i] = nanoseconds
            free = clock()
            if self._alone:
                # What a client does between two queries, 5 to 30 us, is no part of the server.
                # At high load it would make the queue longer by many times that.
                shift += free - taken - nanoseconds

    def ask_dropped(self) -> None:
        """Ask the queries that were dropped; none of it is timed."""
        dropped = [i for i, outcome in enumerate(self._outcomes) if outcome == DROPPED]
        with pools_limited(1):
            for i in dropped:
                _, (answer,) = self._serve(self._asked[i : i + 1], self._k, UNLIMITED_SECONDS)
                self._answers[i] = answer

    def last(self, count: int) -> LoadTimed:
        """Return what became of the last queries: those before them found an emptier queue."""
        seconds, service = (np.array(ns[-count:]) / _NS for ns in (self._latency, self._service))
        due = np.array(self._due[-count:])
        wall = float((due + seconds * _NS).max() - due[0]) / _NS
        outcomes = np.array(self._outcomes[-count:], dtype=np.int8)
        return LoadTimed(seconds, service, outcomes, wall, self._answers[-count:])


def _wait_until(due: int, spin_ns: int) -> None:
    clock = perf_counter_ns
    left = due - clock()
    if left > spin_ns:
        sleep((left - spin_ns) / _NS)
    while clock() < due:
        pass
