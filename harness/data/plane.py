"""A sample of base rows and queries on the two principal components of the base."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.data.cache.cached import CachedDataset
from harness.data.cache.folder import cache_subfolder
from harness.files.replacing import write_text

Float64 = NDArray[np.float64]
Place = tuple[float, float]

MOST_ROWS, MOST_QUERIES = 1000, 300
_STEPS = 1000
"""Coordinates are kept in so many steps of the largest one: pictures show no more."""


class Plane(NamedTuple):
    """Places of base rows and of queries, in units of the largest coordinate, -1 to 1.

    `share` is the part of the variance of the sampled base rows that the plane holds, 0 to 1.
    """

    base: tuple[Place, ...]
    queries: tuple[Place, ...]
    share: float


def plane_of(dataset: CachedDataset) -> Plane | None:
    """Return the picture of a dataset, from the cache or computed now.

    At most 1,000 base rows and 300 queries are drawn once, by a fixed seed. The components are
    those of the base rows, so that queries of another distribution lie elsewhere; for `angular`
    rows have length 1. None if all rows of the sample are the same.
    """
    path = cache_subfolder("difficulty") / f"{dataset.fingerprint[:32]}.plane.json"
    try:
        return _from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = _compute(dataset)
    if found is not None:
        write_text(path, json.dumps(found._asdict()) + "\n")
    return found


def _from_json(text: str) -> Plane:
    stored = json.loads(text)
    base, queries = (
        tuple((float(x), float(y)) for x, y in stored[part]) for part in ("base", "queries")
    )
    return Plane(base, queries, float(stored["share"]))


def _compute(dataset: CachedDataset) -> Plane | None:
    generator = np.random.default_rng(0)
    unit = dataset.metric == "angular"
    base = _sample(dataset.base, MOST_ROWS, generator, unit=unit)
    queries = _sample(dataset.queries, MOST_QUERIES, generator, unit=unit)
    centre = base.mean(axis=0)
    _, spreads, axes = np.linalg.svd(base - centre, full_matrices=False)
    total = float((spreads**2).sum())
    if not 0 < total < np.inf:
        return None
    axes = axes[:2] * _signs(axes[:2])
    rows, asked = (base - centre) @ axes.T, (queries - centre) @ axes.T
    largest = max(float(np.abs(rows).max()), float(np.abs(asked).max()))
    share = float((spreads[:2] ** 2).sum()) / total
    return Plane(_places(rows / largest), _places(asked / largest), share)


def _sample(
    rows: NDArray[np.generic], most: int, generator: np.random.Generator, *, unit: bool
) -> Float64:
    """`(<= most, d)` of the rows, of length 1 if `unit`; rows of zeros stay so."""
    drawn = generator.choice(len(rows), min(len(rows), most), replace=False)
    taken = np.asarray(rows[np.sort(drawn)], dtype=np.float64)
    if not unit:
        return taken
    lengths = np.linalg.norm(taken, axis=1, keepdims=True)
    return np.asarray(taken / np.where(lengths > 0, lengths, 1.0))


def _signs(axes: Float64) -> Float64:
    """`(axes, 1)` of 1 and -1 that make the largest value of each axis positive.

    Libraries of linear algebra differ in signs, and so would pictures of the same data.
    """
    largest = np.abs(axes).argmax(axis=1)
    return np.asarray(np.sign(axes[np.arange(len(axes)), largest])[:, None])


def _places(values: Float64) -> tuple[Place, ...]:
    """Both coordinates of each row, rounded; where there is one dimension, the other is 0."""
    padded = np.zeros((len(values), 2))
    padded[:, : values.shape[1]] = np.round(values * _STEPS) / _STEPS + 0.0  # no -0
    return tuple((x, y) for x, y in padded.tolist())
