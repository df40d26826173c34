"""Does `compare` tell the truth? The same algorithm under two names must be tied, and one made 20 %
slower must be found slower, in at least 95 of 100 trials, on a machine that is otherwise used.

    python tests/performance/trials.py --trials 100

Each trial is a run of its own: 8 builds of each, every build in a process of its own, while other
processes (`disturbance.py`) take a random half of every core's time. The last lines say how much
the ratio of neighbouring builds varied, by QPS and by pace.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from disturbance import disturbed

from harness.cli.data import open_named
from harness.data.cache import cache_folder
from harness.registry.registry import load_registry
from harness.registry.suites import read_suite
from harness.report.compare import compare_curves
from harness.results.store import ResultStore
from harness.results.table import load_results
from harness.running.executor import LocalExecutor
from harness.running.machine import this_machine
from harness.running.planning import Plan, plan_suite
from harness.running.runner import Runner

BUILDS, REPEATS, BURNERS = 8, 10, 2
ADAPTER = '''\
from time import perf_counter

import numpy as np

from harness.contracts import Algorithm


class Scan(Algorithm):
    """Exact search that takes at least `extra` more of the time it needs."""

    def __init__(self, metric, extra):
        super().__init__(metric)
        self.extra = extra

    def fit(self, base):
        self.rows = base.copy()

    def query(self, query, k):
        began = perf_counter()
        scores = self.rows @ query
        ids = np.argpartition(-scores, k)[:k]
        ids = ids[np.argsort(-scores[ids])]
        until = (perf_counter() - began) * (1 + self.extra) + began
        while perf_counter() < until:
            pass
        return ids

    def index_bytes(self):
        return self.rows.nbytes
'''
ENTRY = """\
{name}:
  adapter: adapter:Scan
  about: One of three for the trials.
  metrics: [angular]
  build: {{extra: {extra}}}
"""
EXTRAS = {"one": 0.0, "same": 0.0, "slower": 0.25}  # 1 / 1.25 of the speed: 20 % slower
SUITE = f"""\
k: 10
datasets: small.hdf5
algorithms: {{one: , same: , slower: }}
builds: {BUILDS}
repeats: {REPEATS}
build_threads: 1
"""


class Trial(NamedTuple):
    """The verdicts of one trial, and log ratios of neighbouring builds of `same` and `one`."""

    same: str
    slower: str
    qps_ratios: np.ndarray
    pace_ratios: np.ndarray
    seconds: float


def main() -> None:
    """Print how often each verdict was given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--burners", type=int, default=BURNERS)
    options = parser.parse_args()
    same, slower = Counter(), Counter()
    done = []
    with tempfile.TemporaryDirectory() as name, disturbed(options.burners):
        for number, trial in enumerate(trials(Path(name), options.trials), start=1):
            done.append(trial)
            same[trial.same] += 1
            slower[trial.slower] += 1
            counts = f"same {dict(same)}, 20 % slower {dict(slower)}"
            print(f"{number}: {counts}, {trial.seconds:.0f} s", flush=True)
    for measure in ("qps_ratios", "pace_ratios"):
        logs = np.concatenate([getattr(trial, measure) for trial in done])
        print(f"{measure}: standard deviation of the logarithm {logs.std():.3f}")


def trials(folder: Path, count: int) -> Iterator[Trial]:
    """Yield trials, each in a results folder of its own."""
    lay_out(folder)
    plan = planned(folder)
    for number in range(count):
        results = folder / f"results-{number}"
        began = time.monotonic()
        Runner(plan, ResultStore(results), LocalExecutor(cache_folder())).run()
        yield judged(results, time.monotonic() - began)


def lay_out(folder: Path) -> None:
    """Write the three algorithms, their suite and a small dataset."""
    plugin = folder / "plugins" / "algorithms" / "trial"
    plugin.mkdir(parents=True)
    (plugin / "adapter.py").write_text(ADAPTER)
    entries = [ENTRY.format(name=name, extra=extra) for name, extra in EXTRAS.items()]
    (plugin / "config.yml").write_text("\n".join(entries))
    (folder / "trial.yml").write_text(SUITE)
    rng = np.random.default_rng(3)
    with h5py.File(folder / "small.hdf5", "w") as file:
        file["train"] = rng.standard_normal((2000, 32)).astype(np.float32)
        file["test"] = rng.standard_normal((500, 32)).astype(np.float32)
        file.attrs["distance"] = "angular"
        file.attrs["point_type"] = "float"


def planned(folder: Path) -> Plan:
    """Return the plan of the three, without the ceiling: every second counts."""
    registry = load_registry([folder / "plugins"])
    suite = read_suite(str(folder / "trial.yml"), registry.algorithms)
    dataset = open_named(str(folder / "small.hdf5"), None)
    plan = plan_suite(suite, registry, {dataset.name: dataset}, this_machine())
    return dataclasses.replace(plan, points=[p for p in plan.points if p.header.in_answers])


def judged(results: Path, seconds: float) -> Trial:
    """Return what `compare` says of a finished run."""
    table = load_results(results).set_index("algorithm", drop=False)
    [same] = compare_curves(table, "one", "same", [0.99])
    [slower] = compare_curves(table, "one", "slower", [0.99])
    ratios = [
        np.log(table.loc["same", c] / table.loc["one", c]) for c in ("build_qps", "build_pace")
    ]
    return Trial(same.verdict, slower.verdict, *ratios, seconds)


if __name__ == "__main__":
    main()
