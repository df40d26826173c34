"""Does a comparison tell the truth, and how small a difference does it find, on a busy machine?

    python tests/performance/trials.py --trials 100

Each trial is a run of its own in five blocks of default settings, while other processes
(`disturbance.py`) take a random half of every core's time. Four indexes are measured: an exact
scan by FAISS, the same under another name, and two made slower by 3 % and by 10 %. Printed are the
verdicts of the second, third and fourth against the first, the fourth with three blocks too, and
the standard deviation of the logarithms of their ratios over the blocks.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from disturbance import disturbed

from harness.data.cache.folder import cache_folder
from harness.measures.speed import typical_difference
from harness.measures.verdicts import Speeds, estimate, judge
from harness.registry.registry import load_registry
from harness.registry.suites import read_suite
from harness.results.store import ResultStore
from harness.results.table.rows import load_results
from harness.results.table.speeds import speeds_of_row
from harness.running.datasets import open_named
from harness.running.executors.local import LocalExecutor
from harness.running.machine.facts import this_machine
from harness.running.plan import Plan, plan_suite
from harness.running.runner import Runner

BLOCKS, BURNERS = 5, 2
FEW_BLOCKS = 3
ADAPTER = '''\
from time import perf_counter

import faiss

from harness.contracts import Algorithm


class Scan(Algorithm):
    """Exact search by FAISS that takes `extra` more of the time it needs."""

    def __init__(self, metric, extra):
        super().__init__(metric)
        self.extra = extra

    def fit(self, base):
        self.index = faiss.IndexFlatIP(base.shape[1])
        self.index.add(base)

    def query(self, query, k):
        began = perf_counter()
        ids = self.index.search(query[None], k)[1][0]
        until = (perf_counter() - began) * (1 + self.extra) + began
        while perf_counter() < until:
            pass
        return ids

    def index_bytes(self):
        return 4 * self.index.ntotal * self.index.d
'''
ENTRY = """\
{name}:
  adapter: adapter:Scan
  about: One of four for the trials.
  metrics: [angular]
  build: {{extra: {extra}}}
"""
# 0.97 and 0.9 of the speed. The wait ends at the next look at the clock, so that 0 is not free.
EXTRAS = {"one": 0.0, "same": 0.0, "slower-3": 1 / 0.97 - 1, "slower-10": 1 / 0.9 - 1}
SUITE = """\
k: 10
datasets: small.hdf5
algorithms: {{one: , same: , slower-3: , slower-10: }}
builds: {blocks}
build_threads: 1
precision: off
"""


class Trial(NamedTuple):
    """The verdicts of one trial and the log ratios of its blocks, by the name of the other side."""

    verdicts: dict[str, str]
    log_ratios: dict[str, np.ndarray]
    seconds: float


def main() -> None:
    """Print how often each verdict was given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--burners", type=int, default=BURNERS)
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    done = []
    with tempfile.TemporaryDirectory() as name, disturbed(options.burners):
        for number, trial in enumerate(trials(Path(name), options.trials), start=1):
            done.append(trial)
            for side, verdict in trial.verdicts.items():
                counts.setdefault(side, Counter())[verdict] += 1
            shown = "; ".join(f"{side} {dict(count)}" for side, count in counts.items())
            spread = pooled_spread([one.log_ratios["same"] for one in done])
            print(f"{number}: {shown}; spread {spread:.4f}; {trial.seconds:.0f} s", flush=True)
    for side in done[0].log_ratios:
        logs = [trial.log_ratios[side] for trial in done]
        ratio, spread = math.exp(np.mean(logs)), pooled_spread(logs)
        print(f"{side} / one: {ratio:.4f}, spread between blocks {spread:.4f}")


def pooled_spread(logs: list[np.ndarray]) -> float:
    """Return the standard deviation of the blocks of a trial, pooled over the trials."""
    return math.sqrt(np.var(logs, axis=1, ddof=1).mean())


def trials(folder: Path, count: int, blocks: int = BLOCKS) -> Iterator[Trial]:
    """Yield trials of at least three blocks, each in a results folder of its own."""
    lay_out(folder, blocks)
    plan = planned(folder)
    for number in range(count):
        results = folder / f"results-{number}"
        began = time.monotonic()
        Runner(plan, ResultStore(results), LocalExecutor(cache_folder())).run()
        yield judged(results, time.monotonic() - began)


def lay_out(folder: Path, blocks: int) -> None:
    """Write the four algorithms, their suite and a small dataset."""
    plugin = folder / "plugins" / "algorithms" / "trial"
    plugin.mkdir(parents=True)
    (plugin / "adapter.py").write_text(ADAPTER)
    entries = [ENTRY.format(name=name, extra=extra) for name, extra in EXTRAS.items()]
    (plugin / "config.yml").write_text("\n".join(entries))
    (folder / "trial.yml").write_text(SUITE.format(blocks=blocks))
    rng = np.random.default_rng(3)
    with h5py.File(folder / "small.hdf5", "w") as file:
        file["train"] = rng.standard_normal((4000, 32)).astype(np.float32)
        file["test"] = rng.standard_normal((500, 32)).astype(np.float32)
        file.attrs["distance"] = "angular"
        file.attrs["point_type"] = "float"


def planned(folder: Path) -> Plan:
    """Return the plan of the four, without `no-op`: every second counts."""
    registry = load_registry([folder / "plugins"])
    suite = read_suite(str(folder / "trial.yml"), registry.algorithms)
    dataset = open_named(str(folder / "small.hdf5"), None)
    plan = plan_suite(suite, registry, {dataset.name: dataset}, this_machine())
    return dataclasses.replace(plan, points=[p for p in plan.points if p.header.in_answers])


def judged(results: Path, seconds: float) -> Trial:
    """Return the verdicts on a finished run, each as a comparison of its own."""
    table = load_results(results).set_index("algorithm", drop=False)
    speeds = {name: speeds_of_row(row) for name, row in table.to_dict("index").items()}
    one = speeds.pop("one")
    verdicts = {name: verdict(other, one) for name, other in speeds.items()}
    name = f"slower-10 in {FEW_BLOCKS} blocks"
    verdicts[name] = verdict(*(first(s, FEW_BLOCKS) for s in (speeds["slower-10"], one)))
    ratios = {name: in_blocks(one, other) for name, other in speeds.items()}
    return Trial(verdicts, ratios, seconds)


def in_blocks(one: Speeds, other: Speeds) -> np.ndarray:
    """Return the logarithm of other / one in QPS, block by block."""
    pairs = zip(one.levels, other.levels, strict=True)
    return np.array([typical_difference(ours, theirs) for ours, theirs in pairs])


def verdict(ours: Speeds, theirs: Speeds) -> str:
    """Return the verdict of one comparison alone."""
    return judge([estimate(ours, theirs)])[0].verdict


def first(speeds: Speeds, blocks: int) -> Speeds:
    """Return the speeds of the first builds alone."""
    return Speeds(*(column[:blocks] for column in dataclasses.astuple(speeds)))


if __name__ == "__main__":
    main()
