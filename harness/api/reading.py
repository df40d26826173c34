"""Reading stored results: compare sides, follow points over time, recommend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.arguments import (
    RESULTS,
    Folder,
    Names,
    SuiteLike,
    as_folders,
    as_names,
    as_numbers,
    as_prices,
    chosen_points,
)
from harness.contracts import UserError
from harness.files.paths import user_path

if TYPE_CHECKING:  # each function loads what it needs when it is called
    import pandas as pd

    from harness.registry.known_steps import KnownStep
    from harness.report.analysis.pricing import Prices
    from harness.report.comparing.comparison import Comparison
    from harness.report.comparing.history import PointHistory


class _ShownAsTable:
    """Printed, and shown by a notebook, as its `table`."""

    @property
    def table(self) -> pd.DataFrame:
        raise NotImplementedError

    def __str__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


@dataclass(frozen=True)
class Comparisons(_ShownAsTable):
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
        from harness.report.comparing.comparison import table_of_comparisons

        return table_of_comparisons(self.found)


def compare(
    old: str | Path, new: str | Path, *, recalls: float | Sequence[float] = (),
    results: Folder = RESULTS,
) -> Comparisons:  # fmt: skip
    """Compare the QPS of two sides at fixed recalls; nothing is measured.

    Parameters
    ----------
    old, new
        Two algorithms or labels; two machines, `machine:` and a part of the name each; or two of
        results folders, git commits and `FOLDER@COMMIT`.
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
    from harness.report.analysis.selecting import recalls_of
    from harness.report.comparing.comparison import (
        compare_curves,
        compare_machines,
        compare_tables,
    )
    from harness.report.comparing.sides import sides_of

    levels = recalls_of(as_numbers(recalls))
    a, b = sides_of(str(old), str(new), user_path(results))
    if a.kind == "an algorithm or label":
        return Comparisons("", tuple(compare_curves(a.table, a.name, b.name, levels)))
    title = f"old: {a.name}, new: {b.name}"
    compared = compare_machines if a.kind == "a machine" else compare_tables
    return Comparisons(title, tuple(compared(a.table, b.table, levels)))


@dataclass(frozen=True)
class Histories(_ShownAsTable):
    """Points that were measured several times: at other commits, with other libraries.

    Attributes
    ----------
    found
        A `PointHistory` for each point, with its states, the ratio of each to the one before, and
        the steps: changes in speed whose interval excludes 1.
    unmatched
        Known steps that are none of those found.
    """

    found: tuple[PointHistory, ...]
    unmatched: tuple[KnownStep, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """A row for each state, with the ratio to the state before, its interval and verdict."""
        from harness.report.comparing.history import table_of_histories

        return table_of_histories(self.found)


def history(
    folders: Folder | Sequence[Folder] = RESULTS,
    *,
    last: int | None = None,
    datasets: Names = (),
    algorithms: str | Sequence[str] = (),
    known_steps: Folder | None = None,
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
    known_steps
        A YAML file of steps that are known and accepted; they are marked so.

    Returns
    -------
    Histories
        Intervals are corrected for the number of changes of one dataset, k, mode, number of threads
        and machine.

    Raises
    ------
    UserError
        If a folder or the file cannot be read, `last` is below 2, or there are no results of these
        names.
    """
    from harness.registry.known_steps import read_known_steps
    from harness.report.analysis.limits import Limits
    from harness.report.analysis.selecting import every_version
    from harness.report.comparing.history import histories, with_known_steps

    if last is not None and last < 2:
        raise UserError("a history has two states or more", where="--last", got=str(last))
    limits = Limits(as_names(datasets), as_names(algorithms))
    known = () if known_steps is None else read_known_steps(known_steps)
    every = histories(every_version(as_folders(folders), limits, required=True), last)
    found, unmatched = with_known_steps(every, known)
    return Histories(tuple(found), tuple(unmatched))


@dataclass(frozen=True)
class Recommendations(_ShownAsTable):
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

    levels = recalls_of(as_numbers(recalls))
    limits = (as_names(datasets), as_names(algorithms), max_bytes)
    selection = Selection(suite, *limits, stale, as_prices(prices))
    return Recommendations(chosen_points(results, plugins, selection), levels, max_bytes)


@dataclass(frozen=True)
class HighestRecalls(_ShownAsTable):
    """The stored points of the highest recall, the best of each curve.

    Attributes
    ----------
    points
        The points to choose from, as from `load_results` with `per_query=True`.
    max_bytes
        The bytes per vector that the points were limited to, if they were.
    """

    points: pd.DataFrame
    max_bytes: float | None = None

    @property
    def table(self) -> pd.DataFrame:
        """A row for each point and measure of recall, with how far behind the first it is."""
        from harness.report.analysis.highest_recall import table_of_highest_recalls

        return table_of_highest_recalls(self.points)


def highest_recall(
    suite: SuiteLike | None = None,
    *,
    max_bytes: float | None = None,
    datasets: Names = (),
    algorithms: str | Sequence[str] = (),
    stale: bool = False,
    results: Folder = RESULTS,
    plugins: Folder | Sequence[Folder] = (),
) -> HighestRecalls:
    """Find the highest recall within a memory budget; nothing is measured.

    Parameters
    ----------
    suite, max_bytes, datasets, algorithms, stale, results, plugins
        As for `recommend`.

    Returns
    -------
    HighestRecalls
        The best point of every curve, chosen by the tuning queries. How far it is behind the best
        of all is measured on the held-out queries, paired, with intervals.

    Raises
    ------
    UserError
        If the folder cannot be read, a name is unknown, or no point is left.
    """
    from harness.report.analysis.selecting import Selection

    limits = (as_names(datasets), as_names(algorithms), max_bytes)
    selection = Selection(suite, *limits, stale, per_query=True)
    return HighestRecalls(chosen_points(results, plugins, selection), max_bytes)
