"""Several clients at once: throughput is over the whole time in which any of them was served."""

from __future__ import annotations

import time

import numpy as np
import pytest

from harness.contracts import Algorithm
from harness.running.timing import pass_function

QUERIES = np.zeros((40, 4), dtype=np.float32)


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
    one_pass = pass_function(Busy("angular"), QUERIES, 3, "single", clients)
    for _ in range(5):
        done = one_pass()
        served = [done.seconds[client::clients].sum() for client in range(clients)]
        assert done.wall >= max(served)
        assert len(done.answers) == len(QUERIES)


def test_more_clients_than_queries_and_none_at_all():
    few = pass_function(Busy("angular"), QUERIES[:2], 3, "single", 6)()
    assert few.wall >= few.seconds.max()
    assert not np.isnan(few.seconds).any()


def test_an_exception_in_a_client_is_raised_and_not_waited_for():
    with pytest.raises(RuntimeError, match="no"):
        pass_function(Failing("angular"), QUERIES, 3, "single", 3)()
