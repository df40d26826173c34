"""How many threads of a process want to run at once, independent of the machine's load."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

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
