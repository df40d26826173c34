"""How often a client under load starts late, by the way in which it waits.

Usage: python -m tests.performance.load_waits [--turns N]

A client asks 300 queries of 4 ms at half of capacity, one way of waiting after the other in random
order, again and again. Printed is the share of late starts with its standard error over turns. The
process has no processor of its own, as workers with several clients have none.
"""

from __future__ import annotations

import argparse
import ctypes
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter_ns, sleep

import numpy as np

from harness.contracts import Algorithm
from harness.measures.load import LATE_START
from harness.running.worker import load_turns

N = 300
SERVICE_SECONDS = 4e-3
LOAD = 0.5
MS = 1_000_000  # nanoseconds
USUAL_SLACK_NS = 50_000
PR_SET_TIMERSLACK, CLOCK_MONOTONIC, TIMER_ABSTIME = 29, 1, 1
LIBC = ctypes.CDLL(None, use_errno=True)

Wait = Callable[[int, int], None]
SLEEP_AND_SPIN: Wait = load_turns._wait_until


class Moment(ctypes.Structure):
    """`struct timespec`."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class Server(Algorithm):
    """Serves each query for 4 ms, of which the last 0.5 ms are busy."""

    def fit(self, base: np.ndarray) -> None:
        self.ids = np.arange(5)

    def query(self, query: np.ndarray, k: int) -> np.ndarray:
        until = perf_counter_ns() + int(SERVICE_SECONDS * 1e9)
        sleep(SERVICE_SECONDS - 0.5e-3)
        spin(until)
        return self.ids

    def index_bytes(self) -> int:
        return 0


def spin(until: int) -> None:
    while perf_counter_ns() < until:
        pass


def by_sleep(spin_ns: int) -> Wait:
    """Sleep, and spin at the end, as clients do."""
    return lambda due, _: SLEEP_AND_SPIN(due, spin_ns)


def by_deadline(spin_ns: int) -> Wait:
    """Sleep up to an absolute time, and spin at the end."""

    def wait(due: int, _: int) -> None:
        if due - perf_counter_ns() > spin_ns:
            until = Moment(*divmod(due - spin_ns, 10**9))
            LIBC.clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, ctypes.byref(until), None)
        spin(due)

    return wait


WAYS: Mapping[str, tuple[Wait, int]] = {
    "spin of 1 ms (as it is)": (by_sleep(MS), USUAL_SLACK_NS),
    "spin of 1 ms, timer slack 1 ns": (by_sleep(MS), 1),
    "spin of 0.2 ms": (by_sleep(MS // 5), USUAL_SLACK_NS),
    "spin of 0.2 ms, timer slack 1 ns": (by_sleep(MS // 5), 1),
    "absolute, spin of 0.2 ms, timer slack 1 ns": (by_deadline(MS // 5), 1),
    "spin of 3 ms": (by_sleep(3 * MS), USUAL_SLACK_NS),
    "spin alone": (by_sleep(10**6 * MS), USUAL_SLACK_NS),
}


@contextmanager
def waiting(wait: Wait, slack_ns: int) -> Iterator[None]:
    """Let clients of this thread wait in a way."""
    LIBC.prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(slack_ns), 0, 0, 0)
    load_turns._wait_until = wait
    try:
        yield
    finally:
        load_turns._wait_until = SLEEP_AND_SPIN
        LIBC.prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(USUAL_SLACK_NS), 0, 0, 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args().turns
    server = Server("euclidean")
    server.fit(np.empty((0, 4)))
    turn = load_turns.load_turn_function(server, np.zeros((N, 4), np.float32), 5, 1, 1e8)
    rng = np.random.default_rng(0)
    late: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(turns):
        due = np.cumsum(rng.exponential(size=N)) * SERVICE_SECONDS / LOAD
        for name in random.sample(list(WAYS), len(WAYS)):
            with waiting(*WAYS[name]):
                timed = turn(np.arange(N), due, N)
            late[name].append(float((timed.outcomes == LATE_START).mean()))
    for name, shares in late.items():
        error = np.std(shares, ddof=1) / np.sqrt(turns)
        print(f"{name:44} late starts {np.mean(shares):6.2%} +- {error:.2%}")


if __name__ == "__main__":
    main()
