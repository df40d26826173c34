"""Measuring: run a suite, tune parameters, open a dataset."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.api.arguments import (
    RESULTS,
    Folder,
    Names,
    SuiteLike,
    as_folders,
    as_names,
    progress_lines,
)
from harness.contracts import Dataset
from harness.files.paths import user_path

if TYPE_CHECKING:  # each function loads what it needs when it is called
    import pandas as pd

    from harness.report.comparing.recall_differences import RecallDifference
    from harness.running.executors.local import Executor
    from harness.running.listener import Listener, RunSummary
    from harness.running.plan import Plan
    from harness.running.suite_run import SuiteRun
    from harness.tuning.session import Tuned


@dataclass(frozen=True)
class RunResult:
    """What a run measured, and what it found stored.

    Attributes
    ----------
    suite
        Name of the suite.
    results
        Folder of the results.
    summary
        Number of points measured now and kept from before; failures; unsupported points; points
        with QPS less precise than asked for.
    table
        A row for each point of the suite, as from `load_results`.
    baseline
        The label that the suite compares the recall of the others with, or None.
    recall_differences
        Each label's differences in recall to the baseline, paired over queries.
    """

    suite: str
    results: Path
    summary: RunSummary
    table: pd.DataFrame
    baseline: str | None
    recall_differences: tuple[RecallDifference, ...]

    @property
    def verdict(self) -> str:
        """Which differences in recall to the baseline are real, in a sentence."""
        from harness.report.comparing.recall_differences import sentence

        return sentence(self.recall_differences)

    @property
    def recall_table(self) -> pd.DataFrame:
        """The differences in recall as a table, one row for each label and measure."""
        from harness.report.comparing.recall_differences import table_of_differences

        return table_of_differences(self.recall_differences)

    def __repr__(self) -> str:
        found = self.summary
        return (
            f"RunResult(suite={self.suite!r}, results={str(self.results)!r}, {len(self.table)} "
            f"points: {found.measured} measured now, {found.kept} kept, "
            f"{len(found.failures)} failed, {len(found.unsupported)} unsupported)"
        )


def run(
    suite: SuiteLike | None = None,
    *,
    datasets: Names = (),
    algorithms: str | Sequence[str] = (),
    builds: int | None = None,
    repeats: int | None = None,
    least_seconds: float | None = None,
    k: int | Sequence[int] | None = None,
    threads: int | None = None,
    timeout: float | None = None,
    precision: float | str | None = None,
    force: bool = False,
    retry: str | Sequence[str] = (),
    strict: bool = False,
    signed: bool = False,
    cluster: str | Path | None = None,
    results: Folder = RESULTS,
    plugins: Folder | Sequence[Folder] = (),
    progress: bool = True,
) -> RunResult:
    """Measure the points of a suite that are not stored yet, in blocks.

    Parameters
    ----------
    suite
        A name, a path, or a mapping with the keys of a suite file. Without one, `algorithms` are
        run on `datasets` with the parameters of their entries.
    datasets
        Names or paths, instead of the suite's.
    algorithms
        Only these algorithms or labels of the suite.
    builds, repeats, k, threads
        Number of blocks, of passes in a block, of neighbours (one or several) and of threads,
        instead of the suite's.
    least_seconds
        Seconds that the turns of a fast setting take in a block, instead of the suite's.
    timeout
        Seconds for a build or a setting, instead of the suite's.
    precision
        Add builds until the half-width of every QPS interval is at most this share of it (0.05 or
        "5%"), without a limit of time; "off" for none.
    force
        Measure stored points again.
    retry
        Statuses of stored failures to try again, such as "timeout"; "failed" for all.
    strict
        Refuse to run on a machine of grade D.
    signed
        Store your user and host name with the results.
    cluster
        Measure on the nodes of a cluster: a cluster file, the address of a Dask scheduler, or
        "local:N" for N workers on this machine.
    results
        Folder of the results, made if missing.
    plugins
        Folders with `algorithms/NAME` or `datasets/NAME` of your own.
    progress
        Whether to write lines about the work, and warnings about the machine, to standard error.

    Raises
    ------
    UserError
        For every mistake in the suite or the arguments, and for a dataset that cannot be had.
        Failures of algorithms are no errors: they are in the summary and the table.
    StoreFull
        From `harness.running.recording`, if a disk is full. What was stored before is kept.
    """
    from harness.running.listener import Silence, plain_lines
    from harness.running.suite_run import RunOptions, SuiteRun

    options = RunOptions(
        datasets=as_names(datasets),
        algorithms=as_names(algorithms),
        builds=builds,
        repeats=repeats,
        least_seconds=least_seconds,
        k=k,
        threads=threads,
        timeout=timeout,
        precision=precision,
        force=force,
        retry=as_names(retry),
        strict=strict,
        signed=signed,
        cluster=str(cluster) if cluster is not None else None,
    )
    asked = SuiteRun.of(suite, options, user_path(results), as_folders(plugins))
    if not progress:
        with asked.executor(lambda line: None) as executor:
            return _measured(asked, executor, asked.plan(executor.machine), Silence())
    with plain_lines(sys.stderr) as listener:
        for line in asked.warnings():
            listener.say(line)
        with asked.executor(listener.say) as executor:
            plan = asked.plan(executor.machine, listener.progress, listener.say)
            return _measured(asked, executor, plan, listener)


def _measured(asked: SuiteRun, executor: Executor, plan: Plan, listener: Listener) -> RunResult:
    return result_of(asked, plan, asked.measure(plan, executor, listener))


def result_of(asked: SuiteRun, plan: Plan, summary: RunSummary) -> RunResult:
    """Return what a run has stored, read from the results folder."""
    from harness.report.comparing.recall_differences import recall_differences
    from harness.results.table.rows import table_of

    baseline = asked.suite.baseline
    stems = [asked.store.path_of(point.header) for point in plan.points]
    table = table_of(asked.store, stems, per_query=baseline is not None)
    if len(table):
        table = table[table["in_answers"]].reset_index(drop=True)  # not no-op, as `load_results`
    found = recall_differences(table, baseline) if baseline is not None else []
    return RunResult(asked.suite.name, asked.store.root, summary, table, baseline, tuple(found))


@dataclass(frozen=True)
class TuneResult:
    """The parameters that `tune` found, and their points on the held-out queries.

    Attributes
    ----------
    recall, max_bytes
        What was to be reached.
    minimize
        What was to be small.
    table
        A row for each winner, as from `load_results`: an ordinary point of new builds; those of a
        frontier by ascending bytes per vector.
    trials
        A row for each build that was tried, in order, with the figures of its best search setting
        on the tuning queries. `sample_rows` are those of the sample of which it was built; missing
        if of all rows.
    suite
        A suite file that measures the winners again.
    missed
        The labels of which nothing reached the target, each with its nearest miss in words.
    figures
        Paths of the figures: what was tried, and the best so far against the time spent.
    """

    recall: float
    max_bytes: float | None
    minimize: tuple[str, ...]
    table: pd.DataFrame
    trials: pd.DataFrame
    suite: Path
    missed: dict[str, str]
    figures: tuple[Path, ...]

    @property
    def met(self) -> pd.Series[bool]:
        """Which winners meet the target: by the lower end of the interval of held-out recall."""
        met = self.table["held_out_recall_low"] >= self.recall
        if self.max_bytes is not None:
            met &= self.table["bytes_per_vector"] <= self.max_bytes
        return met

    @property
    def optimism(self) -> float:
        """By how much recall is higher on the tuning queries than on the held-out ones."""
        return float((self.table["tuning_recall"] - self.table["held_out_recall"]).mean())

    def __repr__(self) -> str:
        return (
            f"TuneResult(recall={self.recall}, {len(self.table)} winners of "
            f"{len(self.trials)} trials, {int(self.met.sum())} meet it, suite={str(self.suite)!r})"
        )


def tune(
    what: SuiteLike | Sequence[str],
    dataset: str | Path | None = None,
    *,
    recall: float,
    budget: float | str,
    max_bytes: float | None = None,
    minimize: Literal["query", "bytes", "build"] | Sequence[Literal["query", "bytes"]] = "query",
    seed: int = 0,
    k: int | None = None,
    threads: int | None = None,
    signed: bool = False,
    cluster: str | Path | None = None,
    results: Folder = RESULTS,
    plugins: Folder | Sequence[Folder] = (),
    progress: bool = True,
) -> TuneResult:
    """Find the parameters of algorithms for a recall, and measure them as ordinary points.

    The search asks tuning queries only. Its winners are built anew with other seeds and measured
    on all queries; their recall on the held-out queries tells whether the target is met. A search
    that was stopped continues when the same is asked again, also with a larger budget.

    Parameters
    ----------
    what
        A suite (a name, a path, or a mapping with the keys of a suite file), or one or several
        algorithms.
    dataset
        A name or a path, instead of the suite's.
    recall
        The recall to reach, by the lower end of its interval.
    budget
        Seconds for the search, or a text such as "30m"; algorithms share it equally. Measuring the
        winners is not part of it.
    max_bytes
        The most bytes per vector.
    minimize
        "query" for the time of a query, "bytes" for those of a vector, "build" for building time;
        ("query", "bytes") for the frontier of the two: settings that no other beats in both, at
        most five an algorithm.
    seed
        Of the search.
    k, threads, signed, cluster, results, plugins, progress
        As for `run`.

    Raises
    ------
    UserError
        For every mistake in the arguments; if the budget is too small for one build; and if nothing
        reaches the target, with the nearest miss.
    """
    from harness.running.listener import plain_lines
    from harness.tuning.following import Outputs
    from harness.tuning.request import TuneOptions, TuneRequest
    from harness.tuning.session import tuned

    options = TuneOptions(
        recall=recall,
        budget=budget,
        dataset=str(dataset) if dataset is not None else None,
        max_bytes=max_bytes,
        minimize=as_names(minimize),  # type: ignore[arg-type]  # checked with the other options
        seed=seed,
        k=k,
        threads=threads,
        signed=signed,
        cluster=str(cluster) if cluster is not None else None,
    )
    folders = as_folders(plugins)
    asked = what if isinstance(what, Mapping) else as_names(what)
    request = TuneRequest.of(asked, options, user_path(results), folders)
    if not progress:
        return tune_result(tuned(request, Outputs(), folders))
    with plain_lines(sys.stderr) as lines:
        return tune_result(tuned(request, Outputs.by(lines), folders))


def tune_result(found: Tuned) -> TuneResult:
    """Return what a search has found, with the stored points of its winners, and draw it."""
    import pandas as pd

    from harness.tuning.following import trial_text
    from harness.tuning.plots import draw_search

    measured = result_of(found.asked, found.plan, found.summary)
    missed = {
        contender.label: "every trial failed" if trial is None else trial_text(contender, trial)
        for contender, trial in found.missed
    }
    table = measured.table
    if found.goal.is_frontier:
        table = table.sort_values("bytes_per_vector", ignore_index=True)
    trials = pd.DataFrame([trial.model_dump(exclude={"tried"}) for trial in found.journal.trials])
    return TuneResult(
        found.goal.recall,
        found.goal.max_bytes,
        found.goal.minimize,
        table,
        trials,
        found.suite,
        missed,
        tuple(draw_search(found.journal, found.goal, found.contenders)),
    )


def open_dataset(
    name: str | Path, *, plugins: Folder | Sequence[Folder] = (), progress: bool = True
) -> Dataset:
    """Open a dataset, fetched and checked if it is not in the cache yet.

    Parameters
    ----------
    name
        A name of the registry, or the path of an HDF5 file with base and queries.
    plugins
        As for `run`.
    progress
        Whether to write lines about long work to standard error.

    Raises
    ------
    UserError
        If there is no such dataset, or it cannot be fetched or used.
    """
    from harness.running.datasets import open_named

    with progress_lines(progress) as report:
        return open_named(str(name), as_folders(plugins), report)
