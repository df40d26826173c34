"""How fast every build of a curve is at a recall, and the ratio of two curves there."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.measures.frontier import pareto_frontier
from harness.measures.statistics import (
    Difference,
    neighbouring_builds,
    paired_ratio,
    steadiest,
    unpaired_ratio,
)

Float64 = NDArray[np.float64]
Pairing = Literal["neighbouring builds", "separate builds"]


class BuildSpeeds(NamedTuple):
    """`(builds,)` each: QPS, pace (see `harness.measures.pace`), start in seconds since 1970.

    Pace and start are NaN where they were not measured.
    """

    qps: Float64
    pace: Float64
    began_at: Float64


def speeds_at(points: pd.DataFrame, recall: float) -> BuildSpeeds:
    """Return the speeds of every build at a recall, read off the frontier of the medians.

    Empty if the points do not reach the recall. Below the lowest recall of the frontier its fastest
    point answers; between two points the logarithm is linear in recall.
    """
    rows = points.iloc[pareto_frontier(points["recall"], points["qps"])]
    recalls = rows["recall"].to_numpy(dtype=np.float64)
    if len(rows) == 0 or recall > recalls[-1]:
        return BuildSpeeds(*[np.empty(0)] * 3)
    upper = int(np.searchsorted(recalls, recall, side="left"))
    above = _of_row(rows.iloc[upper])
    if upper == 0 or recalls[upper] == recall:
        return above
    below = _of_row(rows.iloc[upper - 1])
    share = (recall - recalls[upper - 1]) / (recalls[upper] - recalls[upper - 1])
    qps, pace = (_between(below[i], above[i], share) for i in range(2))
    return BuildSpeeds(qps, pace, above.began_at[: len(qps)])


def ratio_of(new: BuildSpeeds, old: BuildSpeeds, *, paired: bool) -> tuple[Difference, Pairing]:
    """Return new / old over the builds: by QPS or by pace, whichever varies less.

    Parameters
    ----------
    paired
        Whether both sides are of one run: builds that began next to each other are then paired.
    """
    pairs = _pairs(new, old) if paired else None
    if pairs is None:
        ratios = [unpaired_ratio(*sides) for sides in _measures(new, old)]
        return steadiest(ratios), "separate builds"
    ours, theirs = (np.array(side, dtype=np.intp) for side in zip(*pairs, strict=True))
    ratios = [paired_ratio(a[ours], b[theirs]) for a, b in _measures(new, old)]
    return steadiest(ratios), "neighbouring builds"


def _measures(new: BuildSpeeds, old: BuildSpeeds) -> list[tuple[Float64, Float64]]:
    """QPS of both sides, and their pace if it is known of every build."""
    paces = [(new.pace, old.pace)] if np.isfinite([*new.pace, *old.pace]).all() else []
    return [(new.qps, old.qps), *paces]


def _pairs(new: BuildSpeeds, old: BuildSpeeds) -> list[tuple[int, int]] | None:
    """Builds that began next to each other; where that is unknown, in their order if it can be."""
    if np.isfinite([*new.began_at, *old.began_at]).all():
        return neighbouring_builds(new.began_at.tolist(), old.began_at.tolist())
    same = len(new.qps) == len(old.qps)
    return [(i, i) for i in range(len(new.qps))] if same else None


def _of_row(row: pd.Series[Any]) -> BuildSpeeds:
    qps = np.asarray(row["build_qps"], dtype=np.float64)
    return BuildSpeeds(qps, *(_known(row, name, len(qps)) for name in _MORE))


_MORE = ("build_pace", "build_began_at")


def _known(row: pd.Series[Any], name: str, builds: int) -> Float64:
    values = row.get(name)
    if isinstance(values, np.ndarray) and len(values) == builds:
        return values.astype(np.float64)
    return np.full(builds, np.nan)


def _between(below: Float64, above: Float64, share: float) -> Float64:
    builds = min(len(above), len(below))
    logs = (1 - share) * np.log(below[:builds]) + share * np.log(above[:builds])
    return np.asarray(np.exp(logs), dtype=np.float64)
