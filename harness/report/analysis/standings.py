"""How every curve stands at a recall: as fast as the best, slower, or unable to reach it.

`standings` tells it at one recall, `rankings` at all of them, with the curves in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.measures.frontier import pareto_frontier
from harness.measures.verdicts import Ratio
from harness.report.analysis.points import ComparisonGroup
from harness.report.analysis.recommendations import Candidates, Recommendation

Kind = Literal["best", "equal", "undecided", "slower", "unsure", "short", "failed"]
"""`unsure`: the recall is reached, but not with confidence; `short`: it is not reached;
`failed`: no point was measured."""

REACHING: tuple[Kind, ...] = ("best", "equal", "undecided", "slower")
"""The kinds of curves that reach the recall with confidence."""

STEP = 1e-4
"""Recalls are asked for in these steps: standings change at none between them."""

_DECIMALS = 4

MOST_LEVELS = 100
"""Recalls at which curves are ranked; of more, these are spread evenly over them."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """A curve at a recall in a comparison group.

    `ratio` is the QPS of its fastest point over that of the best, None for the best itself and for
    curves that do not reach the recall with confidence. `recall` is its highest recall, NaN if
    nothing was measured. `status` says how its points failed, if all did.
    """

    kind: Kind
    recall: float
    ratio: Ratio | None = None
    status: str = ""


def standings(
    group: ComparisonGroup, found: Recommendation | None, level: float
) -> dict[str, Standing]:
    """Return how each curve of a group stands at a level of recall.

    Parameters
    ----------
    group
        The group.
    found
        Its recommendation at this level, whose ratios and verdicts these are; None if no point
        reaches it.
    level
        The recall.
    """
    highest = group.highest_recalls
    sure = _sure(found) if found is not None and found.reached else {}
    return {
        **{name: Standing("failed", nan, status=how) for name, how in group.failed.items()},
        **{name: _short(recall, level) for name, recall in highest.items()},
        **{name: Standing(kind, highest[name], ratio) for name, (kind, ratio) in sure.items()},
    }


def _sure(found: Recommendation) -> Mapping[str, tuple[Kind, Ratio | None]]:
    """The curves that reach the level with confidence."""
    undecided = {name for name, _ in found.undecided}
    rivals: dict[str, tuple[Kind, Ratio | None]] = {
        name: (_kind(ratio, name in undecided), ratio) for name, ratio in found.rivals
    }
    return {str(found.row["curve"]): ("best", None), **rivals}


def _kind(ratio: Ratio, undecided: bool) -> Kind:
    if undecided:
        return "undecided"
    return "equal" if ratio.verdict == "equal" else "slower"


def _short(recall: float, level: float) -> Standing:
    return Standing("unsure" if recall >= level else "short", recall)


def by_success(found: Sequence[Mapping[str, Standing]]) -> list[str]:
    """Return the names of all curves: those that are best or equal to it most often first.

    Then those that reach the recall most often, then by name. Ratios of different groups are never
    averaged.
    """
    names = sorted({name for group in found for name in group})

    def worth(name: str) -> tuple[int, int, str]:
        kinds = [group[name].kind for group in found if name in group]
        wins = sum(kind in ("best", "equal") for kind in kinds)
        return -wins, -sum(kind in REACHING for kind in kinds), name

    return sorted(names, key=worth)


@dataclass(frozen=True)
class Rankings:
    """How curves stand at every recall, as steps.

    `by_level` maps recalls, ascending, to the standings there: those that reach the recall with
    confidence first, the fastest of them foremost, then the others by their highest recall. The
    standings at a multiple of `STEP` are those of the next higher recall: exactly if `is_exact`;
    otherwise recalls at which something changes are left out. `beyond` are the standings above the
    highest, which no curve reaches.
    """

    by_level: Mapping[float, Mapping[str, Standing]]
    beyond: Mapping[str, Standing]
    is_exact: bool


def rankings(group: ComparisonGroup, levels: Sequence[float] = ()) -> Rankings:
    """Return how the curves of a group stand at every recall, also at these levels."""
    candidates = group.candidates
    changes = _rounded_down(np.array(list(_changes(group, candidates)), dtype=np.float64))
    kept = changes
    if len(changes) > MOST_LEVELS:
        kept = changes[np.linspace(0, len(changes) - 1, MOST_LEVELS).round().astype(np.intp)]
    highest = changes.max(initial=-np.inf)
    asked = sorted({*kept.tolist(), *(level for level in levels if level <= highest)})
    found = {one.level: one for one in candidates.fastest(asked)}
    return Rankings(
        {level: _ordered(standings(group, found.get(level), level)) for level in asked},
        _ordered(standings(group, None, inf)),
        is_exact=len(kept) == len(changes),
    )


def _rounded_down(recalls: Float64) -> Float64:
    """The distinct recalls in steps of `STEP`, none above its own."""
    nearest = np.round(recalls, _DECIMALS)
    below = np.where(nearest > recalls, np.round(nearest - STEP, _DECIMALS), nearest)
    return np.unique(np.clip(below, 0.0, 1.0))


def _changes(group: ComparisonGroup, candidates: Candidates) -> Iterator[float]:
    """The recalls above which a curve's fastest point is another, or none reaches them."""
    yield from (recall for recall in group.highest_recalls.values() if not np.isnan(recall))
    points = candidates.points
    if points.empty:
        return
    reach = points[["tuning_recall", "held_out_recall_low"]].to_numpy(np.float64).min(axis=1)
    speeds = candidates.means
    for rows in points.reset_index(drop=True).groupby("curve").indices.values():
        yield from reach[rows][pareto_frontier(reach[rows], speeds[rows])].tolist()


def _ordered(found: Mapping[str, Standing]) -> dict[str, Standing]:
    return dict(sorted(found.items(), key=lambda item: _place(item[1])))


def _place(one: Standing) -> tuple[int, float]:
    """A key that sorts the best first, then by speed, then those that do not reach the recall."""
    if one.kind == "best":
        return 0, 0.0
    if one.ratio is not None:
        return 1, -np.nan_to_num(one.ratio.value)
    return 2, -np.nan_to_num(one.recall, nan=-1.0)
