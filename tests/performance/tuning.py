"""Tunings of simulated indexes: is the target kept, and do the model and samples of the rows pay?

Usage: python tests/performance/tuning.py [tunings] [seconds of simulated budget] [--shapes]
       python tests/performance/tuning.py [tunings] --slow BUILDS

Either with `--first SEED`, for other indexes and other searches.

The first compares proposals by the model with proposals from anywhere. The second has a million
rows, and a budget of so many builds of the default parameters; it compares a search with samples of
the rows with one without. The optimum of a landscape, how steep it is, and its best choice differ
with the number of rows.

A landscape is an index whose recall and time follow smooth functions of two numbers, a choice and a
monotone search parameter, with an optimum somewhere in the space. Around it the logarithm of the
work is a quadratic bowl; with `--shapes`, it has four other shapes in turn. Everything but the
executor is that of `annharness tune`. Nothing is measured; 100 tunings take some minutes.
"""

from __future__ import annotations

import argparse
import copy
import math
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.measures.choosing import split_queries
from harness.measures.ladders import Asked, lowest_reaching
from harness.measures.recall_intervals import recall_bounds
from harness.measures.tuning import judged, part_sizes
from harness.registry import load_registry
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.settings import Facts, space_of
from harness.registry.suites import suite_of
from harness.results.point import BuildFacts
from harness.running.blocks import BlockOutcome, BlockSpec, Measured, MemberSpec, Probe, TaskFailure
from harness.running.dataset_locks import DatasetLocks
from harness.running.executors.targets import FAR_TOO_SLOW, TOO_SLOW
from harness.tuning.choosing import best_so_far
from harness.tuning.contenders import Contender, Strategy
from harness.tuning.journal import Journal
from harness.tuning.search import Samples, Search
from harness.tuning.trials import Goal, Trial

N, K, NQ = 10_000, 10, 1000
SLOW_N = 1_000_000
DEFAULT = {"M": 16, "effort": 200, "kind": "a", "seed": 0}
_PASSES, _REFERENCE_SECONDS = 4, 1e-5

Shape = Literal["bowl", "ridge", "corner", "plateau", "choice"]
"""How the work of a build grows away from the best (see `Landscape`)."""

SHAPES: tuple[Shape, ...] = ("ridge", "corner", "plateau", "choice")
_FLAT = 0.4
"""The height of a plateau: far from the best all builds need so much more work."""

_ENTRY = """\
simulated:
  adapter: adapter:Simulated
  about: A landscape.
  metrics: [angular]
  build: {M: [16], effort: [200], kind: [a], seed: 0}
  search: {ef: [100]}
  tune:
    build:
      M: {int: [4, 64], log: true}
      effort: {int: [40, 800], log: true}
      kind: [a, b, c, d]
    search: {ef: {int: [10, 2000], log: true, monotone: recall}}
"""


