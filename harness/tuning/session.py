"""One search from the request to the measured winners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import UserError
from harness.data.cache.cached import CachedDataset
from harness.data.row_samples import open_sample
from harness.results.identity import hash_of, slug
from harness.running.dataset_locks import DatasetLocks, is_locked_by
from harness.running.executors.local import Executor
from harness.running.listener import RunSummary
from harness.running.plan import Plan
from harness.running.suite_run import RunOptions, SuiteRun
from harness.tuning.contenders import Contender
from harness.tuning.following import Outputs, SearchFollower, trial_text
from harness.tuning.journal import Journal
from harness.tuning.request import TuneRequest, build_threads_of, only_dataset
from harness.tuning.search import Samples, Search
from harness.tuning.trials import Goal, Trial
from harness.tuning.winners import winners_of, write_suite

FOLDER = "tuning"
"""Of the results folder: a folder for each search."""


@dataclass(frozen=True)
class Tuned:
    """What a search has found, and how its winners were measured.

    `missed` are the contenders of which nothing reached the target, each with its nearest miss.
    `suite` is the file of the suite that measures the winners, and `asked` that suite as it was
    run.
    """

    goal: Goal
    contenders: Sequence[Contender]
    journal: Journal
    winners: Sequence[tuple[Contender, Trial]]
    missed: Sequence[tuple[Contender, Trial | None]]
    suite: Path
    asked: SuiteRun
    plan: Plan
    summary: RunSummary


def tuned(request: TuneRequest, told: Outputs, plugins: Sequence[Path] = ()) -> Tuned:
    """Search, then build the winners again and measure them; the same request continues.

    Raises
    ------
    UserError
        If nothing can be tuned, the budget is too small for one build, or nothing reaches the
        target.
    StoreFull
        If a disk is full; everything stored before is kept.
    """
    asked = request.asked
    for line in asked.warnings():
        told.say(line)
    with asked.executor(told.say) as executor:
        with told.progress() as progress:
            plan = asked.plan(executor.machine, progress, told.say)
        contenders = request.contenders(plan)
        with _journal(request, plan, contenders, executor) as journal:
            if not journal.trials:
                request.require_budget(plan, contenders, executor.machine)
            with told.search() as follower, DatasetLocks(asked.store.locks) as locks:
                _search(request, plan, contenders, executor, journal, locks, follower).run()
        goal = request.goal
        found = {c.label: winners_of(journal, c, goal) for c in contenders}
        winners = [(c, trial) for c in contenders for trial in found[c.label]]
        missed = [(c, journal.nearest_miss(c.label)) for c in contenders if not found[c.label]]
        if not winners:
            raise _nothing_reached(goal, journal, missed)
        suite = write_suite(asked.suite, goal, journal, winners)
        told.say(f"measuring the winners anew: {suite}")
        options = RunOptions(signed=asked.options.signed)
        again = SuiteRun.of(suite, options, asked.store.root, plugins)
        with told.progress() as progress:
            winning = again.plan(executor.machine, progress, told.say)
        with told.run() as listener:
            summary = again.measure(winning, executor, listener)
    return Tuned(goal, contenders, journal, winners, missed, suite, again, winning, summary)


@contextmanager
def _journal(
    request: TuneRequest, plan: Plan, contenders: Sequence[Contender], executor: Executor
) -> Iterator[Journal]:
    """Give the journal of a request, which no other process reads or writes meanwhile."""
    labels = "-".join(contender.label for contender in contenders)
    name = slug(f"{only_dataset(plan).name}-{labels}")
    data = request.to_json(plan, contenders, executor.machine)
    store = request.asked.store
    with ExitStack() as stack:
        if not is_locked_by(stack, store.locks / f"tune-{hash_of(data)}.lock"):
            raise UserError(
                "the same search is going on in another process",
                where=str(store.root / FOLDER),
                hint="wait until it ends, or stop it; the same command then continues",
            )
        yield Journal.opened(store.root / FOLDER, name, data)


def _search(
    request: TuneRequest,
    plan: Plan,
    contenders: Sequence[Contender],
    executor: Executor,
    journal: Journal,
    locks: DatasetLocks,
    follower: SearchFollower,
) -> Search:
    return Search(
        contenders,
        request.goal,
        request.asked.suite,
        only_dataset(plan),
        build_threads_of(plan.points),
        executor,
        journal,
        locks,
        follower,
        samples=samples_of(request, only_dataset(plan)),
    )


def samples_of(request: TuneRequest, dataset: CachedDataset) -> Samples:
    """Return where samples of the rows come from, with their ground truth."""
    cluster = request.asked.cluster
    if dataset.filters is not None:  # they choose from all rows
        return Samples()
    if cluster is not None and not (cluster.shared or cluster.local):
        return Samples(why_not="they need shared: in the cluster file")

    def open_with_truth(rows: int) -> CachedDataset:
        sample = open_sample(dataset, rows)
        sample.truth(request.asked.suite.ks[0])
        return sample

    return Samples(open_with_truth)


def _nothing_reached(
    goal: Goal, journal: Journal, missed: Sequence[tuple[Contender, Trial | None]]
) -> UserError:
    limit = f" in {goal.max_bytes:g} bytes per vector" if goal.max_bytes is not None else ""
    lines = [f"{one.label}: {_miss_text(one, trial)}" for one, trial in missed if trial is not None]
    failed = [f"{trial.label}: {trial.reason}" for trial in journal.trials if trial.reason]
    return UserError(
        f"nothing that was tried reaches recall {goal.recall:g}{limit} with certainty",
        where=str(journal.folder),
        expected=f"recall {goal.recall:g} on held-out queries, with its interval",
        got="nearest: " + "; ".join(lines) if lines else "; ".join(dict.fromkeys(failed)),
        hint="ask for less recall, more bytes or another algorithm, or give a larger budget: the "
        "same command continues",
    )


def _miss_text(contender: Contender, trial: Trial) -> str:
    is_sized = trial.reached or trial.status == "too_large"
    unknown = is_sized and trial.bytes_per_vector is None
    status = "of unknown size" if unknown else trial.status.replace("_", " ")
    return f"{trial_text(contender, trial)} ({status})"
