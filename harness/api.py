"""The public Python API: what the command line does, from a script or a notebook.

Options have the names and meanings of the command line's. Results are read from and written to a
results folder, so what one function measured another one finds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.contracts import Algorithm, Dataset, UserError
from harness.files.paths import user_path
from harness.files.progress import Progress, shown_lines, silent
from harness.text import Json

if TYPE_CHECKING:  # each function loads what it needs when it is called
    import pandas as pd

    from harness.report.analysis.comparison import Comparison
    from harness.report.analysis.history import PointHistory
    from harness.report.analysis.pricing import Prices
    from harness.report.analysis.recall_differences import RecallDifference
    from harness.report.analysis.selecting import Selection
    from harness.report.plots.all_figures import Figures
    from harness.report.plots.style import StyleName
    from harness.report.quantities import Scale
    from harness.running.executors.local import Executor
    from harness.running.listener import Listener, RunSummary
    from harness.running.plan import Plan
    from harness.running.suite_run import SuiteRun
    from harness.tuning.session import Tuned

__all__ = [
    "Algorithm",
    "Comparisons",
    "Dataset",
    "Histories",
    "Recommendations",
    "RunResult",
    "TuneResult",
    "UserError",
    "compare",
    "history",
    "open_dataset",
    "plot",
    "publish",
    "recommend",
    "run",
    "tune",
]

SuiteLike = str | Path | Json
"""The name of a suite, the path of a suite file, or the keys of one as a mapping."""

Folder = str | Path

Names = str | Path | Sequence[str | Path]
"""One name or path, or several."""

RESULTS = "results"


# Measuring ---------------------------------------------------------------------------------------


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
        from harness.report.analysis.recall_differences import sentence

        return sentence(self.recall_differences)

    @property
    def recall_table(self) -> pd.DataFrame:
        """The differences in recall as a table, one row for each label and measure."""
        from harness.report.analysis.recall_differences import table_of_differences

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
        From `harness.running.runner`, if a disk is full. What was stored before is kept.
    """
    from harness.running.lines import plain_lines
    from harness.running.listener import Silence
    from harness.running.suite_run import RunOptions, SuiteRun

    options = RunOptions(
        datasets=_listed(datasets),
        algorithms=_listed(algorithms),
        builds=builds,
        repeats=repeats,
        least_seconds=least_seconds,
        k=k,
        threads=threads,
        timeout=timeout,
        precision=precision,
        force=force,
        retry=_listed(retry),
        strict=strict,
        signed=signed,
        cluster=str(cluster) if cluster is not None else None,
    )
    asked = SuiteRun.of(suite, options, user_path(results), _folders(plugins))
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
    from harness.report.analysis.recall_differences import recall_differences
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
    table
        A row for each winner, as from `load_results`: an ordinary point of new builds.
    trials
        A row for each build that was tried, in order, with the figures of its best search setting
        on the tuning queries.
    suite
        A suite file that measures the winners again.
    missed
        The labels of which nothing reached the target, each with its nearest miss in words.
    figures
        Paths of the figures: what was tried, and the best so far against the time spent.
    """

    recall: float
    max_bytes: float | None
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
    what: str | Path | Sequence[str],
    dataset: str | Path | None = None,
    *,
    recall: float,
    budget: float | str,
    max_bytes: float | None = None,
    minimize: Literal["query", "bytes", "build"] = "query",
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
    that was stopped goes on when the same is asked again, also with a larger budget.

    Parameters
    ----------
    what
        A suite, or one or several algorithms.
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
        "query" for the time of a query, "bytes" for those of a vector, "build" for building time.
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
    from harness.running.lines import plain_lines
    from harness.tuning.request import TuneOptions, TuneRequest
    from harness.tuning.session import Told, tuned

    options = TuneOptions(
        recall=recall,
        budget=budget,
        dataset=str(dataset) if dataset is not None else None,
        max_bytes=max_bytes,
        minimize=minimize,
        seed=seed,
        k=k,
        threads=threads,
        signed=signed,
        cluster=str(cluster) if cluster is not None else None,
    )
    folders = _folders(plugins)
    request = TuneRequest.of(_listed(what), options, user_path(results), folders)
    if not progress:
        return tune_result(tuned(request, Told(), folders))
    with plain_lines(sys.stderr) as lines:
        return tune_result(tuned(request, Told.by(lines), folders))


def tune_result(found: Tuned) -> TuneResult:
    """Return what a search has found, with the stored points of its winners, and draw it."""
    import pandas as pd

    from harness.tuning.plots import draw_search
    from harness.tuning.search import trial_text

    measured = result_of(found.asked, found.plan, found.summary)
    missed = {
        contender.label: "every trial failed" if trial is None else trial_text(contender, trial)
        for contender, trial in found.missed
    }
    trials = pd.DataFrame([trial.model_dump(exclude={"tried"}) for trial in found.journal.trials])
    return TuneResult(
        found.goal.recall,
        found.goal.max_bytes,
        measured.table,
        trials,
        found.suite,
        missed,
        tuple(draw_search(found.journal, found.goal)),
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

    with _lines(progress) as report:
        return open_named(str(name), _folders(plugins), report)


# Reading -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparisons:
    """The QPS of a new side over that of an old one, at fixed recalls.

    Attributes
    ----------
    title
        Names the sides if the curves do not; empty for two curves of one folder.
    found
        A `Comparison` for each dataset, k, machine and recall, with its ratio and verdict.
    """

    title: str
    found: tuple[Comparison, ...]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each comparison: QPS of both sides, ratio, interval, verdict."""
        from harness.report.analysis.comparison import table_of_comparisons

        return table_of_comparisons(self.found)

    def __str__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