@dataclass
class Landscape:
    """An index whose best parameters lie at `best`; `crashes` is a kind that cannot be built.

    `bytes_of_link` times M is what it adds to the 400 bytes of each vector. `n` are all rows.
    The logarithm of the work is a quadratic `bowl` in the logarithms of the numbers; or a `ridge`,
    on which a larger M wants a larger effort; a `corner`, as steep beside the best as far away; a
    `plateau`, flat far away; or each `choice` has its optimum elsewhere.
    """

    seed: int
    crashes: str = ""
    bytes_of_link: int = 0
    n: int = N
    shape: Shape = "bowl"

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.best = np.log([rng.uniform(6, 50), rng.uniform(60, 600)])
        self.curvature = rng.uniform(0.1, 0.6, 2)
        self.kinds = dict(zip("abcd", rng.permutation([0.0, 0.05, 0.3, 0.6]), strict=True))
        self.scale = rng.uniform(15, 60)
        self.luck = rng.random((NQ, K))  # of each query and neighbour
        self.moves = rng.uniform(-0.2, 0.5, 2)  # nlist, as the square root of the rows, has 0.5
        self.shifts = dict(zip("abcd", rng.normal(0, 0.05, 4), strict=True))
        self.slopes = rng.normal(0, 0.1, 2)
        self.tilt = rng.uniform(-1.8, 1.8)  # of a ridge; 2 would be a line of equal builds
        self.optima = {kind: rng.normal(0, 0.7, 2) for kind in "abcd"}
        self.optima[min(self.kinds, key=self.kinds.__getitem__)] = np.zeros(2)

    def on(self, rows: int) -> Landscape:
        """The index of a sample of the rows."""
        if rows == self.n:
            return self
        found, depth = copy.copy(self), math.log(rows / self.n)
        found.n = rows
        found.best = self.best + self.moves * depth
        found.curvature = self.curvature * np.exp(self.slopes * depth)
        found.kinds = {k: v + self.shifts[k] * depth for k, v in self.kinds.items()}
        found.scale = self.scale * math.exp(0.2 * depth)
        return found

    def log_work(self, build: dict[str, object]) -> float:
        """How much more work a build needs for one recall than the best."""
        kind = str(build["kind"])
        away = np.log([float(str(build["M"])), float(str(build["effort"]))]) - self.best
        if self.shape == "choice":
            away = away - self.optima[kind]
        work = float(self.curvature @ away**2)
        if self.shape == "ridge":
            work += float(self.tilt * np.prod(np.sqrt(self.curvature) * away))
        elif self.shape == "corner":
            work = float(self.curvature @ np.abs(away))
        elif self.shape == "plateau":
            work = _FLAT * -math.expm1(-work / _FLAT)
        return float(work + self.kinds[kind])

    def log_seconds(self, build: dict[str, object], ef: float) -> float:
        """The time of a query."""
        return math.log(2e-6) + math.log(ef + 10)

    def recalls(self, build: dict[str, object], ef: float, number: int) -> NDArray[np.float64]:
        """`(nq,)` recall of a build of this number, whose seed moves it a little."""
        luck = np.random.default_rng([self.seed, number, zlib.crc32(str(build).encode())]).normal(
            0, 0.03
        )
        found = 1 - math.exp(-((ef / self.scale / math.exp(self.log_work(build) + luck)) ** 0.7))
        hardness = np.linspace(0.2, 1.8, NQ)[np.argsort(self.luck[:, 0])]
        hits = self.luck > (1 - found) * hardness[:, None]
        return np.asarray(hits.mean(axis=1))

    def least_log_seconds(self, build: dict[str, object], recall: float) -> float:
        """The time of a query at the setting that just reaches a recall, without luck."""
        ef = self.scale * math.exp(self.log_work(build)) * (-math.log(1 - recall)) ** (1 / 0.7)
        return self.log_seconds(build, ef)

    def best_log_seconds(self, recall: float) -> float:
        """The time of a query of the best build of the space, without luck."""
        low, high = np.log([4, 40]), np.log([64, 800])
        m, effort = np.exp(np.clip(self.best, low, high))
        kind = min(self.kinds, key=self.kinds.__getitem__)
        return self.least_log_seconds({"M": m, "effort": effort, "kind": kind}, recall)

    def index_bytes(self, build: dict[str, object]) -> int:
        return self.n * (400 + self.bytes_of_link * int(str(build["M"])))

    def build_seconds(self, build: dict[str, object]) -> float:
        slow = float(str(build["M"])) * float(str(build["effort"])) / 1000
        return (2 + slow) * self.n / N


