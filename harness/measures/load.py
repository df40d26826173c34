"""Latency under load: when queries are due, and the highest rate that keeps a bound.

Queries arrive as a Poisson process, whether or not earlier ones have been answered, and the time of
each counts from the moment when it was due. A closed loop asks the next query only when the last
has been answered, so one long stall delays one query in its figures and hundreds in a service
(Tene's "coordinated omission").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Outcomes = NDArray[np.int8]

IN_TIME, LATE_START, DROPPED = 0, 1, 2
"""Outcomes of a query: started as soon as a client was free, started later than that by more than
`LATE_SECONDS`, or not asked because it had waited too long."""

LATE_SECONDS = 100e-6
"""A start that is later than this is a late one: the generator's fault, not the index's."""

MOST_LATE_SHARE = 0.01
"""With a larger share of late starts the generator did not keep the schedule."""

WARM_UP_QUERIES = 500
"""Asked at the rate before the queries that count, so that these do not find an empty queue."""

LEAST_QUERIES = 5000
"""Asked at one rate in a block: at a given one, or before the search continues to the next."""

SEARCH_STEPS = 16
"""Rates that the search for the highest rate tries in a block."""

_ARRIVALS_SEED = 90_017
_FIRST_STEP = np.log(2.0)
_LAST_STEP = np.log(2.0) / 16  # 4.4 %
_MOST_TIMES = 256  # the first rate, up or down: beyond, no rate keeps the bound, or all do
_MOST_RATE = 1e8  # queries due every 10 ns are as good as due at once; `no-op` keeps up with all
_P99 = 99.0


def unit_arrivals(count: int, order_seed: int, cycle: int) -> Float64:
    """Return when `(count,)` queries are due at one a second: a Poisson process from 0 on.

    All settings of a block get the same in a cycle, divided by their rates.
    """
    rng = np.random.default_rng([_ARRIVALS_SEED, order_seed, cycle])
    return np.cumsum(rng.exponential(size=count))


def arrivals_sha256(count: int, order_seed: int, cycles: Iterable[int]) -> str:
    """Return the sha256 of the `unit_arrivals` of these cycles, as little-endian float64."""
    digest = hashlib.sha256()
    for cycle in cycles:
        digest.update(unit_arrivals(count, order_seed, int(cycle)).astype("<f8").tobytes())
    return digest.hexdigest()


# ---- the highest rate that keeps a bound --------------------------------------------------------


class TriedRate(NamedTuple):
    """A rate that was tried, and whether it kept the bound."""

    rate: float
    kept: bool


def trials_of(
    rates: Iterable[float], times: Iterable[Float64], bound_seconds: float
) -> tuple[list[TriedRate], bool]:
    """Return the trials of a block, and whether the last has all of its queries.

    Parameters
    ----------
    rates
        Of each pass, in the order in which they were made. Successive passes of one rate are one
        trial until they hold `LEAST_QUERIES` queries.
    times
        `(nq,)` seconds of each pass, from the moment when each query was due.
    bound_seconds
        Of the 99th percentile.
    """
    trials: list[TriedRate] = []
    held: list[Float64] = []
    for rate, seconds in zip(rates, times, strict=True):
        held.append(seconds)
        if sum(map(len, held)) >= LEAST_QUERIES:
            trials.append(TriedRate(rate, keeps(held, bound_seconds)))
            held = []
    return trials, not held


def keeps(times: Sequence[Float64], bound_seconds: float) -> bool:
    """Whether the 99th percentile of all these times is within a bound."""
    return bool(np.percentile(np.concatenate(times), _P99) <= bound_seconds)


def next_rate(trials: Sequence[TriedRate], first: float) -> float:
    """Return the rate to try next: up where the last one kept the bound, else down.

    Steps begin with a factor of 2 and are halved, on a logarithmic scale, each time the outcome
    changes, as in a bisection. From 4.4 % on they stay, which is the up-and-down method (Dixon and
    Mood, JASA 43, 1948): one outcome that chance turned round does no lasting harm.
    """
    rate, _ = _path(trials, first)
    return float(np.clip(rate, first / _MOST_TIMES, min(first * _MOST_TIMES, _MOST_RATE)))


def highest_rate(trials: Sequence[TriedRate]) -> float:
    """Return the rate at which half of the trials keep the bound.

    It is the geometric mean of the rates to which the smallest steps led, with the one that would
    be tried next (Brownlee, Hodges and Rosenblatt, JASA 48, 1953). NaN if there are none, as where
    every rate kept the bound or none did.
    """
    if not trials:
        return float("nan")
    last, begin = _path(trials, trials[0].rate)
    if begin == len(trials):
        return float("nan")
    rates = [*(trial.rate for trial in trials[begin + 1 :]), last]
    return float(np.exp(np.mean(np.log(rates))))


def _path(trials: Sequence[TriedRate], first: float) -> tuple[float, int]:
    """The next rate, and the number of the trial from which the first smallest step leads."""
    rate, step, begin = first, _FIRST_STEP, len(trials)
    for number, trial in enumerate(trials):
        if number and trial.kept != trials[number - 1].kept:
            step = max(step / 2, _LAST_STEP)
        if step == _LAST_STEP:
            begin = min(begin, number)
        rate = trial.rate * float(np.exp(step if trial.kept else -step))
    return rate, begin


# ---- figures of a build -------------------------------------------------------------------------


def achieved_rate(outcomes: Outcomes, walls: Float64) -> float:
    """Return the queries that were answered per second.

    Parameters
    ----------
    outcomes
        `(passes, nq)`.
    walls
        `(passes,)` seconds from the first query due to the last answer.
    """
    return float((outcomes != DROPPED).sum() / walls.sum())


def share_of(outcomes: Sequence[Outcomes], outcome: int) -> float:
    """Return the share of all queries that ended so."""
    return float(np.mean([(one == outcome).mean() for one in outcomes]))
