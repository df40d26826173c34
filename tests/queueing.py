"""Queueing theory to test against: exact simulation, and formulas of M/M/c and M/D/c queues."""

from __future__ import annotations

import heapq
from math import ceil, exp, factorial, lgamma, log

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def times_in_system(due: Float64, service: Float64, servers: int = 1) -> Float64:
    """Return the exact times from due to end, first come first served (Lindley's recursion)."""
    if servers == 1:
        before = np.concatenate([[0.0], np.cumsum(service)[:-1]])
        return np.maximum.accumulate(due - before) + before + service - due
    free = [0.0] * servers
    ends = np.empty(len(due))
    for i, (moment, seconds) in enumerate(zip(due.tolist(), service.tolist(), strict=True)):
        ends[i] = max(moment, heapq.heappop(free)) + seconds
        heapq.heappush(free, ends[i])
    return ends - due


def mm1_mean(load: float) -> float:
    """Mean time in an M/M/1 system, in mean service times."""
    return 1 / (1 - load)


def mm1_quantile(load: float, share: float) -> float:
    """Quantile of the time in an M/M/1 system, which is exponential, in mean service times."""
    return -log(1 - share) / (1 - load)


def md1_mean(load: float) -> float:
    """Mean time in an M/D/1 system by Pollaczek and Khinchine, in service times."""
    return 1 + load / (2 * (1 - load))


def md1_waits_within(load: float, wait: float) -> float:
    """Probability that an M/D/1 wait is at most this, in service times (Erlang, 1909)."""
    terms = (
        (load * (j - wait)) ** j / factorial(j) * exp(-load * (j - wait))
        for j in range(int(wait) + 1)
    )
    return (1 - load) * sum(terms)


def md1_quantile(load: float, share: float) -> float:
    """Quantile of the time in an M/D/1 system, in service times, by bisection of Erlang's formula.

    The terms of the formula alternate and cancel, so it is used up to 20 service times; beyond, the
    tail is exponential, at the rate at which it falls there.
    """
    most = 20.0
    at_most, before = (1 - md1_waits_within(load, wait) for wait in (most, most - 1))
    if at_most > 1 - share:
        return 1 + most + log(at_most / (1 - share)) / log(before / at_most)
    low, high = 0.0, float(ceil(most))
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if md1_waits_within(load, middle) < share else (low, middle)
    return 1 + high


def erlang_c(load: float, servers: int) -> float:
    """Probability that a query of an M/M/c system has to wait (Erlang, 1917)."""
    offered = servers * load
    busy = offered**servers / factorial(servers) / (1 - load)
    return busy / (busy + sum(offered**k / factorial(k) for k in range(servers)))


def mmc_mean(load: float, servers: int) -> float:
    """Mean time in an M/M/c system, in mean service times."""
    return 1 + erlang_c(load, servers) / (servers * (1 - load))


def mmc_quantile(load: float, servers: int, share: float) -> float:
    """Quantile of the time in an M/M/c system, in mean service times, by bisection.

    The time is a wait, exponential if there is one, and a service.
    """
    waits, rate = erlang_c(load, servers), servers * (1 - load)

    def beyond(time: float) -> float:
        if abs(rate - 1) < 1e-9:
            return exp(-time) * (1 + waits * time)
        return exp(-time) + waits * (exp(-time) - exp(-rate * time)) / (rate - 1)

    low, high = 0.0, 100 * mmc_mean(load, servers)
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > 1 - share else (low, middle)
    return high


def mdc_mean(load: float, servers: int, most: int = 400) -> float:
    """Mean time in an M/D/c system, in service times (Crommelin, 1932).

    All that are served at a moment have left one service time later, and those who came meanwhile
    are Poisson: this gives the stationary number in the system, and Little's law the time.
    """
    offered = servers * load
    arrivals = np.array([exp(n * log(offered) - offered - lgamma(n + 1)) for n in range(most)])
    numbers = np.zeros(most)
    numbers[0] = 1.0
    for _ in range(most * 10):
        left = np.concatenate([[numbers[: servers + 1].sum()], numbers[servers + 1 :]])
        numbers = np.convolve(left, arrivals)[:most]
        numbers /= numbers.sum()
    return float((numbers * np.arange(most)).sum() / offered)