@dataclass
class SimulatedExecutor:
    """Answers blocks with a target by a landscape."""

    landscape: Landscape
    reached: list[float] = field(default_factory=list)

    def run_blocks(
        self, blocks: Iterator[BlockSpec | None], follow: object
    ) -> Iterator[tuple[BlockSpec, BlockOutcome | None]]:
        for spec in blocks:
            assert spec is not None
            assert spec.target is not None
            self.reached = [times * _REFERENCE_SECONDS for _, times in spec.target.begun]
            outcome = BlockOutcome(spec.id, spec.number, spec.order_seed, NQ)
            for member in spec.members:
                self._measure(spec, member, outcome)
            noise = np.random.default_rng([self.landscape.seed, spec.number]).normal(0, 0.01)
            outcome.reference_times = np.full(_PASSES, _REFERENCE_SECONDS * math.exp(noise))
            yield spec, outcome
            yield spec, None

    def _measure(self, spec: BlockSpec, member: MemberSpec, outcome: BlockOutcome) -> None:
        land = self.landscape.on(int(spec.fingerprint.removeprefix(Rows.name)))
        build, order = dict(member.build), spec.order(NQ)
        seconds, size = land.build_seconds(build), land.index_bytes(build)
        outcome.seconds += min(seconds, spec.timeout)
        if seconds > spec.timeout or build["kind"] == land.crashes:
            late = seconds > spec.timeout
            failure = TaskFailure("timeout" if late else "crashed", "as told", "build")
            outcome.failed.update({s.key: failure for s in member.settings})
            return
        target = spec.target
        assert target is not None
        own: list[float] = []

        def ask(number: int) -> Asked:
            setting = member.settings[number]
            if target.most_index_bytes < size:
                outcome.probes[setting.key] = Probe(math.nan, 0, math.nan, size, seconds)
                return Asked("misses")
            recalls = land.recalls(build, setting.search["ef"], spec.number)[order]
            time = math.exp(land.log_seconds(build, setting.search["ef"]))
            is_useless = target.race == "time" and (
                time > TOO_SLOW * min(own, default=math.inf)
                or time > FAR_TOO_SLOW * min(self.reached, default=math.inf)
            )
            for asked in part_sizes(len(order)):
                found = judged(recalls[:asked], len(order), target.recall)
                if found.reaches is not None or is_useless:
                    break
            outcome.probes[setting.key] = Probe(
                found.recall, asked, time, size, seconds, is_useless, _REFERENCE_SECONDS
            )
            outcome.seconds += 2 * asked * time
            if is_useless and found.reaches is not False:
                return Asked("too slow", time)
            if found.reaches:
                own.append(time)
            return Asked("reaches" if found.reaches else "misses", time, is_useless)

        chosen = lowest_reaching([s.place for s in member.settings], ask)
        self.reached += own
        for number in chosen:
            setting = member.settings[number]
            rng = np.random.default_rng([land.seed, spec.number, number])
            level = land.log_seconds(build, setting.search["ef"])
            times = np.full((_PASSES, NQ), np.nan)
            times[:, order] = np.exp(level + rng.normal(0, 0.02, (_PASSES, 1)))
            facts = BuildFacts(
                prepare_seconds=0, build_seconds=seconds, measured_index_bytes=0,
                index_bytes=size,
            )  # fmt: skip
            ids = np.zeros((1, NQ, K), dtype=np.int32)
            cycles = np.arange(_PASSES, dtype=np.int16)
            outcome.finished[setting.key] = Measured(
                times, np.nansum(times, axis=1), cycles, ids, facts, {}
            )
            outcome.seconds += 1.0


@dataclass(frozen=True)
class Rows:
    """What the search asks of a dataset."""

    base: NDArray[np.float64]
    name = "simulated-"
    queries = np.empty((NQ, 1))
    path = Path("simulated")
    metric = "angular"

    @classmethod
    def of(cls, n: int) -> Rows:
        """So many rows."""
        return cls(np.empty((n, 1)))

    @property
    def fingerprint(self) -> str:
        """Tells the number of rows."""
        return f"{self.name}{len(self.base)}"

    def require_unchanged(self) -> None:
        """Nothing can change."""


def definition_in(folder: Path) -> AlgorithmDefinition:
    """Write and read the entry of the simulated index."""
    plugin = folder / "algorithms" / "simulated"
    plugin.mkdir(parents=True, exist_ok=True)
    (plugin / "config.yml").write_text(_ENTRY)
    (plugin / "adapter.py").write_text("class Simulated: ...\n")
    return load_registry([folder]).algorithm("simulated")


def search_of(
    landscape: Landscape, folder: Path, goal: Goal, strategy: Strategy = "model",
    kind: type[Contender] = Contender, samples: bool = False,
) -> Search:  # fmt: skip
    """Return a search on a landscape; its journal is kept in the folder.

    With `samples` it may make builds of samples of the rows.
    """
    definition = definition_in(folder)
    space = space_of(definition)
    facts = Facts(K, landscape.n, 1, "angular")
    contender = kind("simulated", definition, None, facts, space, (DEFAULT,), strategy=strategy)
    journal = Journal.opened(folder, "search", {"land": landscape.seed, "strategy": strategy})
    conditions = suite_of(["simulated"], ["exact"], load_registry().algorithms)
    executor = SimulatedExecutor(landscape)
    return Search(
        [contender], goal, conditions, Rows.of(landscape.n), 1, executor, journal,  # type: ignore[arg-type]
        DatasetLocks(folder / ".locks"), samples=Samples(Rows.of if samples else None),  # type: ignore[arg-type]
    )  # fmt: skip


