"""A tuned setting against the best of a large grid, or of random search, on real data.

Usage: python tests/performance/tuning_grid.py DATASET --algorithm X [--recall .95] [--budget 5m]
           [--grid-builds N | --random SEED | --all-rows] [--seed S] [--builds 5] [--k 10]
           [--threads 1] [--results FOLDER]

Three steps, of which the first two continue where they were stopped if the same is asked again:

1. `annharness tune` searches for the budget; its winners are not measured yet.
2. The opponent: a grid of N builds over the whole space, after those of the entry's own grid, by
   default of ten times as many builds as the first step has tried, without a limit of time; or
   builds drawn from anywhere in the space, without those of the entry, in the same budget; or, with
   `--all-rows`, what the first step does in the same budget without samples of the rows. Each
   build gets its best search setting as in the first step, so both are stronger than a grid of
   search settings too.
3. Both winners are built anew and measured in the same blocks, and compared as by
   `annharness compare`: a ratio above 1 says that the tuned one is faster.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

import harness
from harness.contracts.definitions import Parameters
from harness.registry.spaces import Axis
from harness.report.comparing.comparison import to_markdown
from harness.results.identity import hash_of
from harness.running.dataset_locks import DatasetLocks
from harness.running.executors.local import Executor
from harness.running.listener import PlainLines, plain_lines
from harness.running.plan import Plan
from harness.tuning.choosing import best_so_far
from harness.tuning.contenders import Contender
from harness.tuning.following import SearchLines, trial_text
from harness.tuning.journal import Journal
from harness.tuning.model import KnownBuild, build_id
from harness.tuning.request import TuneOptions, TuneRequest, build_threads_of, only_dataset
from harness.tuning.search import Samples, Search
from harness.tuning.session import samples_of
from harness.tuning.trials import Goal, Trial
from harness.tuning.winners import write_suite

_NO_LIMIT_SECONDS = 1e8


class GridContender(Contender):
    """Proposes the builds of a grid alone, in their order."""

    def proposals(
        self, known: Sequence[KnownBuild], best: Sequence[Parameters], seed: int,
        most_seconds: float = math.inf,
    ) -> Iterator[Parameters]:  # fmt: skip
        """Yield the builds of the grid that were not tried yet and can run."""
        own = {build_id(build) for build in self.first}
        every = super().proposals(known, [], seed)  # those of the grid come first
        yield from itertools.takewhile(lambda build: build_id(build) in own, every)


_NO_SAMPLES = Samples()


@dataclass(frozen=True)
class Found:
    """The winner of a search: its variant of a suite, and what the search took."""

    text: str
    variant: dict[str, Any]
    builds: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.builds} builds in {self.seconds:.0f} s, {self.text}"


def regular_grid(axes: dict[str, Axis], most: int) -> list[Parameters]:
    """Return at most so many builds on a grid: the middles of equal parts of each axis.

    Each build stands for an equal share of the space, so none is spent on its corners, where builds
    are slowest and seldom good.
    """
    values = {name: _values(axis, 1) for name, axis in axes.items()}
    while True:
        grown = {}
        for name, axis in axes.items():
            more = _values(axis, len(values[name]) + 1)
            size = len(more)
            for other, own in values.items():
                size *= len(own) if other != name else 1
            if len(more) > len(values[name]) and size <= most:
                grown[name] = more
        if not grown:
            break
        name = min(grown, key=lambda one: len(values[one]))  # the axis that has fewest values
        values[name] = grown[name]
    return [dict(zip(values, at, strict=True)) for at in itertools.product(*values.values())]


def _values(axis: Axis, count: int) -> list[object]:
    """The middles of so many equal parts, or the first choices. Fewer if there are no more."""
    if axis.values:
        return list(axis.values[:count])
    return list(dict.fromkeys(axis.at((i + 0.5) / count) for i in range(count)))


@dataclass(frozen=True)
class Arena:
    """What the searches of both sides share."""

    request: TuneRequest
    plan: Plan
    executor: Executor
    lines: PlainLines

    def searched(
        self, side: str, contender: Contender, goal: Goal, samples: Samples = _NO_SAMPLES
    ) -> Found:
        """Search, or continue, and return the winner.

        Raises
        ------
        SystemExit
            If nothing reaches the target.
        """
        suite, store = self.request.asked.suite, self.request.asked.store
        facts = self.request.to_json(self.plan, [contender], self.executor.machine)
        first = [dict(build) for build in contender.first]
        kept = {
            **facts,
            "side": side,
            "seed": goal.seed,
            "first": first,
            "strategy": contender.strategy,
        }
        journal = Journal.opened(store.root / "tuning", side, kept)
        with DatasetLocks(store.locks) as locks:
            Search(
                [contender], goal, suite, only_dataset(self.plan),
                build_threads_of(self.plan.points), self.executor, journal, locks,
                SearchLines(self.lines.say, self.lines.progress), samples,
            ).run()  # fmt: skip
        best = best_so_far(journal, contender, goal)
        if not best:
            raise SystemExit(f"{side}: nothing reaches recall {goal.recall:g}")
        return self._found(side, contender, goal, journal, best[0])

    def _found(
        self, side: str, contender: Contender, goal: Goal, journal: Journal, best: Trial
    ) -> Found:
        label = contender.label
        path = write_suite(self.request.asked.suite, goal, journal, [(contender, best)])
        [[variant]] = yaml.safe_load(path.read_text())["algorithms"].values()
        text = trial_text(contender, best)
        found = {**variant, "label": side}
        return Found(text, found, journal.count(label), journal.spent(label))


def sides(args: argparse.Namespace) -> tuple[TuneRequest, Found, Found]:
    """Search for both winners."""
    options = TuneOptions(
        args.recall, args.budget, args.dataset, seed=args.seed, k=args.k, threads=args.threads
    )
    request = TuneRequest.of([args.algorithm], options, args.results)
    with plain_lines(sys.stderr) as lines, request.asked.executor(lines.say) as executor:
        plan = request.asked.plan(executor.machine, lines.progress, lines.say)
        [contender] = request.contenders(plan)
        if contender.listed is not None:
            raise SystemExit(f"{contender.label} has no space: its settings are listed")
        arena = Arena(request, plan, executor, lines)
        samples = samples_of(request, only_dataset(plan))
        tuned = arena.searched("tuned", contender, request.goal, samples)
        if args.all_rows:
            return request, tuned, arena.searched("all-rows", contender, request.goal)
        if args.random is not None:
            goal = replace(request.goal, seed=args.random)
            other = arena.searched("random", replace(contender, first=(), strategy="random"), goal)
            return request, tuned, other
        count = args.grid_builds or 10 * tuned.builds
        first = list(contender.first)
        grid = [b for b in regular_grid(dict(contender.space.build), count) if b not in first]
        given = {one.name: getattr(contender, one.name) for one in fields(contender)}
        whole = GridContender(**{**given, "first": (*first, *grid), "strategy": "random"})
        goal = replace(request.goal, budget_seconds=_NO_LIMIT_SECONDS)
        return request, tuned, arena.searched("grid", whole, goal)


def compared(args: argparse.Namespace, request: TuneRequest, sides: Sequence[Found]) -> None:
    """Measure both winners in the same blocks and print how they compare."""
    tuned, other = (side.variant for side in sides)
    if [tuned["build"], tuned["search"]] == [other["build"], other["search"]]:
        print("both found the same setting")
        return
    suite = request.asked.suite
    # A folder for each pair: those of other seeds would be points of the same curves.
    folder = args.results / f"compared-{hash_of({one.text: one.variant for one in sides})}"
    found = harness.run(
        {
            "k": suite.ks[0], "datasets": list(suite.datasets), "threads": suite.threads,
            "algorithms": {suite.variants[0].algorithm: [tuned, other]}, "builds": args.builds,
        },
        results=folder,
    )  # fmt: skip
    table = found.table.set_index("label").loc[[tuned["label"], other["label"]]]
    for label, row in table.iterrows():
        held, low = row["held_out_recall"], row["held_out_recall_low"]
        met = "met" if low >= args.recall else "NOT MET"
        print(
            f"{label}: {met}, held-out recall {held:.4f}, at least {low:.4f}, {row['qps']:,.0f} QPS"
        )
    level = float(
        table[f"recall@{args.k}"].min()
    )  # each side has one point: its own speed is compared
    result = harness.compare(other["label"], tuned["label"], recalls=level, results=folder)
    print(to_markdown(result.found))


def main() -> None:
    """Parse the arguments, search and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--algorithm", required=True)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--grid-builds", type=int, help="by default ten times those of tune")
    parser.add_argument("--random", type=int, metavar="SEED", help="random search instead")
    parser.add_argument("--all-rows", action="store_true", help="no samples of the rows instead")
    parser.add_argument("--seed", type=int, default=0, help="of tune")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--builds", type=int, default=5, help="of each winner in the comparison")
    parser.add_argument("--results", type=Path, default=Path("results"))
    args = parser.parse_args()
    request, tuned, other = sides(args)
    print(f"{args.dataset}, {args.algorithm}, recall {args.recall:g}")
    for side in (tuned, other):
        print(f"{side.variant['label']}: {side}")
    compared(args, request, (tuned, other))


if __name__ == "__main__":
    main()
