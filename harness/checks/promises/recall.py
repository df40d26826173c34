"""The metric that is declared is the one that is searched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.checks.bench import Bench, Ids
from harness.checks.trials import Case, Trial
from harness.checks.verdicts import Failed
from harness.metric import METRICS, Metric

_CHANCE = 0.05  # two metrics whose recalls differ by less cannot be told apart by 50 queries


def check(bench: Bench, trial: Trial) -> dict[str, str]:
    """The declared metric is searched: recall is above the floor, and no other's is higher."""
    algorithm = bench.fit(trial.case)
    recalls = []
    for case in trial.cases:
        bench.note(f"search {dict(case.search)}")
        recalls.append(_recalls(bench, case, bench.ask(bench.ready(algorithm, case), case)))
    best = max(recalls, key=lambda found: found[trial.case.metric])
    recall = best[trial.case.metric]
    if recall < bench.entry.floor:
        raise Failed(f"recall@{trial.case.k} of at least {bench.entry.floor:g}", f"{recall:.3f}")
    other = max(METRICS, key=lambda metric: best[metric])
    if best[other] > recall + _CHANCE:
        raise Failed(
            f"nearest rows by {trial.case.metric}",
            f"nearest rows by {other}: recall {best[other]:.3f} there, {recall:.3f} here",
        )
    return {"why": f"{recall:.3f}, floor {bench.entry.floor:g}"}


def _recalls(bench: Bench, case: Case, ids: Ids) -> dict[Metric, float]:
    base, queries = (
        rows.astype(np.float64) for rows in (bench.base(case), bench.queries(case, len(ids)))
    )
    return {metric: _recall(_distances(metric, base, queries), ids) for metric in METRICS}


def _distances(
    metric: Metric, base: NDArray[np.float64], queries: NDArray[np.float64]
) -> NDArray[np.float64]:
    """All distances, `(nq, n)`, up to what is the same for every row of a query."""
    products: NDArray[np.float64] = queries @ base.T
    squares: NDArray[np.float64] = np.einsum("nd,nd->n", base, base)
    if metric == "euclidean":
        return squares - 2 * products
    if metric == "inner_product":
        return -products
    norms = np.sqrt(squares)
    cosines = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return np.negative(cosines)


def _recall(distances: NDArray[np.float64], ids: Ids) -> float:
    k = ids.shape[1]
    limit = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
    found = np.take_along_axis(distances, np.maximum(ids, 0), axis=1)
    hits = (found <= limit + 1e-6 * np.maximum(1.0, np.abs(limit))) & (ids >= 0)
    return float(hits.mean())
