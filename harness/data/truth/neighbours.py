"""The true nearest rows of one query by name, to show what the data are."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Dataset, Labels, UserError
from harness.data.rows import blocks
from harness.measures.distances import answer_distances

_COMPARED_WORDS = 20_000


@dataclass(frozen=True)
class Neighbours:
    """The nearest base rows of a named row, nearest first. `distances` as everywhere: float64.

    `is_query` is False if the word names a base row, which is then not among its neighbours.
    """

    word: str
    is_query: bool
    words: list[str]
    distances: NDArray[np.float64]


def neighbours_of(dataset: Dataset, word: str, k: int) -> Neighbours:
    """Return the k nearest base rows of a query, or of a base row, by its name.

    Raises
    ------
    UserError
        If the rows have no names, or none is called so (the nearest by spelling are named).
    """
    labels = dataset.labels
    if labels is None:
        raise UserError(
            "the rows of this dataset have no names",
            where=dataset.name,
            hint="datasets of words (glove-50-10k) have",
        )
    query = _position(labels.queries, word)
    if query is not None:
        truth = dataset.truth(k)
        found = truth.ids[query] >= 0  # fewer may match a filter
        words = [labels.base[i] for i in truth.ids[query][found]]
        return Neighbours(word, True, words, truth.distances[query][found])
    row = _position(labels.base, word)
    if row is None:
        raise _unknown(dataset, labels, word)
    return _around_base_row(dataset, labels, row, k)


def _position(words: Sequence[str], word: str) -> int | None:
    return next((i for i, candidate in enumerate(words) if candidate == word), None)


def _unknown(dataset: Dataset, labels: Labels, word: str) -> UserError:
    lowered = word.lower()
    near = _nearest_by_spelling(lowered, labels.queries, 0.5)
    near += _nearest_by_spelling(lowered, labels.base, 0.7)
    near = near or list(labels.queries[:5])
    return UserError(
        f"no row is called {word!r}",
        where=dataset.name,
        expected=f"one of its {len(labels.queries):,} queries or {len(labels.base):,} base words",
        hint="the nearest by spelling: " + ", ".join(near),
    )


def _nearest_by_spelling(word: str, known: Sequence[str], cutoff: float) -> list[str]:
    candidates: Sequence[str] = known
    if len(known) > _COMPARED_WORDS:  # comparing all would take long
        candidates = [one for one in known if one[:1] == word[:1] and abs(len(one) - len(word)) < 3]
    return difflib.get_close_matches(word, candidates[:_COMPARED_WORDS], n=3, cutoff=cutoff)


def _around_base_row(dataset: Dataset, labels: Labels, row: int, k: int) -> Neighbours:
    query = dataset.base[row : row + 1]
    distances = np.concatenate(
        [
            answer_distances(
                dataset.metric, dataset.base, query, np.arange(block.start, block.stop)[None]
            )[0]
            for block in blocks(dataset.base)
        ]
    )
    distances[row] = np.inf
    order = np.argsort(distances, kind="stable")[:k]
    order = order[np.isfinite(distances[order])]
    return Neighbours(
        labels.base[row], False, [labels.base[int(i)] for i in order], distances[order]
    )
