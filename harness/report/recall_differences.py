"""Which differences in recall are real: paired over the same queries, at equal bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.measures.statistics import Difference, holm, paired_difference

RANKS = (1, 5, 10, 20, 50, 100)
"""The k' at which recalls are compared, as far as k goes."""

_LEVEL = 0.05
_FACTOR = (1.959964 + 0.841621) ** 2  # a two-sided test at 5 % that sees the difference in 80 %
_MEASURES = {"recall_of_queries": "recall@{}", "first_recall_of_queries": "recall 1@{}"}
_SCENE = ["dataset", "fingerprint", "k", "mode", "threads", "machine"]


@dataclass(frozen=True)
class RecallDifference:
    """One measure of recall of a label, less that of the baseline, over the same queries.

    `measure` is such as `recall 1@10`; `real` says whether the difference stands after Holm's
    correction for all that are compared together; `queries_needed` is how many queries would show
    a difference of this size in 80 of 100 tries at the 5 % level, uncorrected.
    """

    dataset: str
    baseline: str
    label: str
    name: str
    measure: str
    theirs: float
    ours: float
    difference: Difference
    queries: int
    queries_needed: float
    real: bool = False


def recall_differences(table: pd.DataFrame, baseline: str) -> list[RecallDifference]:
    """Compare every label of a table with the baseline, where both have one point of equal bytes.

    Parameters
    ----------
    table
        From `load_results(..., per_query=True)`.
    baseline
        A label.
    """
    points = table[(table["status"] == "ok") & ~table["stale"].astype(bool)]
    found = [
        difference
        for _, scene in points.groupby(_SCENE, sort=True)
        for ours, theirs in _pairs(scene, baseline)
        for difference in _of_pair(ours, theirs)
    ]
    adjusted = holm([one.difference.p_value for one in found])
    return [replace(one, real=bool(p < _LEVEL)) for one, p in zip(found, adjusted, strict=True)]


def sentence(found: Sequence[RecallDifference]) -> str:
    """Return the verdict in words."""
    real = [one for one in found if one.real]
    if not found:
        return "nothing to compare with the baseline"
    if not real:
        needed = min(one.queries_needed for one in found)
        text = f"no difference is real with {found[0].queries:,} queries"
        return f"{text}; the clearest would need about {needed:,.0f}" if needed < 1e9 else text
    told = ", ".join(f"{o.label} {o.measure} {o.difference.value:+.3f}" for o in real)
    return f"real with {found[0].queries:,} queries: {told}; the rest may be chance"


def _pairs(scene: pd.DataFrame, baseline: str) -> Iterator[tuple[pd.Series, pd.Series]]:
    """Points with the baseline's point of equal bytes and search setting."""
    theirs = {_size(row): row for _, row in scene[scene["label"] == baseline].iterrows()}
    others = scene[(scene["label"] != baseline) & scene["in_answers"].astype(bool)]
    for _, row in others.iterrows():
        if _size(row) in theirs:
            yield row, theirs[_size(row)]


def _size(row: pd.Series) -> tuple[float, str]:
    return float(row["bytes_per_vector"]), str(sorted(row["search"].items()))


def _of_pair(ours: pd.Series, theirs: pd.Series) -> Iterator[RecallDifference]:
    for column, measure in _MEASURES.items():
        for rank in (rank for rank in RANKS if rank <= ours["k"]):
            if rank == 1 and column == "first_recall_of_queries":
                continue  # the same figure as recall@1
            a, b = ours[column][:, rank - 1], theirs[column][:, rank - 1]
            yield RecallDifference(
                dataset=ours["dataset"],
                baseline=theirs["label"],
                label=ours["label"],
                name=ours["name"],
                measure="recall 1@1" if rank == 1 else measure.format(rank),
                theirs=float(b.mean()),
                ours=float(a.mean()),
                difference=paired_difference(a, b),
                queries=len(a),
                queries_needed=_queries_needed(a - b),
            )


def _queries_needed(differences: NDArray[np.float64]) -> float:
    mean = float(differences.mean())
    return float("inf") if mean == 0 else _FACTOR * float(differences.var(ddof=1)) / mean**2
