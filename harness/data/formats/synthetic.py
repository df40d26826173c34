"""Made-up vectors of any size, the same for the same seed: for tests and for scaling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError, Vectors
from harness.contracts.definitions import Parameters
from harness.files.space import require_memory

_BLOCK_ROWS = 8192
_DEFAULTS: Parameters = {"kind": "gaussian", "query_rows": 0, "seed": 0, "clusters": 100}
_SPREAD = 0.35


def make_synthetic(path: Path, options: Parameters) -> Vectors:
    """Draw rows; the file is not read.

    Parameters
    ----------
    path
        For messages: the entry's file.
    options
        `n`, `d`; `kind`: `gaussian` (every value normal, so angles are uniform) or `clustered`
        (around `clusters` centres, of sizes that fall off as 1/rank); `query_rows`: how many more
        rows come as queries; `seed`.

    Raises
    ------
    UserError
        If an option is missing, unknown or out of range.
    """
    chosen = {**_DEFAULTS, **options}
    n, d, queries = (_count(chosen, name, path) for name in ("n", "d", "query_rows"))
    _require_known(chosen, path)
    require_memory(4 * (n + queries) * d, "the made-up rows", str(path))
    generator = np.random.default_rng(int(chosen["seed"]))
    rows = np.empty((n + queries, d), dtype=np.float32)
    centres = None
    if chosen["kind"] == "clustered":
        centres = generator.standard_normal((_count(chosen, "clusters", path), d), np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        block[:] = _draw(generator, block.shape, centres)
    return Vectors(rows=rows[:n], queries=rows[n:] if queries else None)


def _draw(
    generator: np.random.Generator, shape: tuple[int, ...], centres: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    noise = generator.standard_normal(shape, np.float32)
    if centres is None:
        return noise
    weights = 1.0 / np.arange(1, len(centres) + 1)
    chosen = generator.choice(len(centres), shape[0], p=weights / weights.sum())
    return centres[chosen] + np.float32(_SPREAD) * noise


def _count(chosen: Parameters, name: str, path: Path) -> int:
    value = chosen.get(name)
    least = 0 if name == "query_rows" else 1
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        expected = f"a whole number, at least {least}"
        raise UserError(
            f"wrong option {name!r}", where=str(path), expected=expected, got=str(value)
        )
    return value


def _require_known(chosen: Parameters, path: Path) -> None:
    known = {*_DEFAULTS, "n", "d"}
    unknown = sorted(set(chosen) - known)
    if unknown:
        expected = "one of " + ", ".join(sorted(known))
        raise UserError(f"unknown option {unknown[0]!r}", where=str(path), expected=expected)
    if chosen["kind"] not in ("gaussian", "clustered"):
        expected = "gaussian or clustered"
        raise UserError("wrong kind", where=str(path), expected=expected, got=str(chosen["kind"]))
