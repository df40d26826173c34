"""What functions of the key `filtered` are made of: random subsets, and queries with filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.contracts import (
    And,
    Attributes,
    Category,
    Contains,
    Equals,
    Filter,
    FilteredQueries,
    In,
    Number,
    Range,
    Tags,
    UserError,
)
from harness.contracts.dataset import FilterSource
from harness.contracts.filters import Attribute

SELECTIVITIES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_OTHER = "other"
_SUBSETS = "subsets"
_SHARES = (0.001, 0.01, 0.1, 0.5)
_LEAST_MATCHES = 10


@dataclass
class FilterDraft:
    """Collects queries with their filters; equal filters are kept once."""

    attributes: Attributes
    _numbers: dict[Filter, int] = field(default_factory=dict)
    _rows: list[int] = field(default_factory=list)
    _filters: list[int] = field(default_factory=list)

    def add(self, query_row: int, one: Filter) -> None:
        """Let a query ask with a filter; it may ask again with another one."""
        self._rows.append(query_row)
        self._filters.append(self._numbers.setdefault(one, len(self._numbers)))

    def finished(self) -> FilteredQueries:
        """Return all of it."""
        return FilteredQueries(
            self.attributes,
            tuple(self._numbers),
            np.array(self._rows, dtype=np.int64),
            np.array(self._filters, dtype=np.int64),
        )


def random_subsets(n: int, selectivities: Sequence[float] = SELECTIVITIES, seed: int = 0) -> Tags:
    """Return tags that each keep a random share of n rows, named by `subset_name`."""
    rng = np.random.default_rng(seed)
    chosen = [np.sort(rng.choice(n, round(n * one), replace=False)) for one in selectivities]
    rows = np.concatenate(chosen)
    codes = np.repeat(np.arange(len(chosen)), [len(one) for one in chosen])
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)
    return Tags(starts, codes[order].astype(np.uint8), tuple(map(subset_name, selectivities)))


def subset_name(selectivity: float) -> str:
    """Return the tag of a random subset."""
    return f"{selectivity:g} of all"


def drawn_filters(columns: Attributes, n: int, count: int) -> FilteredQueries:
    """Return filters for the first `count` queries of a dataset of n rows.

    They take turns to ask in random subsets, and for each attribute: categories and tags whose
    shares of the rows are nearest to .001, .01, .1 and .5, and the least numbers up to these
    quantiles. Filters with fewer than 10 matches are left out.
    """
    attributes = {_SUBSETS: random_subsets(n), **columns}
    shared: list[Filter] = []
    if _SUBSETS not in columns:
        subsets = (one for one in SELECTIVITIES if n * one >= _LEAST_MATCHES)
        shared += (Contains(_SUBSETS, subset_name(one)) for one in subsets)
    for name, column in columns.items():
        shared += _of_column(name, column, n)
    used = {one.attribute for one in shared if not isinstance(one, And)}
    draft = FilterDraft({name: attributes[name] for name in attributes if name in used})
    for row in range(count if shared else 0):
        draft.add(row, shared[row % len(shared)])
    return draft.finished()


def _of_column(name: str, column: Attribute, n: int) -> list[Filter]:
    if isinstance(column, Number):
        known = np.sort(column.values[~np.isnan(column.values)])
        places = [round(len(known) * share) - 1 for share in _SHARES]
        ends = {float(known[place]) for place in places if place + 1 >= _LEAST_MATCHES}
        return [Range(name, float(known[0]), end) for end in sorted(ends) if end < known[-1]]
    counts = np.bincount(column.codes, minlength=len(column.names))
    usual = np.flatnonzero((counts >= _LEAST_MATCHES) & (counts < n))
    if not len(usual):
        return []
    apart = np.abs(np.log(counts[usual] / n)[:, None] - np.log(_SHARES))
    chosen = dict.fromkeys(usual[np.argmin(apart, axis=0)].tolist())
    one = Contains if isinstance(column, Tags) else Equals
    return [one(name, column.names[code]) for code in chosen]


def word_filters(source: FilterSource, count: int) -> FilteredQueries:
    """Return filters for words in the order of their frequency.

    Attributes are `rank` (the word's row in the source, from 0 for the most frequent), `letter`
    (the first, a to z, or `other`) and `subsets`. The first `count` queries take turns to ask in
    random subsets, in the most or the least frequent words, in words that begin like the query or
    with a vowel, and in those of a rare subset that begin like the query, which few or none are.

    Raises
    ------
    UserError
        If the rows have no names.
    """
    labels = source.dataset.labels
    if labels is None:
        raise UserError("filters of words need their names", where=source.dataset.name)
    rank, n = source.base_rows.astype(np.float64), len(source.base_rows)
    names = (*map(chr, range(ord("a"), ord("z") + 1)), _OTHER)
    codes = [names.index(_letter(word)) for word in labels.base]
    draft = FilterDraft(
        {
            "rank": Number(rank),
            "letter": Category(np.array(codes, dtype=np.uint8), names),
            _SUBSETS: random_subsets(n),
        }
    )
    ends = np.sort(rank)
    least, most = float(ends[0]), float(ends[-1])
    shared: list[Filter] = [
        *(Contains(_SUBSETS, subset_name(one)) for one in SELECTIVITIES),
        *(Range("rank", least, float(ends[round(n * share) - 1])) for share in (0.01, 0.1, 0.5)),
        *(Range("rank", float(ends[-round(n * share)]), most) for share in (0.01, 0.1)),
        In("letter", ("a", "e", "i", "o", "u")),
    ]
    for row in range(min(count, len(labels.queries))):
        own = Equals("letter", _letter(labels.queries[row]))
        rare = And((own, Contains(_SUBSETS, subset_name(SELECTIVITIES[1]))))
        every: list[Filter] = [*shared, own, rare]
        draft.add(row, every[row % len(every)])
    return draft.finished()


def _letter(word: str) -> str:
    first = word[:1].lower()
    return first if first.isascii() and first.isalpha() else _OTHER
