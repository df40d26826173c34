"""How every curve stands at a recall: as fast as the best, slower, or unable to reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal

from harness.measures.verdicts import Ratio
from harness.report.analysis.points import ComparisonGroup
from harness.report.analysis.recommendations import Recommendation

Kind = Literal["best", "equal", "undecided", "slower", "unsure", "short", "failed"]
"""`unsure`: the recall is reached, but not with confidence; `short`: it is not reached;
`failed`: no point was measured."""

REACHING: tuple[Kind, ...] = ("best", "equal", "undecided", "slower")
"""The kinds of curves that reach the recall with confidence."""


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
