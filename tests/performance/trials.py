"""Does `compare` tell the truth? The same algorithm under two names must be tied, and one made 20 %
slower must be found slower, in at least 95 of 100 trials, on a machine that is otherwise used.

    python tests/performance/trials.py --trials 100 --builds 5
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import harness
from harness.report.compare import compare_curves

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
SUITE = """\
k: 10
datasets: glove-50-10k
algorithms: {{one: , same: , slower: }}
builds: {builds}
repeats: {repeats}
build_threads: 1
"""


def main() -> None:
    """Print how often each verdict was given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--builds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    same, slower = Counter(), Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder, options.builds, options.repeats)
        for trial in range(options.trials):
            a_a, a_b = verdicts(folder, trial)
            same[a_a] += 1
            slower[a_b] += 1
            print(f"{trial + 1}: same {dict(same)}, 20 % slower {dict(slower)}", flush=True)


def lay_out(folder: Path, builds: int, repeats: int) -> None:
    plugin = folder / "plugins" / "algorithms" / "trial"
    plugin.mkdir(parents=True)
    (plugin / "adapter.py").write_text(ADAPTER)
    extras = {"one": 0.0, "same": 0.0, "slower": 0.25}  # 1 / 1.25 of the speed: 20 % slower
    entries = [ENTRY.format(name=name, extra=extra) for name, extra in extras.items()]
    (plugin / "config.yml").write_text("\n".join(entries))
    (folder / "trial.yml").write_text(SUITE.format(builds=builds, repeats=repeats))


def verdicts(folder: Path, trial: int) -> tuple[str, str]:
    results = folder / f"results-{trial}"
    command = [sys.executable, "-m", "harness", "run", "trial.yml", "--results", str(results)]
    env = {**os.environ, "ANNHARNESS_PLUGINS": str(folder / "plugins")}
    nowhere = subprocess.DEVNULL
    subprocess.run(command, cwd=folder, env=env, stdout=nowhere, stderr=nowhere, check=True)
    table = harness.load_results(results)
    [same] = compare_curves(table, "one", "same", [0.99])
    [slower] = compare_curves(table, "one", "slower", [0.99])
    return same.verdict, slower.verdict


if __name__ == "__main__":
    main()