def keeps_target(landscape: Landscape, trial: Trial, recall: float) -> bool:
    """Whether new builds of a winner reach the recall on held-out queries, with the interval."""
    held_out = split_queries(NQ).held_out
    builds = [landscape.recalls(trial.build, trial.search["ef"], seed) for seed in range(3)]
    return bool(recall_bounds(np.stack(builds)[:, held_out, None]).low[0] >= recall)


@dataclass(frozen=True)
class Way:
    """A way to search."""

    name: str
    strategy: Strategy = "model"
    samples: bool = False


@dataclass(frozen=True)
class Searched:
    """The winner of a search; times are logarithms, without luck, less that of the best build.

    `built` is the fastest of all builds of all rows, `chosen` the winner.
    """

    best: Trial
    chosen: float
    built: float


def searched(landscape: Landscape, goal: Goal, way: Way) -> Searched:
    """Search in a way."""
    with tempfile.TemporaryDirectory() as folder:
        search = search_of(landscape, Path(folder), goal, way.strategy, samples=way.samples)
        search.run()
        [best] = best_so_far(search.journal, search.contenders[0], goal)
        reached = [trial for trial in search.journal.on("simulated") if trial.reached]
    least = landscape.best_log_seconds(goal.recall)
    times = [landscape.least_log_seconds(t.build, goal.recall) - least for t in [best, *reached]]
    return Searched(best, times[0], min(times[1:]))


def compared(landscapes: Iterator[Landscape], goal: Goal, one: Way, other: Way) -> None:
    """Tune each landscape in both ways, and print how they compare."""
    kept, pairs = [], []
    for landscape in landscapes:
        pair = [searched(landscape, goal, way) for way in (one, other)]
        kept += [keeps_target(landscape, found.best, goal.recall) for found in pair]
        pairs.append(pair)
    chosen = np.array([[found.chosen for found in pair] for pair in pairs])
    built = np.array([[found.built for found in pair] for pair in pairs])
    gains = chosen[:, 1] - chosen[:, 0]
    better, equal = np.mean(gains > 0.01), np.mean(np.abs(gains) <= 0.01)
    print(f"{len(gains)} simulated indexes, {goal.budget_seconds:g} s each")
    for way, picked, fastest in zip((one, other), chosen.T, built.T, strict=True):
        print(
            f"{way.name}: slower than the best build of the space by {np.expm1(picked.mean()):.1%};"
            f" the fastest that was built, by {np.expm1(fastest.mean()):.1%}"
        )
    print(f"target kept on held-out queries, with its interval: {np.mean(kept):.1%} of {len(kept)}")
    print(f"{one.name} against {other.name}: faster by {np.expm1(gains.mean()):.1%} on average,")
    worse, luck = 1 - better - equal, np.mean(gains < -0.03)
    print(f"better in {better:.0%}, equal within 1 % in {equal:.0%}, worse in {worse:.0%};")
    print(f"worse by more than 3 %, by which builds differ by luck, in {luck:.0%}")


def main() -> None:
    """Parse the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tunings", type=int, nargs="?", default=100)
    parser.add_argument("budget_seconds", type=float, nargs="?", default=120.0)
    parser.add_argument("--first", type=int, default=0, help="seed of the first, and of searches")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--slow", type=float, metavar="BUILDS", help="samples of a million rows")
    kind.add_argument("--shapes", action="store_true", help="landscapes that are no bowls")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.tunings)

    def goal(budget_seconds: float) -> Goal:
        return Goal(0.95, ("query",), None, budget_seconds, args.first)

    if args.slow is None:
        shapes = SHAPES if args.shapes else ("bowl",)
        landscapes = (Landscape(seed, shape=shapes[seed % len(shapes)]) for seed in seeds)
        anywhere = Way("anywhere", "random")
        compared(landscapes, goal(args.budget_seconds), Way("by the model"), anywhere)
        return
    budget_seconds = args.slow * Landscape(0, n=SLOW_N).build_seconds(DEFAULT)
    slow_ones = (Landscape(seed, n=SLOW_N) for seed in seeds)
    compared(slow_ones, goal(budget_seconds), Way("with samples", samples=True), Way("without"))


if __name__ == "__main__":
    main()
