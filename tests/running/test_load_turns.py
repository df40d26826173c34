"""Turns under load: every query is due by a schedule, and its time counts from then."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from harness.contracts import Algorithm
from harness.measures.load import DROPPED, IN_TIME, LATE_SECONDS
from harness.running.worker.load_turns import load_turn_function
from tests.queueing import times_in_system

QUERIES = np.arange(40, dtype=np.float32).reshape(40, 1)
STALL = 0.05
EVERY = np.arange(40)


class Server(Algorithm):
    """Answers with the number of the query; a negative component is a stall of so many seconds."""

    def __init__(self, metric):
        super().__init__(metric)
        self.asked = []

    def fit(self, base):
        pass

    def query(self, query, k):
        self.asked.append((int(query[0]), threading.get_ident()))
        if query[0] == 3:
            time.sleep(STALL)
        return np.full(k, int(query[0]))

    def index_bytes(self):
        return 0


class Failing(Server):
    def query(self, query, k):
        raise RuntimeError("no")


def take_turn(adapter, due, clients=1, drop=1e3, counted=40):
    turn = load_turn_function(adapter, QUERIES, 2, clients, drop)
    return turn(EVERY, np.asarray(due, dtype=np.float64), counted)


def test_a_stall_delays_the_queries_that_were_due_in_it():
    due = 0.001 * EVERY
    done = take_turn(Server("angular"), due)
    stalled_until = due[3] + STALL
    assert (done.seconds[3:] >= np.maximum(stalled_until - due[3:], 0) - 1e-6).all()
    assert (done.seconds >= done.service).all()
    assert done.service[4:].sum() < done.seconds[4:].sum() / 10
    assert done.wall >= stalled_until
    assert [answer[0] for answer in done.answers] == EVERY.tolist()


def test_no_query_is_asked_before_it_is_due():
    began = time.perf_counter()
    take_turn(Server("angular"), np.where(EVERY < 39, 0.0, 0.03))
    assert time.perf_counter() - began >= 0.03


def test_a_query_that_waited_too_long_is_dropped_and_asked_afterwards():
    adapter = Server("angular")
    done = take_turn(adapter, 0.001 * EVERY, drop=0.02)
    dropped = done.outcomes == DROPPED
    assert dropped[4:30].all()  # due more than 20 ms before the stall ends
    assert not dropped[:4].any()
    assert (done.seconds[dropped] > 0.02).all()
    assert (done.service[dropped] == 0).all()
    assert [answer[0] for answer in done.answers] == EVERY.tolist()
    assert sorted(number for number, _ in adapter.asked) == EVERY.tolist()


@pytest.mark.parametrize("clients", [1, 3])
def test_queries_are_asked_in_the_order_in_which_they_are_due(clients):
    adapter = Server("angular")
    done = take_turn(adapter, 0.001 * EVERY, clients)
    assert len({thread for _, thread in adapter.asked}) <= clients
    assert [answer[0] for answer in done.answers] == EVERY.tolist()
    if clients == 1:
        assert [number for number, _ in adapter.asked] == EVERY.tolist()


def test_other_clients_serve_while_one_is_stalled():
    adapter = Server("angular")
    take_turn(adapter, 0.0005 * EVERY, clients=3)
    stalled = next(thread for number, thread in adapter.asked if number == 3)
    first_after = next((n for n, thread in adapter.asked if n > 3 and thread == stalled), 40)
    assert first_after > 4


def test_only_the_last_queries_count():
    done = take_turn(Server("angular"), 0.0001 * EVERY, counted=10)
    assert done.seconds.shape == done.service.shape == done.outcomes.shape == (10,)
    assert [answer[0] for answer in done.answers] == EVERY[-10:].tolist()


class SlowToPrepare(Server):
    """Answers at once; what is done before, which is not timed, takes a part of a late start."""

    prepares_queries = True

    def prepared_query(self, query, k):
        spin(0.6 * LATE_SECONDS)
        return lambda: self.query(query, k)

    def query(self, query, k):
        spin(LATE_SECONDS)
        return np.full(k, int(query[0]))


def spin(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_what_a_client_does_between_two_queries_makes_no_queue():
    due = np.cumsum(np.random.default_rng(5).exponential(LATE_SECONDS / 0.9, 40))
    for _ in range(20):  # a busy machine delays some, which counts, and all that wait behind them
        done = take_turn(SlowToPrepare("angular"), due)
        if (done.outcomes == IN_TIME).all():
            break
    np.testing.assert_allclose(done.seconds, times_in_system(due, done.service), atol=1e-6)


@pytest.mark.parametrize("clients", [1, 2])
def test_an_exception_of_the_adapter_is_raised(clients):
    with pytest.raises(RuntimeError, match="no"):
        take_turn(Failing("angular"), np.zeros(40), clients)
