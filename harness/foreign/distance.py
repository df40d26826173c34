"""Distances by the names that ann-benchmarks gives them, for adapters that compute some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Metric(NamedTuple):
    """A distance between two rows, and which values of it count as one."""

    distance: Callable[[Any, Any], float]
    distance_valid: Callable[[float], bool]


def norm(a: ArrayLike) -> float:
    """Return the Euclidean length."""
    return float(np.sqrt(np.dot(a, a)))


def euclidean(a: ArrayLike, b: ArrayLike) -> float:
    """Return the Euclidean distance."""
    return norm(np.subtract(a, b))


def angular(a: ArrayLike, b: ArrayLike) -> float:
    """Return 1 - cos."""
    return float(1 - np.dot(a, b) / (norm(a) * norm(b)))


def hamming(a: ArrayLike, b: ArrayLike) -> float:
    """Return the share of bits that differ."""
    return float(np.mean(np.asarray(a, bool) ^ np.asarray(b, bool)))


def jaccard(a: Sequence[int], b: Sequence[int]) -> float:
    """Return the similarity of two sets of integers; 0 if one is empty."""
    if len(a) == 0 or len(b) == 0:
        return 0.0
    common = len({*a} & {*b})
    return common / (len(a) + len(b) - common)


def _always(value: float) -> bool:
    return True


metrics = {
    "angular": Metric(angular, _always),
    "cosine": Metric(angular, _always),
    "euclidean": Metric(euclidean, _always),
    "hamming": Metric(hamming, _always),
    "jaccard": Metric(lambda a, b: 1 - jaccard(a, b), lambda value: value < 1 - 1e-5),
    "ip": Metric(lambda a, b: -float(np.dot(a, b)), _always),
    "normalized": Metric(lambda a, b: 1 - float(np.dot(a, b)), _always),
}


def compute_distance(metric: str, a: ArrayLike, b: ArrayLike) -> float:
    """Return a distance by the metric's name; a `KeyError` names one that is not known."""
    return metrics[metric].distance(a, b)


def is_distance_valid(metric: str, distance: float) -> bool:
    """Return whether a value counts as a distance."""
    return metrics[metric].distance_valid(distance)
