"""Checks of the neighbours returned: valid, in order, for every k."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.checks.bench import Bench, Ids
from harness.checks.catalog import rule
from harness.checks.trials import Case, Failed, Skipped, Trial
from harness.contracts.dataset import METRICS, Metric

_ALIKE = 0.9
_RELATIVE, _ABSOLUTE = 1e-5, 1e-5


def agreement(first: Ids, second: Ids) -> float:
    """Return the share of ids that two arrays of neighbours `(nq, k)` have in common."""
    shared = sum(
        len(np.intersect1d(a[a >= 0], b[b >= 0])) for a, b in zip(first, second, strict=True)
    )
    most = max(int((first >= 0).sum()), int((second >= 0).sum()))
    return shared / most if most else 1.0


def require_same(first: Ids, second: Ids, expected: str) -> None:
    """Fail unless every id is the same."""
    if not np.array_equal(first, second):
        query = int(np.argmax((first != second).any(axis=1)))
        raise Failed(expected, _difference(first, second, query))


def require_alike(bench: Bench, case: Case, first: Ids, second: Ids, expected: str) -> None:
    """Fail unless the neighbours are the same up to ties.

    If they are in the order of true distance, ties are equal distances. Otherwise ties are equal
    scores, which only the adapter knows: then nine ids of ten must be the same.
    """
    if bench.entry.exact_order:
        ours, theirs = (np.sort(bench.distances(case, ids), axis=1) for ids in (first, second))
        same = np.isclose(ours, theirs, rtol=_RELATIVE, atol=_ABSOLUTE).all(axis=1)
        if not same.all():
            raise Failed(expected, _difference(first, second, int(np.argmin(same))))
        return
    share = agreement(first, second)
    if share < _ALIKE:
        raise Failed(f"{expected} (at least {_ALIKE:.0%} of the ids)", f"{share:.0%} of the ids")


def _difference(first: Ids, second: Ids, query: int) -> str:
    return f"query {query}: {_shown(first[query])} and then {_shown(second[query])}"


def _shown(ids: Ids) -> str:
    return "[" + ", ".join(map(str, ids[:6])) + (", ...]" if len(ids) > 6 else "]")


_TOLERANCE = 1e-5
_CHANCE = 0.05  # a smaller difference between two metrics may be chance with 50 queries


@rule
def builds(bench: Bench, trial: Trial) -> dict[str, object]:
    """The adapter builds an index from rows and answers queries.

    Its neighbours are reported, so that another process can compare its own with them.
    """
    algorithm = bench.built(trial.case).algorithm
    queries = bench.queries(trial.case).copy()
    return {"answers": [_plain(algorithm.query(query, trial.case.k)) for query in queries]}


def _plain(answer: object) -> object:
    """The answer as JSON can hold it; other checks judge whether it is valid."""
    if not isinstance(answer, np.ndarray | list | tuple):
        return None
    try:
        ids = np.asarray(answer)
    except ValueError:  # lists of several lengths
        return None
    return None if ids.dtype.hasobject else ids.tolist()


@rule
def ids_valid(bench: Bench, trial: Trial) -> None:
    """The neighbours are k distinct row numbers, best first, padded with -1 at the end."""
    bench.require_valid(bench.built(trial.case).algorithm, trial.case)


@rule
def answers_stay(bench: Bench, trial: Trial) -> None:
    """The returned array is not overwritten by the next query: the harness reads it later."""
    algorithm = bench.built(trial.case).algorithm
    queries = bench.queries(trial.case).copy()
    answer = algorithm.query(queries[0], trial.case.k)
    kept = np.array(answer)
    for query in queries[1:]:
        algorithm.query(query, trial.case.k)
    if not np.array_equal(kept, answer):
        raise Failed("an array of its own for each answer", "the next query wrote over it")


@rule
def single_equals_batch(bench: Bench, trial: Trial) -> None:
    """`query_batch` returns the same as `query`, up to ties."""
    algorithm = bench.built(trial.case).algorithm
    single = bench.ask(algorithm, trial.case)
    batch = bench.ask_batch(algorithm, trial.case)
    require_alike(bench, trial.case, single, batch, "query_batch like query")


@rule
def k_one(bench: Bench, trial: Trial) -> None:
    """A search for one neighbour works, singly and in a batch."""
    bench.require_valid(bench.built(trial.case).algorithm, trial.case)


@rule
def k_all(bench: Bench, trial: Trial) -> None:
    """A search for as many neighbours as there are rows works."""
    bench.require_valid(bench.built(trial.case).algorithm, trial.case)


@rule
def k_beyond(bench: Bench, trial: Trial) -> None:
    """If fewer than k neighbours are found, the rest is padded with -1."""
    bench.require_valid(bench.built(trial.case).algorithm, trial.case)


@rule
def nearest_first(bench: Bench, trial: Trial) -> None:
    """The neighbours are in the order of their true distance, if the entry says `exact_order`."""
    if not bench.entry.exact_order:
        raise Skipped("the entry does not declare exact_order: true")
    algorithm = bench.built(trial.case).algorithm
    _require_ascending(bench, trial, bench.ask(algorithm, trial.case))
    _require_ascending(bench, trial, bench.ask_batch(algorithm, trial.case))


def _require_ascending(bench: Bench, trial: Trial, ids: Ids) -> None:
    distances = bench.distances(trial.case, ids)
    distances[np.isinf(distances)] = np.nan  # padding
    steps = np.diff(distances, axis=1)
    scale = np.maximum(1.0, np.abs(distances[:, 1:]))
    if (steps < -_TOLERANCE * scale).any():
        query = int(np.argmax((steps < -_TOLERANCE * scale).any(axis=1)))
        shown = ", ".join(f"{distance:.6g}" for distance in distances[query][:6])
        raise Failed("ascending true distances", f"query {query}: {shown}, ...")


@rule
def recall(bench: Bench, trial: Trial) -> dict[str, str]:
    """Recall under the declared metric reaches the floor, and no other metric's is higher."""
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
    """All distances, `(nq, n)`, up to a constant for each query."""
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
