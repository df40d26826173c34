"""Which differences in recall are real: paired over the same queries, at equal bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist

import pandas as pd

from harness.measures.recall_intervals import (
    Difference,
    RecallEstimate,
    judge_differences,
    recall_difference,
)
from harness.results.table.conditions import CONDITIONS

RANKS = (1, 5, 10, 20, 50, 100)
"""The k' at which recalls are compared, as far as k goes."""

_POWER = 0.8
_MEASURES = {"recall_of_queries": "recall@{}", "first_recall_of_queries": "recall 1@{}"}
_GROUP = [*CONDITIONS, "fingerprint"]


@dataclass(frozen=True)
class RecallDifference:
    """The difference in one measure of recall between a label and the baseline.

    `measure` is, for example, `recall 1@10`. The interval of `difference` covers queries and builds
    and is corrected for all comparisons made together. `queries_needed` queries would show a
    difference of this size to be real in 80 of 100 trials with as many comparisons; infinite if
    the builds differ too much for that (`builds_differ`), so that more builds are needed.
    """

    dataset: str
    baseline: str
    label: str
    name: str
    measure: str
    theirs: float
    ours: float
    queries: int
    queries_needed: float
    builds_differ: bool
    difference: Difference


def recall_differences(table: pd.DataFrame, baseline: str) -> list[RecallDifference]:
    """Compare every label of a table with the baseline, at points of equal bytes.

    Points without answers are left out: differences are paired over queries.

    Parameters
    ----------
    table
        From `load_results(..., per_query=True)`.
    baseline
        A label.
    """
    points = table[(table["status"] == "ok") & ~table["stale"] & table["has_answers"]]
    pairs = [
        pair
        for _, group in points.groupby(_GROUP, sort=True)
        for rows in _pairs(group, baseline)
        for pair in _measures(*rows)
    ]
    estimates = [_estimate(*pair) for pair in pairs]
    judged = judge_differences(estimates)
    return [
        _difference(pair, estimate, difference)
        for pair, estimate, difference in zip(pairs, estimates, judged, strict=True)
    ]


def table_of_differences(found: Sequence[RecallDifference]) -> pd.DataFrame:
    """Return the differences as a table, a row each; `low` and `high` are of `difference`."""
    rows = [
        {**asdict(one), **asdict(one.difference), "difference": one.difference.value}
        for one in found
    ]
    return pd.DataFrame(rows).drop(columns="value", errors="ignore")


def sentence(found: Sequence[RecallDifference]) -> str:
    """Return the verdict in words."""
    real = [one for one in found if one.difference.real]
    if not found:
        return (
            "nothing to compare with the baseline: no point has as many bytes per vector as one "
            "of it, and the same search parameters"
        )
    if not real:
        clearest = min(found, key=lambda one: one.queries_needed)
        text = f"no difference is real with {clearest.queries:,} queries"
        if clearest.queries_needed >= 1e9:
            return text
        return f"{text}; the clearest would need about {clearest.queries_needed:,.0f}"
    told = ", ".join(f"{_where(one, found)} {one.difference.value:+.3f}" for one in real)
    counts = " or ".join(f"{queries:,}" for queries in sorted({one.queries for one in real}))
    return f"real with {counts} queries: {told}; the rest may be chance"


def _where(one: RecallDifference, found: Sequence[RecallDifference]) -> str:
    """The label and measure, with the dataset and the point where there are several."""
    datasets = {other.dataset for other in found}
    points = {other.name for other in found if other.label == one.label}
    parts = [one.dataset] * (len(datasets) > 1) + [one.label] + [one.name] * (len(points) > 1)
    return " ".join([*parts, one.measure])


_Pair = tuple[pd.Series, pd.Series, str, int]


def _pairs(group: pd.DataFrame, baseline: str) -> Iterator[tuple[pd.Series, pd.Series]]:
    """Pairs of a point and the baseline's point with equal bytes and search setting.

    Where either has no search parameters, equal bytes are enough. Of several such points of the
    baseline, the one with the same build parameters is taken, or none.
    """
    theirs = [row for _, row in group[group["label"] == baseline].iterrows()]
    others = group[(group["label"] != baseline) & group["in_answers"]]
    for _, row in others.iterrows():
        same_size = [one for one in theirs if one["bytes_per_vector"] == row["bytes_per_vector"]]
        found = [one for one in same_size if one["search"] == row["search"]] or [
            one for one in same_size if not (one["search"] and row["search"])
        ]
        if len(found) > 1:
            found = [one for one in found if one["build"] == row["build"]]
        if len(found) == 1:
            yield row, found[0]


def _measures(ours: pd.Series, theirs: pd.Series) -> Iterator[_Pair]:
    """A pair with each column of recalls and each rank to compare at."""
    for column in _MEASURES:
        for rank in (rank for rank in RANKS if rank <= ours["k"]):
            # recall 1@1 is the same figure as recall@1
            if rank > 1 or column == "recall_of_queries":
                yield ours, theirs, column, rank


def _estimate(ours: pd.Series, theirs: pd.Series, column: str, rank: int) -> RecallEstimate:
    return recall_difference(ours[column][..., rank - 1], theirs[column][..., rank - 1])


def _difference(pair: _Pair, estimate: RecallEstimate, difference: Difference) -> RecallDifference:
    ours, theirs, column, rank = pair
    queries = ours[column].shape[1]
    return RecallDifference(
        dataset=ours["dataset"],
        baseline=theirs["label"],
        label=ours["label"],
        name=ours["name"],
        measure="recall 1@1" if rank == 1 else _MEASURES[column].format(rank),
        theirs=float(theirs[column][..., rank - 1].mean()),
        ours=float(ours[column][..., rank - 1].mean()),
        queries=queries,
        queries_needed=_queries_needed(estimate, queries, difference),
        builds_differ=estimate.variances[1] > 0,
        difference=difference,
    )


def _queries_needed(estimate: RecallEstimate, queries: int, difference: Difference) -> float:
    """The variance from queries shrinks with their number, that from builds stays."""
    normal, level = NormalDist(), difference.level
    factor = (normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(_POWER)) ** 2
    from_queries, from_builds = estimate.variances
    left = estimate.value**2 / factor - from_builds
    needed = from_queries * queries / left if left > 0 else float("inf")
    # If that many queries were asked without success, too few builds are the reason.
    return float("inf") if from_builds > 0 and needed <= queries and not difference.real else needed