def compare(
    old: str | Path, new: str | Path, *, recalls: float | Sequence[float] = (),
    results: Folder = RESULTS,
) -> Comparisons:  # fmt: skip
    """Compare the QPS of two sides at fixed recalls; nothing is measured.

    Parameters
    ----------
    old, new
        Two algorithms or labels; or two of results folders, git commits and `FOLDER@COMMIT`.
    recalls
        Recalls to compare at; by default .8, .9, .95 and .99.
    results
        Folder of the results.

    Returns
    -------
    Comparisons
        A verdict is `faster`, `slower`, `equal` (within 5 %) or `undecided`; its interval is
        corrected for the number of comparisons.

    Raises
    ------
    UserError
        If a side means nothing, or the two have nothing to compare.
    """
    from harness.report.analysis.comparison import compare_curves, compare_tables
    from harness.report.analysis.selecting import recalls_of
    from harness.report.analysis.sides import sides_of

    levels = recalls_of(_numbers(recalls))
    a, b = sides_of(str(old), str(new), user_path(results))
    if a.is_curve:
        return Comparisons("", tuple(compare_curves(a.table, a.name, b.name, levels)))
    title = f"old: {a.name}, new: {b.name}"
    return Comparisons(title, tuple(compare_tables(a.table, b.table, levels)))


