"""The points that are read: those of a results folder, or of a suite in it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.data.cache.cached import open_cached
from harness.data.loading import cached_path
from harness.data.truth.store import stored_truth
from harness.files.source_code import source_sha256
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import read_suite
from harness.report.analysis.describing import with_entries
from harness.report.analysis.limits import Limits, of_suite, within
from harness.report.analysis.points import curve_name, rows_of
from harness.report.analysis.pricing import Prices, priced
from harness.report.analysis.recommendations import LEVELS
from harness.results.identity import PointIdentity
from harness.results.table.rows import load_results, mark_outdated
from harness.text import Json, counted, first_of

_MOST_NAMED = 6


@dataclass(frozen=True)
class Selection:
    """Which stored points to read.

    `suite` is a name, a path or the keys of a suite file, None for all points; `stale` keeps
    points of which a newer version is stored; `prices` are those of machines per hour; `per_query`
    is as for `load_results`. The rest is as for `Limits`.
    """

    suite: str | Path | Json | None = None
    datasets: Sequence[str] = ()
    algorithms: Sequence[str] = ()
    max_bytes: float | None = None
    stale: bool = False
    prices: Prices = field(default_factory=dict)
    per_query: bool = False


def selected(results: Path, plugins: Sequence[Path], selection: Selection) -> pd.DataFrame:
    """Return the table with the points of a results folder that are asked for.

    Raises
    ------
    UserError
        For an unreadable folder, an unknown name, and if no point is left.

    Warns
    -----
    UserWarning
        If stale points were left out.
    """
    every = load_selected(results, plugins, selection.suite, per_query=selection.per_query)
    table = every if selection.stale else without_stale(every)
    limits = Limits(selection.datasets, selection.algorithms, selection.max_bytes)
    return priced(within(table, limits), selection.prices)


def without_stale(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table without its stale points.

    Raises
    ------
    UserError
        If no point is left.

    Warns
    -----
    UserWarning
        If stale points were left out.
    """
    fresh = table[~table["stale"]]
    left_out = len(table) - len(fresh)
    if fresh.empty and left_out:
        raise UserError(
            f"all {left_out} points are stale: their adapter or dataset has changed since",
            hint="run the suite again, or ask for stale points as well (stale)",
        )
    if left_out:
        names = sorted({curve_name(row) for row in rows_of(table[table["stale"]])})
        warnings.warn(
            f"{counted(left_out, 'stale point')} left out: {first_of(names, _MOST_NAMED)} "
            "(the option stale keeps them)",
            stacklevel=5,
        )
    return fresh


def every_version(
    folders: Iterable[Path], limits: Limits, *, required: bool = False
) -> list[pd.DataFrame]:
    """Return the tables of results folders, stale points included, for histories.

    A folder in which nothing is within the limits is left out.

    Raises
    ------
    UserError
        If a folder cannot be read, or if something is required and nothing is within the limits.
    """
    tables = [load_results(folder, truth_at_hand=truth_of) for folder in folders]
    every = [table for table in tables if len(table)]
    if required and every:
        within(pd.concat(every), limits)
    return [kept for table in every if len(kept := _kept(table, limits))]


def load_selected(
    results: Path,
    plugins: Sequence[Path],
    suite: str | Path | Json | None,
    *,
    per_query: bool = False,
) -> pd.DataFrame:
    """Return the table of a results folder, or of the points in it that a suite asks for.

    `per_query` is as for `load_results`.

    Raises
    ------
    UserError
        For an unreadable folder, an unknown suite, and if no point is left.
    """
    registry = load_registry(plugins)
    chosen = read_suite(suite, registry.algorithms) if suite is not None else None
    found = load_results(results, overhead=True, truth_at_hand=truth_of, per_query=per_query)
    table = with_entries(mark_outdated(found, *_at_hand(registry)), registry)
    if chosen is not None:
        return of_suite(table, chosen, registry)
    if table.empty:
        raise UserError("there are no results", where=str(results), hint="annharness run demo")
    return table


def recalls_of(given: Sequence[float]) -> tuple[float, ...]:
    """Return the levels of recall that are asked for, lowest first; the usual ones if none is.

    Raises
    ------
    UserError
        If one is not above 0 and at most 1.
    """
    for level in given:
        if not 0 < level <= 1:
            raise UserError(
                "a recall lies above 0 and at most at 1", where="recall", got=f"{level:g}"
            )
    return tuple(sorted(set(given))) if given else LEVELS


def truth_of(identity: PointIdentity) -> Truth | None:
    """Return the truth of a point if the cache holds it: reading computes none."""
    if identity.is_filtered:  # the cache lacks what results tell of the filters
        return None
    return stored_truth(identity.fingerprint, identity.k)


def _kept(table: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The rows within limits; none if a name is not in this table."""
    try:
        return within(table, limits)
    except UserError:
        return table.iloc[:0]


def _at_hand(registry: Registry) -> tuple[dict[str, str], dict[str, str]]:
    """The hashes of the adapters, and the fingerprints of the cached datasets, on this machine."""
    sources = {
        name: source_sha256(*definition.source_folders)
        for name, definition in registry.algorithms.items()
    }
    paths = {name: cached_path(definition) for name, definition in registry.datasets.items()}
    fingerprints = {
        name: open_cached(path).fingerprint for name, path in paths.items() if path is not None
    }
    return sources, fingerprints
