"""Checks that the same query gives the same neighbours: again, in another order, elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.checks.bench import Bench
from harness.checks.catalog import rule
from harness.checks.rules.answers import require_same
from harness.checks.trials import Skipped, Trial


@rule
def settings_take_turns(bench: Bench, trial: Trial) -> None:
    """A search setting gives the same neighbours before and after another one was used."""
    if len(trial.cases) < 2:
        raise Skipped("the entry has one search setting only")
    first, *others = trial.cases
    algorithm = bench.fit(first)
    before = bench.ask(algorithm, first)
    for case in others:
        bench.note(f"search {dict(case.search)}")
        bench.ask(bench.ready(algorithm, case), case)
    after = bench.ask(bench.ready(algorithm, first), first)
    require_same(before, after, f"the same answers from {dict(first.search)} again")


@rule
def same_seed(bench: Bench, trial: Trial) -> None:
    """Two builds with one thread and equal parameters, including the seed, give the same."""
    first = bench.ask(bench.built(trial.case).algorithm, trial.case)
    second = bench.ask(bench.fit(trial.case), trial.case)
    require_same(first, second, "the same answers from a second build")


@rule
def query_order(bench: Bench, trial: Trial) -> None:
    """The neighbours do not depend on earlier queries."""
    algorithm = bench.built(trial.case).algorithm
    forward = bench.ask(algorithm, trial.case)
    backward = bench.ask(algorithm, trial.case, bench.queries(trial.case)[::-1].copy())
    require_same(forward, backward[::-1], "the same answers in reverse order")


@rule
def twice_in_one_process(bench: Bench, trial: Trial) -> None:
    """Two indexes in one process do not affect each other."""
    case = trial.case
    first = bench.fit(case)
    before = bench.ask(first, case)
    turned = bench.base(case)[::-1].copy()
    second = bench.fit(case, turned)
    bench.ask(second, replace(case, note="another index"))
    after = bench.ask(bench.ready(first, case), case)
    require_same(before, after, "the first index to answer as before")


@rule
def fresh_process(bench: Bench, trial: Trial) -> None:
    """Built in another process with the same parameters, the index gives the same."""
    here = bench.ask(bench.built(trial.case).algorithm, trial.case)
    there = np.array(trial.answers, dtype=np.int64)
    require_same(there, here, "the answers of the other process")