@dataclass(frozen=True)
class Histories:
    """Points that were measured several times: at other commits, with other libraries.

    Attributes
    ----------
    found
        A `PointHistory` for each point, with its states, the ratio of each to the one before, and
        the steps: changes in speed whose interval excludes 1.
    """

    found: tuple[PointHistory, ...]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each state, with the ratio to the state before, its interval and verdict."""
        from harness.report.analysis.history import table_of_histories

        return table_of_histories(self.found)

    def __str__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


def history(
    folders: Folder | Sequence[Folder] = RESULTS,
    *,
    last: int | None = None,
    datasets: Names = (),
    algorithms: str | Sequence[str] = (),
) -> Histories:
    """Find the points that were measured several times, and the steps in their speed.

    Parameters
    ----------
    folders
        Results folders, such as one for each night.
    last
        Only so many newest states of each point; all by default. Fewer comparisons have narrower
        intervals.
    datasets, algorithms
        Only these.

    Returns
    -------
    Histories
        Intervals are corrected for the number of changes of one dataset, k, mode, number of threads
        and machine.

    Raises
    ------
    UserError
        If a folder cannot be read, `last` is below 2, or there are no results of these names.
    """
    from harness.report.analysis.history import histories
    from harness.report.analysis.limits import Limits
    from harness.report.analysis.selecting import every_version

    if last is not None and last < 2:
        raise UserError("a history has two states or more", where="--last", got=str(last))
    limits = Limits(_listed(datasets), _listed(algorithms))
    return Histories(tuple(histories(every_version(_folders(folders), limits), last)))


@dataclass(frozen=True)
class Recommendations:
    """The fastest stored points at some recalls.

    Attributes
    ----------
    points
        The points to choose from, as from `load_results`.
    recalls
        What has to be reached.
    max_bytes
        The bytes per vector that the points were limited to, if they were.
    """

    points: pd.DataFrame
    recalls: tuple[float, ...]
    max_bytes: float | None = None

    @property
    def table(self) -> pd.DataFrame:
        """A row for each dataset and recall that a point reaches."""
        from harness.report.export.exporting import table_of_recommendations

        return table_of_recommendations(self.points, self.recalls)

    def __str__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


def recommend(
    suite: SuiteLike | None = None,
    *,
    recalls: float | Sequence[float] = (),
    max_bytes: float | None = None,
    datasets: Names = (),
    algorithms: str | Sequence[str] = (),
    stale: bool = False,
    prices: Prices | float | None = None,
    results: Folder = RESULTS,
    plugins: Folder | Sequence[Folder] = (),
) -> Recommendations:
    """Find the fastest stored index at a recall; nothing is measured.

    Parameters
    ----------
    suite
        Only the points that this suite asks for; by default all of the folder.
    recalls
        The recalls that you need; by default .8, .9, .95 and .99.
    max_bytes
        Only points of at most so many bytes per vector.
    datasets, algorithms
        Only these.
    stale
        Whether to keep points of which a newer version is stored.
    prices
        Price of the machine per hour, or of several by parts of their names, for the column and
        quantity `cost_per_million_queries`.
    results, plugins
        As for `run`.

    Returns
    -------
    Recommendations
        Each reaches its recall on the tuning queries and, with confidence, on the held-out ones.

    Raises
    ------
    UserError
        If the folder cannot be read, a name is unknown, or no point is left.
    """
    from harness.report.analysis.selecting import Selection, recalls_of

    levels = recalls_of(_numbers(recalls))
    limits = (_listed(datasets), _listed(algorithms), max_bytes)
    selection = Selection(suite, *limits, stale, _prices(prices))
    return Recommendations(_selected(results, plugins, selection), levels, max_bytes)


def plot(
    suite: SuiteLike | None = None,
    *,
    figures: str | Sequence[str] = (),
    style: StyleName = "screen",
    x_scale: Scale | None = None,
    y_scale: Scale | None = None,
    recall: float | None = None,
    highlight: str | Sequence[str] = (),
    title: str | None = None,
    out: Folder | None = None,
    formats: str | Sequence[str] = ("png", "svg"),
    datasets: Names = (),
    algorithms: str | Sequence[str] = (),
    stale: bool = False,
    prices: Prices | float | None = None,
    results: Folder = RESULTS,
    plugins: Folder | Sequence[Folder] = (),
) -> Figures:
    """Draw figures of stored results.

    Parameters
    ----------
    figures
        Names such as "qps-recall", "all", or "Y:X" for two quantities; by default the usual four.
    style
        "screen", "paper" (one column) or "slide".
    x_scale, y_scale
        "linear", "log" or "error" for "qps-recall" and "Y:X"; by default chosen by the values.
    recall
        Recall of the figures of one recall.
    highlight
        Algorithms or labels to highlight; all others are drawn faintly.
    title
        Of every figure, instead of its own; "" leaves title and conditions out.
    out
        Folder to write the figures into; by default nothing is written.
    formats
        Of the files: "png", "svg", "pdf".
    suite, datasets, algorithms, stale, prices, results, plugins
        As for `recommend`.

    Returns
    -------
    Figures
        Matplotlib figures by name, shown inline in a notebook; their `paths` are the files written.

    Raises
    ------
    UserError
        As `recommend`, and for an unknown figure or format.
    """
    from harness.report.analysis.limits import curves_named
    from harness.report.analysis.selecting import Selection, recalls_of
    from harness.report.plots.all_figures import draw_figures
    from harness.report.plots.figure import check_formats

    level = None if recall is None else recalls_of([recall])[0]
    check_formats(_listed(formats))
    names = (_listed(datasets), _listed(algorithms))
    selection = Selection(suite, *names, None, stale, _prices(prices))
    table = _selected(results, plugins, selection)
    drawn = draw_figures(
        table,
        _listed(figures),
        style=style,
        stale=stale,
        x_scale=x_scale,
        y_scale=y_scale,
        recall=level,
        highlight=curves_named(table, _listed(highlight)),
        title=title,
    )
    if out is not None:
        drawn.save(user_path(out), _listed(formats))
    return drawn


def publish(
    out: Folder,
    suite: SuiteLike | None = None,
    *,
    single_file: bool = False,
    recalls: float | Sequence[float] = (),
    highlight: str | Sequence[str] = (),
    title: str | None = None,
    datasets: Names = (),
    algorithms: str | Sequence[str] = (),
    stale: bool = False,
    history: Folder | Sequence[Folder] = (),
    prices: Prices | float | None = None,
    results: Folder = RESULTS,
    plugins: Folder | Sequence[Folder] = (),
) -> Path:
    """Write a static site of stored results; it needs no server and no network.

    Parameters
    ----------
    out
        Folder of the site, made if missing; with `single_file` the HTML file.
    recalls
        Recalls to recommend and compare at; by default .8, .9, .95 and .99.
    highlight
        As for `plot`.
    title
        Heading of the front page.
    history
        Further results folders, such as one for each night, for the page of the history; it shows
        the stale points of `results` in any case.
    suite, datasets, algorithms, stale, prices, results, plugins
        As for `recommend`.

    Returns
    -------
    Path
        The front page.

    Raises
    ------
    UserError
        As `recommend`, and if `out` cannot be written.
    """
    from harness.report.analysis.describing import with_rows
    from harness.report.analysis.history import histories
    from harness.report.analysis.limits import Limits, curves_named
    from harness.report.analysis.selecting import (
        Selection,
        every_version,
        recalls_of,
        without_stale,
    )
    from harness.report.site.content import USUAL, SiteChoices
    from harness.report.site.pages import write_site

    levels = recalls_of(_numbers(recalls))
    limits = Limits(_listed(datasets), _listed(algorithms))
    names = (limits.datasets, limits.algorithms)
    selection = Selection(suite, *names, None, True, _prices(prices))
    every = with_rows(_selected(results, plugins, selection))
    table = every.assign(stale=False) if stale else without_stale(every)  # shown like the others
    highlighted = curves_named(table, _listed(highlight))
    versions = histories([every, *every_version(_folders(history), limits)])
    choices = SiteChoices(levels, highlighted, title or USUAL.title)
    folder = user_path(out)
    paths = write_site(table, folder, single_file=single_file, choices=choices, history=versions)
    return paths[0] if single_file else folder / "index.html"


def _selected(
    results: Folder, plugins: Folder | Sequence[Folder], selection: Selection
) -> pd.DataFrame:
    from harness.report.analysis.selecting import selected

    return selected(user_path(results), _folders(plugins), selection)


# Arguments ---------------------------------------------------------------------------------------


def _listed(names: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    return (str(names),) if isinstance(names, (str, Path)) else tuple(map(str, names))


def _folders(given: Folder | Sequence[Folder]) -> tuple[Path, ...]:
    given = (given,) if isinstance(given, (str, Path)) else given
    return tuple(map(user_path, given))


def _numbers(given: float | Sequence[float]) -> tuple[float, ...]:
    return (given,) if isinstance(given, (int, float)) else tuple(given)


def _prices(given: Prices | float | None) -> Prices:
    if given is None:
        return {}
    return {"": float(given)} if isinstance(given, (int, float)) else given


@contextmanager
def _lines(wanted: bool) -> Iterator[Progress]:
    if not wanted:
        yield silent
        return
    with shown_lines(sys.stderr) as lines:
        yield lines
