"""Choosing eta by trial, for data that the formula is not made for.

The formula supposes queries from all sides. Where all rows lie in a narrow cone, as pixels do, it
is far off, and the loss with it loses to the Euclidean one. Here some rows of the base play the
queries, and the eta with which their true neighbours are found best is taken.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import Float32, Float64, Ids
from .encoding import encode
from .parameters import Parameters
from .rotation import transform
from .training import Sample, random_codebooks, train

_ROWS = 10_000
_CANDIDATES = 1.5 ** np.arange(12)  # 1 to 86
_FIRST_TRIED = 3  # an eta of 3.4
_PATIENCE = 2  # worse candidates in a row, after which a direction is given up
_HELD_OUT, _LEAST_HELD_OUT = 1000, 10
_NEIGHBOURS = 10
_KMEANS_ITERATIONS, _ITERATIONS = 8, 3


def tuned_eta(base: Float32, parameters: Parameters) -> float:
    """Return the best eta for quantizing the base `(n, d)`, by trial on up to 10,000 rows."""
    rng = np.random.default_rng([parameters.seed, 2])
    points = base[np.sort(rng.choice(len(base), min(len(base), _ROWS), replace=False))]
    turn = transform(points, parameters)
    points = points if turn is None else turn.apply(points)
    return best_eta(points, parameters.subspaces(base.shape[1]), parameters.codewords, rng)


def best_eta(points: Float32, subspaces: int, codewords: int, rng: np.random.Generator) -> float:
    """Return the eta with the best recall 10@10 of held-out rows among the others.

    Parameters
    ----------
    points
        `(n, d)` float32, a sample of the base, turned as the quantizer turns it. A tenth of them,
        at most 1,000, is held out; with fewer than 100 rows there is nothing to learn and eta
        is 1.
    subspaces, codewords
        Of the quantizer.
    rng
        Draws the held-out rows and the random start.

    Notes
    -----
    Recall is followed from 3.4 up and down over the powers of 1.5, until two in a row are worse.
    It is flat near its best and noisy, so the smallest eta counts that is within one standard
    error of the best (Breiman, Friedman, Olshen, Stone 1984, section 3.4.3).
    """
    held_out = min(_HELD_OUT, len(points) // 10)
    if held_out < _LEAST_HELD_OUT:
        return 1.0
    order = rng.permutation(len(points))
    queries, rows = points[order[:held_out]], points[order[held_out:]]
    truth = _best(queries @ rows.T)
    sample = Sample.of(rows, np.zeros(1, np.float32), np.ones(1))
    start = random_codebooks(rows, subspaces, codewords, rng)
    start = train(sample, start, iterations=_KMEANS_ITERATIONS).codebooks

    def recalls_at(eta: float) -> Float64:
        return _recalls(sample, start, eta, queries, truth)

    found = {_FIRST_TRIED: recalls_at(_CANDIDATES[_FIRST_TRIED])}
    for step in (1, -1):
        _climb(step, found, recalls_at)
    return float(_CANDIDATES[_smallest_good(found)])


def _climb(step: int, found: dict[int, Float64], recalls_at: Callable[[float], Float64]) -> None:
    """Try candidates in one direction, until `_PATIENCE` in a row are below the best."""
    place, behind = _FIRST_TRIED + step, 0
    while 0 <= place < len(_CANDIDATES) and behind < _PATIENCE:
        best = max(recalls.mean() for recalls in found.values())
        found[place] = recalls_at(_CANDIDATES[place])
        behind = 0 if found[place].mean() >= best else behind + 1
        place += step


def _smallest_good(found: dict[int, Float64]) -> int:
    best = max(found.values(), key=np.mean)
    least = best.mean() - best.std(ddof=1) / np.sqrt(len(best))
    return min(place for place, recalls in found.items() if recalls.mean() >= least)


def _recalls(sample: Sample, start: Float64, eta: float, queries: Float32, truth: Ids) -> Float64:
    """Return recall 10@10 of every query."""
    sample = sample._replace(gains=np.full(1, eta - 1, np.float32))
    codebooks = train(sample, start, iterations=_ITERATIONS).codebooks
    codes = encode(sample.points, sample.gains, codebooks).codes
    parts = [codebook[codes[:, m]] for m, codebook in enumerate(codebooks.astype(np.float32))]
    found = _best(queries @ np.concatenate(parts, axis=1).T)
    recalls: Float64 = (found[:, :, None] == truth[:, None, :]).any(axis=1).mean(axis=1)
    return recalls


def _best(scores: Float32) -> Ids:
    return np.argpartition(-scores, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
