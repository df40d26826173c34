"""Latency under load against queueing theory, with servers whose service times are known.

Usage: python -m tests.performance.load [--windows N] [--service MS] [--clients N]

Real processes measure an adapter that takes the time that each query names, most of it asleep, so
that other work on the machine seldom comes in between: always the same (M/D/1), or exponential
(M/M/1). Compared are mean, p50, p90 and p99 of the time in the system:

- theory, and the exact times for the arrivals of the windows and the named service times
  (Lindley's recursion): how far chance moved the schedule, which at .95 of capacity would need 2.4
  million queries for 2.5 % of the mean;
- what was measured, over the exact times for the same arrivals and the service times as they were:
  this ratio is that of the generator, and theory times it is what it measures of such a server;
- how much longer service took than named: a busy machine's part in what was measured.

Ratios are medians over windows. With `--clients` above 1 the same for M/D/c and M/M/c queues alone
(of M/D/c the formula gives the mean only); the first 100 queries of a window are left out, since
what is in the queue before them is not stored.

`tests/measures/test_load.py` checks the recursion against theory. Then a stall of 100 ms, once in
2000 queries, in a closed loop and under load; and what the generator itself takes. Exits 1 if a
ratio is off by more than 5 %.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from harness.contracts import Algorithm
from harness.contracts.definitions import Load, Mode
from harness.measures.load import LATE_START, WARM_UP_QUERIES, unit_arrivals
from harness.running.blocks import AdapterSpec, BlockSpec, Measured, MemberSpec, SettingSpec
from harness.running.datasets import open_named
from harness.running.executors.local import LocalExecutor
from harness.running.worker.load_turns import load_turn_function
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

ADAPTER = '''\
from time import perf_counter_ns, sleep

import numpy as np

from harness.contracts import Algorithm


class Server(Algorithm):
    """Serves a query for the seconds in one of its components; only the last 0.5 ms are busy."""

    def fit(self, base):
        self.ids = np.arange(16)

    def set_search(self, component):
        self.component = component

    def query(self, query, k):
        seconds = float(query[self.component])
        until = perf_counter_ns() + int(seconds * 1e9)
        if seconds > 0.5e-3:
            sleep(seconds - 0.5e-3)
        while perf_counter_ns() < until:
            pass
        return self.ids[:k]

    def index_bytes(self):
        return 0
'''
LOADS = (0.5, 0.8, 0.95)
NQ = 2000
CONSTANT, EXPONENTIAL, STALL = range(3)
SHARES = (0.5, 0.9, 0.99)
THEORIES = {CONSTANT: (md1_mean, md1_quantile), EXPONENTIAL: (mm1_mean, mm1_quantile)}
TOLERANCE = 0.05
UNLIMITED_MS = 1e8
SETTLING_QUERIES = 100  # of a window with several clients


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lengths", action="store_true", help="only the simulation of windows")
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--service", type=float, default=4.0, help="milliseconds")
    parser.add_argument("--clients", type=int, default=1)
    options = parser.parse_args()
    service = options.service / 1e3
    if options.lengths:
        lengths()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ANNHARNESS_DATA"] = str(Path(folder) / "data")
        bench = Bench(Path(folder), service, options.clients)
        if options.clients == 1:
            lengths()
        worst = bench.against_theory(options.windows)
        if options.clients == 1:
            bench.stall(options.windows)
            overhead()
    print(f"largest deviation of a ratio: {worst:.1%}")
    return int(worst > TOLERANCE)


def lengths(windows: int = 1500) -> None:
    """Print what windows of 1000 queries of M/M/1 queues say of p99, as a share of theory."""
    rng = np.random.default_rng(0)
    print("load  warm-up  p99, 5 windows pooled  its spread  p99, median window")
    for load in (0.5, 0.8, 0.9, 0.95):
        for warm_up in (0, 250, 500, 1000):
            size = (windows, warm_up + 1000)
            due = np.cumsum(rng.exponential(size=size), axis=1) / load
            pairs = zip(due, rng.exponential(size=size), strict=True)
            times = np.array([times_in_system(*pair)[warm_up:] for pair in pairs])
            times /= mm1_quantile(load, 0.99)
            pooled = np.percentile(times.reshape(windows // 5, -1), 99, axis=1)
            mean, spread = pooled.mean(), pooled.std()
            alone = np.median(np.percentile(times, 99, axis=1))
            print(f"{load:4} {warm_up:8} {mean:22.3f} {spread:11.3f} {alone:19.3f}")


class Bench:
    """A dataset whose queries name their service times, and the server."""

    def __init__(self, folder: Path, service: float, clients: int = 1) -> None:
        self.folder, self.service, self.clients = folder, service, clients
        rng = np.random.default_rng(1)
        queries = np.zeros((NQ, 4), dtype=np.float32)
        queries[:, CONSTANT] = service
        queries[:, EXPONENTIAL] = rng.exponential(service, NQ)
        # The mean of the queries at hand is what a load is relative to.
        queries[:, EXPONENTIAL] *= service / queries[:, EXPONENTIAL].mean()
        queries[:, STALL] = service
        queries[0, STALL] += 0.1
        self.queries = queries
        with h5py.File(folder / "servers.hdf5", "w") as file:
            file["train"] = rng.normal(size=(300, 4)).astype(np.float32)
            file["test"] = queries
            file.attrs["distance"] = "euclidean"
        plugin = folder / "algorithms" / "server"
        plugin.mkdir(parents=True)
        (plugin / "adapter.py").write_text(ADAPTER)
        self.dataset = open_named(str(folder / "servers.hdf5"), None)

    def measure(
        self, mode: Mode, settings: Mapping[str, tuple[int, float | None]], windows: int
    ) -> dict[str, Measured]:
        """Measure settings given as name to component and rate, in one block."""
        adapter = AdapterSpec("harness.algorithms.server.adapter", "Server", (str(self.folder),))
        specs = tuple(
            SettingSpec(
                name,
                {"component": component},
                5,
                windows,
                load=None if rate is None else Load(rate, None, UNLIMITED_MS),
            )
            for name, (component, rate) in settings.items()
        )
        block = BlockSpec(
            id="a1", number=0, dataset=str(self.dataset.path),
            fingerprint=self.dataset.fingerprint, metric="euclidean", mode=mode,
            threads=self.clients, build_threads=1, search_seconds=1e6, least_seconds=0.0,
            timeout=1e6, memory_bytes=None, members=(MemberSpec("server", adapter, {}, specs),),
        )  # fmt: skip
        executor = LocalExecutor(self.folder / "cache", examine=dict)
        [outcome] = executor.run_block(block, lambda title, phase, key: None)
        if outcome.failed:
            raise RuntimeError(str(outcome.failed))
        self.order = block.order(NQ)
        self.order_seed = block.order_seed
        return outcome.finished

    def exact(self, component: int, rate: float, cycle: int) -> np.ndarray:
        """Return the exact times in the system of a window for the named service times."""
        before = np.resize(self.order[::-1], WARM_UP_QUERIES)[::-1]
        asked = np.concatenate([before, self.order])
        due = unit_arrivals(len(asked), self.order_seed, cycle) / rate
        seconds = self.queries[asked, component].astype(np.float64)
        times: np.ndarray = times_in_system(due, seconds, self.clients)[-NQ:]
        return times

    def exact_as_served(self, measured: Measured, number: int) -> np.ndarray:
        """Return the same for the service times of a pass, and for its first query's wait."""
        cycle, rate = int(measured.cycles[number]), measured.load.rates[number]
        due = unit_arrivals(WARM_UP_QUERIES + NQ, self.order_seed, cycle)[-NQ:] / rate
        service = measured.load.service[number, self.order].astype(np.float64)
        if self.clients > 1:
            return times_in_system(due, service, self.clients)
        wait = measured.times[number, self.order[0]] - service[0]
        times = times_in_system(np.concatenate([due[:1], due]), np.concatenate([[wait], service]))
        return np.asarray(times[1:])

    def against_theory(self, windows: int) -> float:
        """Print the comparison; return the largest deviation of a ratio from 1."""
        settings = {
            f"{name} {load}": (component, self.clients * load / self.service)
            for name, component in self.queues.items()
            for load in LOADS
        }
        found = self.measure("load", settings, windows)
        worst = 0.0
        print("queue load    what  theory   exact  measured  ratio  theory x ratio  service")
        for name, component in self.queues.items():
            for load in LOADS:
                one = found[f"{name} {load}"]
                rate = self.clients * load / self.service
                settling = SETTLING_QUERIES if self.clients > 1 else 0
                in_order = one.times[:, self.order][:, settling:]
                named = [self.exact(component, rate, int(c)) for c in one.cycles]
                served = [self.exact_as_served(one, n)[settling:] for n in range(len(one.times))]
                ratios = np.median(figures(in_order) / figures(np.stack(served)), axis=0)
                theory = self.theory(component, load)
                exact = figures(np.concatenate(named)[None])[0] / self.service
                pooled = figures(one.times.reshape(1, -1))[0] / self.service
                longer = one.load.service.mean() / self.service - 1
                for i, what in enumerate(("mean", "p50", "p90", "p99")):
                    print(
                        f"{name} {load:4} {what:>7} {theory[i]:7.3f} {exact[i]:7.3f} "
                        f"{pooled[i]:9.3f} {ratios[i]:6.3f} {theory[i] * ratios[i]:15.3f} "
                        f"{longer:+8.1%}"
                    )
                print(f"{name} {load:4} late starts {(one.load.outcomes == LATE_START).mean():.2%}")
                worst = max(worst, float(np.abs(ratios - 1).max()))
        return worst

    @property
    def queues(self) -> Mapping[str, int]:
        """The names of the queues, and the component of queries that has their service times."""
        return {f"M/D/{self.clients}": CONSTANT, f"M/M/{self.clients}": EXPONENTIAL}

    def theory(self, component: int, load: float) -> list[float]:
        """Mean and percentiles of a queue in service times; NaN where no formula is known."""
        if self.clients == 1:
            mean_of, quantile_of = THEORIES[component]
            return [mean_of(load), *(quantile_of(load, share) for share in SHARES)]
        if component == CONSTANT:
            return [mdc_mean(load, self.clients), *[float("nan")] * len(SHARES)]
        mean = mmc_mean(load, self.clients)
        return [mean, *(mmc_quantile(load, self.clients, share) for share in SHARES)]

    def stall(self, windows: int) -> None:
        """Print what one stall of 100 ms in 2000 queries does to p99."""
        rate = 0.5 / self.service
        loaded = self.measure("load", {"stall": (STALL, rate)}, windows)["stall"]
        closed = self.measure("single", {"stall": (STALL, None)}, windows)["stall"]
        exact = np.stack([self.exact(STALL, rate, c) for c in loaded.cycles.tolist()])
        for name, times in (("closed loop", closed.times), ("at .5 of capacity", loaded.times)):
            print(f"stall, {name}: p99 {1e3 * np.median(np.percentile(times, 99, axis=1)):.2f} ms")
        print(f"stall, exact: p99 {1e3 * np.median(np.percentile(exact, 99, axis=1)):.2f} ms")


