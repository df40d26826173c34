"""The points that the reading commands use: those of a results folder, or of a suite in it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options as completion
from harness.contracts import UserError

if TYPE_CHECKING:
    import pandas as pd

    from harness.contracts.dataset import Truth
    from harness.registry.registry import Registry
    from harness.results.identity import PointIdentity

Suite = Annotated[
    str | None,
    typer.Argument(
        help="Name of a suite, or path of a suite file. Default: all results.",
        autocompletion=completion.suites,
    ),
]
Stale = Annotated[
    bool, typer.Option("--stale", help="Keep points of which a newer version is stored.")
]

Datasets = Annotated[
    list[str] | None,
    typer.Option(
        "-d",
        "--dataset",
        help="Only this dataset (a name or a path); may be repeated.",
        autocompletion=completion.datasets,
    ),
]
Algorithms = Annotated[
    list[str] | None,
    typer.Option(
        "-a",
        "--algorithm",
        help="Only this algorithm or label; may be repeated.",
        autocompletion=completion.algorithms,
    ),
]
Highlight = Annotated[
    list[str] | None,
    typer.Option(
        "--highlight",
        help="Algorithm or label to highlight; all others are drawn faintly. May be repeated.",
        autocompletion=completion.algorithms,
    ),
]
MaxBytes = Annotated[
    float | None,
    typer.Option("--max-bytes", min=0, help="Only points of at most so many bytes per vector."),
]


def recalls_of(given: Sequence[float] | None) -> tuple[float, ...]:
    """Return the levels of recall of `--recall`, lowest first; by default the usual ones.

    Raises
    ------
    UserError
        If one is not above 0 and at most 1.
    """
    from harness.report.analysis.recommendations import LEVELS

    for level in given or ():
        if not 0 < level <= 1:
            raise UserError(
                "a recall lies above 0 and at most at 1", where="--recall", got=f"{level:g}"
            )
    return tuple(sorted(set(given))) if given else LEVELS


def without_stale(table: pd.DataFrame, stale: bool) -> pd.DataFrame:
    """Return the table without stale points, unless asked for; print how many are left out.

    Raises
    ------
    UserError
        If no other point is left.
    """
    fresh = table[~table["stale"].astype(bool)]
    left_out = len(table) - len(fresh)
    if stale or not left_out:
        return table
    if fresh.empty:
        raise UserError(
            f"all {left_out} points are stale: their adapter or dataset has changed since",
            hint="run the suite again, or add --stale",
        )
    print(f"{left_out} stale points left out (--stale keeps them)", file=sys.stderr)
    return fresh


def selected(
    results: Path,
    suite: str | None,
    plugins: list[Path] | None,
    datasets: Sequence[str] | None,
    algorithms: Sequence[str] | None,
    max_bytes: float | None = None,
    *,
    stale: bool,
) -> pd.DataFrame:
    """Return the table with the points that the options ask for.

    Raises
    ------
    UserError
        As `load_selected`, `without_stale` and `harness.report.analysis.limits.within`.
    """
    from harness.report.analysis.limits import Limits, within

    table = without_stale(load_selected(results, suite, plugins), stale)
    return within(table, Limits(datasets or (), algorithms or (), max_bytes))


def load_selected(results: Path, suite: str | None, plugins: list[Path] | None) -> pd.DataFrame:
    """Return the table of a results folder, or of the points in it that a suite asks for.

    Raises
    ------
    UserError
        For an unreadable folder, an unknown suite, and if no point is left.
    """
    from harness.registry.registry import load_registry
    from harness.registry.suites import read_suite
    from harness.report.analysis.limits import of_suite
    from harness.results.table.rows import load_results, mark_outdated

    registry = load_registry(plugins or ())
    chosen = read_suite(suite, registry.algorithms) if suite else None
    found = load_results(results, overhead=True, truth_at_hand=truth_of)
    table = mark_outdated(found, *_at_hand(registry))
    if chosen is not None:
        return of_suite(table, chosen, registry)
    if table.empty:
        raise UserError("there are no results", where=str(results), hint="annharness run demo")
    return table


def truth_of(identity: PointIdentity) -> Truth | None:
    """Return the truth of a point if the cache holds it: a reading verb computes none."""
    from harness.data.truth.store import stored_truth

    return stored_truth(identity.fingerprint, identity.k)


def _at_hand(registry: Registry) -> tuple[dict[str, str], dict[str, str]]:
    """The hashes of the adapters, and the fingerprints of the cached datasets, on this machine."""
    from harness.data.cache.cached import open_cached
    from harness.data.loading import cached_path
    from harness.results.identity import source_sha256

    sources = {
        name: source_sha256(*definition.source_folders)
        for name, definition in registry.algorithms.items()
    }
    paths = {name: cached_path(definition) for name, definition in registry.datasets.items()}
    fingerprints = {
        name: open_cached(path).fingerprint for name, path in paths.items() if path is not None
    }
    return sources, fingerprints
