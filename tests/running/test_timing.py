"""Several clients at once: throughput is over the whole time in which any of them was served."""

from __future__ import annotations

import time

import numpy as np
import pytest

from harness.contracts import Algorithm
from harness.running.worker.timing import turn_function

QUERIES = np.zeros((40, 4), dtype=np.float32)
UNLIMITED = 1e9


class Busy(Algorithm):
    """Holds the interpreter for a millisecond per query, so that clients wait for each other."""

    def fit(self, base):
        pass

    def query(self, query, k):
        until = time.perf_counter() + 1e-3
        while time.perf_counter() < until:
            pass
        return np.arange(k)

    def index_bytes(self):
        return 0


class Failing(Busy):
    def query(self, query, k):
        raise RuntimeError("no")


@pytest.mark.parametrize("clients", [2, 5])
def test_the_wall_time_holds_the_busiest_client(clients):
    turn = turn_function(Busy("angular"), QUERIES, 3, "single", clients)
    for _ in range(5):
        done = turn(np.arange(len(QUERIES)), UNLIMITED)
        served = [done.seconds[client::clients].sum() for client in range(clients)]
        assert done.wall >= max(served)
        assert len(done.answers) == len(QUERIES)


def test_more_clients_than_queries_and_none_at_all():
    few = turn_function(Busy("angular"), QUERIES, 3, "single", 6)(np.arange(2), UNLIMITED)
    assert few.wall >= few.seconds.max()
    assert not np.isnan(few.seconds).any()


def test_an_exception_in_a_client_is_raised_and_not_waited_for():
    with pytest.raises(RuntimeError, match="no"):
        turn_function(Failing("angular"), QUERIES, 3, "single", 3)(np.arange(40), UNLIMITED)


class Listing(Busy):
    """Answers with lists, the way that some libraries do."""

    def query(self, query, k):
        return [int(query[0])] * k


def test_a_turn_answers_the_chosen_queries_in_their_order():
    queries = np.arange(40, dtype=np.float32).reshape(40, 1)
    chosen = np.array([7, 3, 30])
    done = turn_function(Listing("angular"), queries, 2, "single", 1)(chosen, UNLIMITED)
    assert [answer[0] for answer in done.answers] == [7, 3, 30]
    assert done.seconds.shape == (3,)


def test_a_turn_ends_at_its_limit_with_what_it_has_answered():
    turn = turn_function(Busy("angular"), QUERIES, 3, "single", 1)
    done = turn(np.arange(40), 5e-3)
    assert 1 <= len(done.seconds) == len(done.answers) < 40


@pytest.mark.parametrize("mode", ["single", "batch"])
def test_lists_become_arrays_within_the_timed_region(mode):
    queries = np.arange(40, dtype=np.float32).reshape(40, 1)
    adapter = Listing("angular")
    turn = turn_function(adapter, queries, 2, mode, 1, answers_are_lists=True)
    done = turn(np.arange(4), UNLIMITED)
    assert all(type(answer) is np.ndarray for answer in done.answers)
    assert [int(answer[0]) for answer in done.answers] == [0, 1, 2, 3]
