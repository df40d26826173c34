"""Base and queries of a dataset before they are cached: rows of the source, and which of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Labels, UserError, Vectors
from harness.contracts.definitions import QueryDistribution, QuerySplit
from harness.data.rows import Rows, as_float32, blocks, require_rows

MINIMUM_QUERIES = 2


@dataclass(frozen=True)
class Part:
    """Some rows of an array. `index` lists them, in order; None means all.

    `what` and `where` are for messages: "base vectors", "file.npy".
    """

    rows: NDArray[np.generic]
    what: str
    where: str
    index: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.rows) if self.index is None else len(self.index)

    @property
    def dimension(self) -> int:
        """The number of values in a row."""
        return int(self.rows.shape[1])

    def blocks(self) -> Iterator[tuple[slice, Rows]]:
        """Yield the rows by blocks of finite float32.

        Raises
        ------
        UserError
            If a value is not finite.
        """
        view = np.broadcast_to(np.int8(0), (len(self), self.dimension))
        for block in blocks(view):
            taken = self.rows[block] if self.index is None else self.rows[self.index[block]]
            yield block, as_float32(taken, self.what, self.where, block.start)


@dataclass(frozen=True)
class Parts:
    """The parts of a dataset."""

    base: Part
    queries: Part
    labels: Labels | None = None


def split(vectors: Vectors, how: QuerySplit, where: str) -> Parts:
    """Split the rows into base and queries.

    Raises
    ------
    UserError
        If the source has too few rows, or no queries although they should be its own.
    """
    require_rows(vectors.rows, "vectors", where, minimum=1)
    if how.kind == "file":
        return _own_queries(vectors, where)
    base, queries = _indices(len(vectors.rows), how, where)
    return Parts(
        Part(vectors.rows, "base vectors", where, base),
        Part(vectors.rows, "queries", where, queries),
        _drawn_labels(vectors.labels, base, queries),
    )


def _own_queries(vectors: Vectors, where: str) -> Parts:
    if vectors.queries is None:
        raise UserError(
            "the source brings no queries of its own",
            where=where,
            hint="hold some rows out: queries: {draw: random, count: 1000, seed: 0}",
        )
    require_rows(vectors.queries, "queries", where, MINIMUM_QUERIES)
    if vectors.rows.shape[1] != vectors.queries.shape[1]:
        raise UserError(
            "base and queries differ in dimension",
            where=where,
            got=f"{vectors.rows.shape[1]} and {vectors.queries.shape[1]}",
        )
    base = Part(vectors.rows, "base vectors", where)
    return Parts(base, Part(vectors.queries, "queries", where), _own_labels(vectors))


def _own_labels(vectors: Vectors) -> Labels | None:
    if vectors.labels is None or vectors.query_labels is None:
        return None
    return Labels(vectors.labels, vectors.query_labels)


def _indices(
    total: int, how: QuerySplit, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    generator = np.random.default_rng(how.seed)
    if how.kind == "random":
        count = how.count or 0
        _require_enough(total, count + 1, count, where)
        drawn = generator.choice(total, count, replace=False)
        kept = np.ones(total, dtype=bool)
        kept[drawn] = False
        return np.flatnonzero(kept), drawn
    first = how.first or 0
    count = total - first if how.count is None else how.count
    _require_enough(total, first + count, count, where)
    rest = np.arange(first, total)
    queries = rest if how.count is None else first + generator.choice(len(rest), count, False)
    return np.arange(first), queries


def base_rows(n: int, how: QuerySplit) -> NDArray[np.int64]:
    """Return the row in the source of each of the n rows of a base, `(n,)`."""
    if how.kind != "random":
        return np.arange(n)
    return _indices(n + (how.count or 0), how, "")[0]


def _require_enough(total: int, needed: int, queries: int, where: str) -> None:
    if queries < MINIMUM_QUERIES:
        raise UserError(
            "too few queries", where=where, expected=f"at least {MINIMUM_QUERIES}", got=str(queries)
        )
    if total < needed:
        raise UserError(
            "the source has too few rows for this split",
            where=where,
            expected=f"at least {needed:,} rows",
            got=f"{total:,}",
        )


def _drawn_labels(
    labels: Sequence[str] | None, base: NDArray[np.int64], queries: NDArray[np.int64]
) -> Labels | None:
    if labels is None:
        return None
    return Labels([labels[i] for i in base], [labels[i] for i in queries])


DISTRIBUTIONS: Mapping[QueryDistribution, str] = {
    "same": "same as the base",
    "other": "differs from the base",
}
"""How queries are distributed, in words."""


def describe_split(how: QuerySplit) -> str:
    """Return in a few words where the queries come from."""
    if how.kind == "file":
        return "its own"
    if how.kind == "random":
        return f"{how.count:,} drawn, seed {how.seed}"
    rest = "the rest of the rows"
    return rest if how.count is None else f"{how.count:,} of {rest}, seed {how.seed}"
