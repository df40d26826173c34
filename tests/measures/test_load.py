"""Latency under load: the schedule, queues against theory, and the search for the highest rate."""

from __future__ import annotations

import numpy as np
import pytest

from harness.measures.load import (
    DROPPED,
    LEAST_QUERIES,
    SEARCH_STEPS,
    TriedRate,
    achieved_rate,
    arrivals_sha256,
    highest_rate,
    next_rate,
    trials_of,
    unit_arrivals,
)
from harness.results.untrusted.schema import MOST_SECONDS
from tests.queueing import (
    md1_mean,
    md1_quantile,
    mdc_mean,
    mm1_mean,
    mm1_quantile,
    mmc_mean,
    mmc_quantile,
    times_in_system,
)

SHARES = (0.5, 0.9, 0.99)
QUERIES = {0.5: 400_000, 0.8: 1_500_000, 0.95: 6_000_000}
"""So many that chance moves the mean of an M/M/1 queue by 2 % at most (one standard error)."""


def test_a_schedule_is_known_from_its_seeds():
    first = unit_arrivals(1000, 1, 2)
    np.testing.assert_array_equal(first, unit_arrivals(1000, 1, 2))
    assert (np.diff(first, prepend=0) > 0).all()
    assert not np.array_equal(first, unit_arrivals(1000, 1, 3))
    assert not np.array_equal(first, unit_arrivals(1000, 2, 2))
    assert arrivals_sha256(1000, 1, [2]) == arrivals_sha256(1000, 1, [2])
    assert arrivals_sha256(1000, 1, [2]) != arrivals_sha256(1000, 1, [2, 3])


def test_arrivals_are_a_poisson_process():
    gaps = np.diff(unit_arrivals(200_000, 1, 0))
    assert gaps.mean() == pytest.approx(1, rel=0.01)
    assert np.percentile(gaps, 99) == pytest.approx(-np.log(0.01), rel=0.03)
    assert np.corrcoef(gaps[1:], gaps[:-1])[0, 1] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("load", [0.5, 0.8, pytest.param(0.95, marks=pytest.mark.slow)])
@pytest.mark.parametrize("queue", ["M/M/1", "M/D/1"])
def test_queues_of_our_schedule_are_those_of_theory(queue, load):
    count = QUERIES[load]
    due = unit_arrivals(count, 1, 0) / load
    service = np.random.default_rng(5).exponential(size=count)
    if queue == "M/D/1":
        service = np.ones(count)
    times = times_in_system(due, service)[count // 20 :]
    mean, quantile = {"M/M/1": (mm1_mean, mm1_quantile), "M/D/1": (md1_mean, md1_quantile)}[queue]
    assert times.mean() == pytest.approx(mean(load), rel=0.05)
    for share in SHARES:
        assert np.quantile(times, share) == pytest.approx(quantile(load, share), rel=0.05)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_queues_of_two_clients_are_those_of_theory(load):
    count = QUERIES[load] // 2
    due = unit_arrivals(count, 1, 0) / (2 * load)
    exponential = np.random.default_rng(5).exponential(size=count)
    times = times_in_system(due, exponential, 2)[count // 20 :]
    assert times.mean() == pytest.approx(mmc_mean(load, 2), rel=0.05)
    for share in SHARES:
        assert np.quantile(times, share) == pytest.approx(mmc_quantile(load, 2, share), rel=0.05)
    constant = times_in_system(due, np.ones(count), 2)[count // 20 :]
    assert constant.mean() == pytest.approx(mdc_mean(load, 2), rel=0.05)


def test_the_formulas_for_several_clients_hold_for_one():
    for load in (0.5, 0.95):
        assert mmc_mean(load, 1) == pytest.approx(mm1_mean(load))
        assert mmc_quantile(load, 1, 0.99) == pytest.approx(mm1_quantile(load, 0.99))
        assert mdc_mean(load, 1) == pytest.approx(md1_mean(load), rel=1e-3)


def test_several_clients_serve_first_come_first_served():
    due, service = np.array([0.0, 0.0, 0.5, 0.6]), np.array([3.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(times_in_system(due, service, 2), [3.0, 1.0, 1.5, 2.4])
    due = unit_arrivals(2000, 1, 0)
    service = np.random.default_rng(1).exponential(size=2000)
    one = times_in_system(due, service)
    np.testing.assert_allclose(times_in_system(due, service, 1), one)
    assert (times_in_system(due, service, 3) <= one + 1e-9).all()


@pytest.mark.parametrize("capacity", [30.0, 1000.0, 9e4])
@pytest.mark.parametrize("off_by", [0.2, 1.0, 3.0])
def test_the_search_finds_the_rate_that_keeps_the_bound(capacity, off_by):
    """Simulated M/M/1 queues: p99 is 4.6 service times / (1 - load), 23 at .8 of capacity."""
    bound = mm1_quantile(0.8, 0.99) / capacity
    rng = np.random.default_rng(7)
    rates, times = [], []
    for cycle in range(SEARCH_STEPS):
        rate = next_rate(trials_of(rates, times, bound)[0], off_by * capacity)
        service = rng.exponential(1 / capacity, LEAST_QUERIES)
        rates.append(rate)
        times.append(times_in_system(unit_arrivals(LEAST_QUERIES, 1, cycle) / rate, service))
    found = highest_rate(trials_of(rates, times, bound)[0])
    assert found == pytest.approx(0.8 * capacity, rel=0.12)


def test_passes_of_one_rate_are_judged_together():
    half = LEAST_QUERIES // 2
    fast, slow = np.full(half, 1.0), np.full(half, 3.0)
    trials, whole = trials_of([10.0, 10.0, 20.0], [fast, slow, fast], 2.0)
    assert trials == [TriedRate(10.0, kept=False)]
    assert not whole
    assert trials_of([10.0, 10.0], [fast, fast], 2.0) == ([TriedRate(10.0, kept=True)], True)


def test_the_search_goes_up_and_down_by_smaller_and_smaller_steps():
    rate, rates, trials = 100.0, [], []
    for _ in range(SEARCH_STEPS):
        rates.append(rate)
        trials.append(TriedRate(rate, kept=rate <= 170))
        rate = next_rate(trials, 100.0)
    assert rates[:3] == pytest.approx([100, 200, 200 / 2**0.5])
    assert max(rates[-4:]) / min(rates[-4:]) < 1.05
    smallest = np.isclose(np.abs(np.diff(np.log([*rates, rate]))), np.log(2) / 16)
    led_to = np.array([*rates[1:], rate])[smallest]
    assert highest_rate(trials) == pytest.approx(np.exp(np.log(led_to).mean()))
    assert highest_rate(trials) == pytest.approx(170, rel=0.05)


@pytest.mark.parametrize("kept", [True, False])
def test_no_rate_is_found_where_all_or_none_keep_the_bound(kept):
    trials = []
    for _ in range(SEARCH_STEPS):
        trials.append(TriedRate(next_rate(trials, 100.0), kept))
    assert np.isnan(highest_rate(trials))
    assert np.isnan(highest_rate([]))


def test_the_search_ends_before_rates_that_no_result_may_hold():
    trials = []
    for _ in range(SEARCH_STEPS):
        trials.append(TriedRate(next_rate(trials, 5e6), kept=True))
    assert max(trial.rate for trial in trials) < MOST_SECONDS


def test_dropped_queries_are_not_achieved():
    outcomes = np.array([[0, 1, DROPPED, DROPPED]], dtype=np.int8)
    assert achieved_rate(outcomes, np.array([0.5])) == pytest.approx(4.0)
