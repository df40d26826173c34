"""From lists of parameters to single settings."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Collection, Iterable, Iterator, Sequence

from harness.contracts import UserError
from harness.contracts.definitions import Parameters
from harness.text import Json

MOST_SETTINGS = 10_000
"""Of one algorithm for one dataset and k, before `where` drops some."""


def combinations(grid: Parameters) -> Iterator[Parameters]:
    """Yield every combination of a grid; a scalar counts as a list of one, `{}` yields `{}`."""
    names = list(grid)
    axes = [value if isinstance(value, list) else [value] for value in grid.values()]
    for values in itertools.product(*axes):
        yield dict(zip(names, values, strict=True))


def size_of(*grids: Parameters) -> int:
    """Return how many combinations grids have together."""
    axes = (value for grid in grids for value in grid.values())
    return math.prod(len(value) for value in axes if isinstance(value, list))


def require_size(count: int, what: str, place: str) -> None:
    """Raise a `UserError` if a grid multiplies out to too many settings."""
    if count > MOST_SETTINGS:
        raise UserError(
            f"{what} multiplies out to {count:,} settings",
            where=place,
            expected=f"at most {MOST_SETTINGS:,}",
            hint="shorten its lists of values",
        )


def merged(*grids: Parameters, one_of: Sequence[Collection[str]] = ()) -> Json:
    """Return the grids merged key by key; later ones win.

    Parameters
    ----------
    one_of
        Names that exclude each other: the one that a grid has takes the place of the others.
    """
    result: Json = {}
    for grid in grids:
        for names in one_of:
            given = [name for name in grid if name in names]
            if given:
                result = {given[0] if n in names else n: v for n, v in result.items()}
        result.update(grid)
    return result


def overlaid(
    settings: Iterable[tuple[Parameters, Parameters]],
    build: Parameters,
    search: Parameters,
) -> Iterator[tuple[Parameters, Parameters]]:
    """Yield settings overlaid by the grids `build` and `search`, each result once."""
    seen = set()
    for own in settings:
        for build_values in combinations(build):
            for search_values in combinations(search):
                laid = {**own[0], **build_values}, {**own[1], **search_values}
                text = json.dumps(laid, sort_keys=True)
                if text not in seen:
                    seen.add(text)
                    yield laid


def short_name(parameters: Parameters, grid: Parameters) -> str:
    """Return `M=25 nbits=4`: the parameters that the registry varies or that differ from it."""
    shown = {
        name: value
        for name, value in parameters.items()
        if isinstance(grid.get(name), list) or name not in grid or grid[name] != value
    }
    return " ".join(f"{name}={format_value(value)}" for name, value in shown.items())


def format_value(value: object) -> str:
    """Return a parameter's value as text."""
    if isinstance(value, float):
        return f"{value:g}"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)
