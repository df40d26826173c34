"""How the functions of the API take names, folders, numbers and prices."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.files.paths import user_path
from harness.files.progress import Progress, shown_lines, silent
from harness.text import Json

if TYPE_CHECKING:  # each function loads what it needs when it is called
    import pandas as pd

    from harness.report.analysis.pricing import Prices
    from harness.report.analysis.selecting import Selection

SuiteLike = str | Path | Json
"""The name of a suite, the path of a suite file, or the keys of one as a mapping."""

Folder = str | Path

Names = str | Path | Sequence[str | Path]
"""One name or path, or several."""

RESULTS = "results"


def chosen_points(
    results: Folder, plugins: Folder | Sequence[Folder], selection: Selection
) -> pd.DataFrame:
    from harness.report.analysis.selecting import selected

    return selected(user_path(results), as_folders(plugins), selection)


def as_names(names: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    return (str(names),) if isinstance(names, (str, Path)) else tuple(map(str, names))


def as_folders(given: Folder | Sequence[Folder]) -> tuple[Path, ...]:
    given = (given,) if isinstance(given, (str, Path)) else given
    return tuple(map(user_path, given))


def as_numbers(given: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(given) if isinstance(given, Iterable) else (float(given),)


def as_prices(given: Prices | float | None) -> Prices:
    from harness.report.analysis.pricing import prices_of

    named = given if isinstance(given, Mapping) else {"": given}
    return prices_of([f"{name}={price}" for name, price in named.items() if price is not None])


@contextmanager
def progress_lines(wanted: bool) -> Iterator[Progress]:
    if not wanted:
        yield silent
        return
    with shown_lines(sys.stderr) as lines:
        yield lines
