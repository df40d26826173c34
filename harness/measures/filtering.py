"""Selectivity of filters, and whether the rows that match are nearer to a query than others.

The cost of a filtered search depends on both: a filter that keeps few rows starves a graph, and one
whose rows are far from the query makes every search look in the wrong place (Patel et al., "ACORN",
SIGMOD 2024, who compare the distance of the nearest match with that of a random subset).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

Correlation = Literal["positive", "none", "negative"]
"""Whether the matches of a query are nearer than a random subset would be, as near, or farther."""

CORRELATIONS: tuple[Correlation, ...] = ("positive", "none", "negative")
_CLEAR = 2.0
"""Of 10 matches of a random subset, the rank varies by a factor of 2 in one case of 30."""

SELECTIVITIES = (*(float(f"{s}e{power}") for power in range(-9, 0) for s in (1, 2, 5)), 1.0)
"""The steps to which shares above 0 are rounded."""


def nearness_of(nearer: NDArray[np.int64], matches: NDArray[np.int64], n: int, k: int) -> Float64:
    """Return the rank that a match would have in a random subset, over the rank that it has.

    The match is the k-th nearest, or the last where there are fewer; ranks are among all n rows. Of
    m rows drawn at random, the j-th nearest has the mean rank j (n + 1) / (m + 1).

    Parameters
    ----------
    nearer
        `(nq,)`: how many rows are nearer than that match.
    matches
        `(nq,)`: how many rows match.

    Returns
    -------
    nearness
        `(nq,)`, above 1 where the matches are nearer than a random subset; NaN without a match.
    """
    place = np.minimum(matches, k)
    expected = place * (n + 1) / (matches + 1)
    return np.where(matches > 0, expected / (nearer + 1), np.nan)


class FilterClass(NamedTuple):
    """Queries whose filters are alike: `selectivity` is one of .001, .002, .005, .01, and so on."""

    selectivity: float
    correlation: Correlation

    @property
    def text(self) -> str:
        """The name of the class in the column `by_filter`, such as "0.01 none"."""
        return f"{self.selectivity:g} {self.correlation}"

    @classmethod
    def of(cls, text: str) -> FilterClass:
        """Return the class of that text."""
        selectivity, correlation = text.split(" ")
        return cls(float(selectivity), correlation)  # type: ignore[arg-type]


def filter_classes(
    matches: NDArray[np.int64], nearness: Float64, n: int
) -> Iterator[tuple[FilterClass, NDArray[np.intp]]]:
    """Yield each class that has queries, by selectivity, and the numbers of its queries.

    A selectivity counts to the nearest step by ratio. Without a match it is 0, and the correlation
    is `none`.
    """
    rounded = _rounded(matches / n)
    signs = np.zeros(len(matches), dtype=np.int64)
    signs[nearness >= _CLEAR] = -1
    signs[nearness <= 1 / _CLEAR] = 1
    for selectivity in np.unique(rounded):
        for sign, correlation in zip((-1, 0, 1), CORRELATIONS, strict=True):
            chosen = np.flatnonzero((rounded == selectivity) & (signs == sign))
            if len(chosen):
                yield FilterClass(float(selectivity), correlation), chosen


def _rounded(shares: Float64) -> Float64:
    """Each share as the nearest of 1, 2, 5 times a power of ten; at most 1."""
    steps = np.array(SELECTIVITIES)
    found = np.zeros(len(shares))
    some = shares > 0
    apart = np.abs(np.log(shares[some])[:, None] - np.log(steps))
    found[some] = steps[np.argmin(apart, axis=1)]
    return found