class AtOnce(Algorithm):
    """Answers at once."""

    def fit(self, base: np.ndarray) -> None:
        self.ids = np.arange(5)

    def query(self, query: np.ndarray, k: int) -> np.ndarray:
        return self.ids

    def index_bytes(self) -> int:
        return 0


def overhead() -> None:
    """Print what the generator takes beside the call; the schedule is put off by it."""
    adapter = AtOnce("euclidean")
    adapter.fit(np.empty((0, 4), dtype=np.float32))
    turn = load_turn_function(adapter, np.zeros((NQ, 4), np.float32), 5, 1, UNLIMITED_MS)
    beside = []
    for _ in range(20):
        seconds = []
        for count in (NQ, 2 * NQ):  # what does not depend on the count cancels out
            began = time.perf_counter()
            timed = turn(np.resize(np.arange(NQ), count), np.zeros(count), count)
            seconds.append(time.perf_counter() - began - timed.service.sum())
        beside.append((seconds[1] - seconds[0]) / NQ)
    print(f"generator: {1e6 * np.median(beside):.2f} us a query beside the call, not counted")


def figures(times: np.ndarray) -> np.ndarray:
    """Mean and percentiles of each window, `(windows, 4)`."""
    percentiles: Sequence[np.ndarray] = np.percentile(times, [100 * s for s in SHARES], axis=1)
    return np.stack([times.mean(axis=1), *percentiles], axis=1)


if __name__ == "__main__":
    sys.exit(main())
