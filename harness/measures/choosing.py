"""Choosing the fastest of several candidates, and reporting its speed and recall without bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.measures.verdicts import Speeds

_SEED = 52_489


class Split(NamedTuple):
    """Row numbers of both parts, ascending, disjoint, together all queries."""

    tuning: NDArray[np.intp]
    held_out: NDArray[np.intp]


def split_queries(nq: int) -> Split:
    """Split the queries into tuning and held-out ones, seeded by their number alone.

    Of an odd number, the held-out part gets one more. A single query is in both parts.
    """
    if nq == 1:
        return Split(np.zeros(1, dtype=np.intp), np.zeros(1, dtype=np.intp))
    order = np.random.default_rng([_SEED, nq]).permutation(nq)
    return Split(np.sort(order[: nq // 2]), np.sort(order[nq // 2 :]))


Float64 = NDArray[np.float64]
Report = Literal["cross-fitted", "chosen and reported on the same build"]

NOT_REACHED = "not reached with confidence"
"""What to say where a recall is measured but no candidate is eligible for it."""

_NEAR = 0.8  # of the QPS of the best: slower candidates win in no block


@dataclass(frozen=True)
class Choice:
    """The fastest candidate and its speed.

    `winner` is its row number. `log_speed` is the mean over `by_block`, the logarithms of QPS in
    each block that could be used. `report` says whether they are cross-fitted.
    """

    winner: int
    log_speed: float
    by_block: Float64
    report: Report


def eligible(
    tuning_recall: ArrayLike, held_out_recall_low: ArrayLike, recall: float
) -> NDArray[np.bool_]:
    """Return which candidates reach a recall with confidence, `(candidates,)`.

    Parameters
    ----------
    tuning_recall
        `(candidates,)` recall on the tuning queries.
    held_out_recall_low
        `(candidates,)` lower end of the interval of recall on the held-out queries.
    recall
        The recall that both must reach. NaN reaches none.
    """
    chosen = np.asarray(tuning_recall, dtype=np.float64) >= recall
    return np.asarray(chosen & (np.asarray(held_out_recall_low, dtype=np.float64) >= recall))


def block_log_speeds(candidates: Sequence[Speeds]) -> Float64:
    """Return the speeds of the candidates in each block, `(candidates, blocks)`, for `choose`.

    Logarithms of QPS; NaN if a candidate has no build in a block. If every build has a reference
    index, speeds are relative to it, so that slow blocks count equally. Builds without a block are
    put in columns by their order.
    """
    columns: dict[str, int] = {}
    numbers = [[_column(columns, b, i) for i, b in enumerate(c.blocks)] for c in candidates]
    levelled = all(np.isfinite(c.reference).all() for c in candidates)
    speeds, references = (np.full((len(candidates), len(columns)), np.nan) for _ in range(2))
    for row, (one, at) in enumerate(zip(candidates, numbers, strict=True)):
        speeds[row, at] = -(one.relative if levelled else one.log_seconds)
        references[row, at] = one.reference
    mean_conditions = np.nanmean(np.nanmean(references, axis=0)) if levelled and columns else 0.0
    return np.asarray(speeds - mean_conditions, dtype=np.float64)


def choose(log_speeds: Float64) -> Choice:
    """Return the fastest of some eligible candidates, with its cross-fitted speed.

    Parameters
    ----------
    log_speeds
        `(candidates, blocks)` logarithms of QPS; NaN where a candidate was not in a block.

    Returns
    -------
    choice
        The winner has the highest mean over its blocks. The speed is cross-fitted over the blocks
        that all candidates within 20 % of the winner share; with fewer than two such blocks it is
        the winner's own mean, and `report` says so.

    Raises
    ------
    ValueError
        If there is no candidate of known speed.
    """
    known = np.isfinite(log_speeds)
    counts = known.sum(axis=1)
    if not counts.any():
        raise ValueError("no candidate of known speed")
    sums = np.where(known, log_speeds, 0.0).sum(axis=1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)
    winner = int(means.argmax())
    near = means >= means[winner] + np.log(_NEAR)
    shared = log_speeds[near][:, known[near].all(axis=0)]
    if shared.shape[1] < 2:
        own = log_speeds[winner, known[winner]]
        return Choice(winner, float(means[winner]), own, "chosen and reported on the same build")
    by_block = _cross_fitted(shared)
    return Choice(winner, float(by_block.mean()), by_block, "cross-fitted")


def _cross_fitted(speeds: Float64) -> Float64:
    """In each block, the speed of the candidate that is fastest in the other blocks together."""
    by_others = speeds.sum(axis=1, keepdims=True) - speeds
    return np.asarray(speeds[by_others.argmax(axis=0), np.arange(speeds.shape[1])])


def _column(columns: dict[str, int], block: str, order: int) -> int:
    return columns.setdefault(block or f"build {order}", len(columns))
