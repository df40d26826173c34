"""Checks of threads, sizes and diagnostics."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from harness.checks.bench import Bench
from harness.checks.catalog import rule
from harness.checks.trials import Failed, Trial
from harness.contracts.algorithm import MOST_COMPARISONS_OF_A_ROW
from harness.running.worker.answers import checked_tables

_NS = 1e9


class _Spent(NamedTuple):
    """Seconds so far. `wanted` is by thread: time on a processor and time waiting for one."""

    wall: float
    process: float
    children: float
    ran: dict[str, float]
    wanted: dict[str, float]


def cores_wanted(work: Callable[[], object], seconds: float) -> float:
    """Return how many cores the process would have used, on average, if all had been free.

    The kernel counts for each thread how long it ran and how long it waited for a processor. The
    sum over the wall time is the mean number of threads that wanted to run, which does not depend
    on the load of the machine. Threads that take turns count as one.

    Parameters
    ----------
    work
        Called over and over.
    seconds
        For at least so long.
    """
    before = _spent()
    while True:
        work()
        after = _spent()
        if after.wall - before.wall >= seconds:
            return _wanted(before, after) / (after.wall - before.wall)


def _wanted(before: _Spent, after: _Spent) -> float:
    alive = {thread: after.wanted[thread] - before.wanted.get(thread, 0) for thread in after.wanted}
    ran = sum(after.ran[thread] - before.ran.get(thread, 0) for thread in after.ran)
    ended = max(0.0, after.process - before.process - ran)  # by threads that have ended
    return sum(alive.values()) + ended + max(0.0, after.children - before.children)


def _spent() -> _Spent:
    ran, wanted = {}, {}
    for path in Path("/proc/self/task").glob("*/schedstat"):
        try:
            running, waiting, _ = (int(field) for field in path.read_text().split())
        except (OSError, ValueError):
            continue
        ran[path.parent.name] = running / _NS
        wanted[path.parent.name] = (running + waiting) / _NS
    return _Spent(time.perf_counter(), time.process_time(), _of_children(), ran, wanted)


def _of_children() -> float:
    """Processor time of the processes that this one started, ended ones included."""
    times = os.times()
    total = times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            spent = child.cpu_times()
        except psutil.Error:
            continue
        total += spent.user + spent.system
    return total


_MOST_CORES = 1.5
_SECONDS = 0.15
_LEAST_PER_ROW = 0.5
_MOST_TIMES_ROWS = 50
_REPEATED = 1.5  # a search may begin at random rows
_ALLOWANCE = 1 << 24  # tables and headers that do not grow with the rows


@rule
def threads(bench: Bench, trial: Trial) -> None:
    """With one thread allotted, no more than one wants to run at a time."""
    case = trial.case
    algorithm = bench.built(case).algorithm
    queries = bench.queries(case).copy()
    _require_one("fit", lambda: bench.fit(case))
    _require_one("query", lambda: [algorithm.query(query, case.k) for query in queries])
    _require_one("query_batch", lambda: algorithm.query_batch(queries, case.k))


def _require_one(name: str, work: Callable[[], object]) -> None:
    wanted = cores_wanted(work, _SECONDS)
    if wanted > _MOST_CORES:
        raise Failed("work for one core, as allotted", f"{name} kept {wanted:.1f} threads busy")


@rule
def index_bytes(bench: Bench, trial: Trial) -> None:
    """`index_bytes` is an integer from four bits per row to fifty times the size of the rows."""
    size: object = bench.built(trial.case).algorithm.index_bytes()
    if not isinstance(size, int | np.integer) or isinstance(size, bool):
        raise Failed("a whole number of bytes", repr(size))
    rows = bench.base(trial.case)
    least = int(len(rows) * _LEAST_PER_ROW)
    most = _MOST_TIMES_ROWS * rows.nbytes + _ALLOWANCE
    if not least <= size <= most:
        n, d = rows.shape
        raise Failed(f"{least:,} to {most:,} bytes for {n:,} rows of {d}", f"{int(size):,} bytes")


@rule
def distance_computations(bench: Bench, trial: Trial) -> None:
    """`distance_computations` is None or possible, and about the same when it is asked again.

    It counts an id that is found at least once, and a row at most 100 times for a query.
    """
    case = trial.case
    algorithm, queries = bench.built(case).algorithm, bench.queries(case)
    counts: list[object] = [algorithm.distance_computations(queries, case.k) for _ in range(2)]
    if counts == [None, None]:
        return
    if any(not isinstance(one, int | np.integer) or isinstance(one, bool) for one in counts):
        raise Failed("a whole number, or None", repr(counts))
    first, second = (int(str(one)) for one in counts)
    found = sum(int((np.asarray(algorithm.query(query, case.k)) >= 0).sum()) for query in queries)
    most = MOST_COMPARISONS_OF_A_ROW * len(bench.base(case)) * len(queries)
    if not found <= first <= most:
        raise Failed(f"{found:,} to {most:,} for {len(queries):,} queries", f"{first:,}")
    if not first / _REPEATED <= second <= _REPEATED * first:
        raise Failed(f"about {first:,} again for the same queries", f"{second:,}")


@rule
def diagnostics(bench: Bench, trial: Trial) -> None:
    """`diagnostics` returns tables of equally long columns of numbers or text."""
    checked_tables(bench.built(trial.case).algorithm.diagnostics())
