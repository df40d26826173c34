"""Filters of photos: one or two tags that a photo must have, as sparse matrices on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts import And, Contains, FilteredQueries, Tags, UserError
from harness.contracts.dataset import FilterSource
from harness.data.making_filters import FilterDraft

_COUNT = 1000


def filters(source: FilterSource) -> FilteredQueries:
    """Return the tags of each of the first 1,000 queries as its filter."""
    starts, codes, tags = read_spmat(source.file("base.metadata.10M.spmat", None))
    names = tuple(map(str, range(tags)))
    draft = FilterDraft({"tags": Tags(starts, codes, names)})
    wanted, asked, _ = read_spmat(source.file("query.metadata.public.100K.spmat", None))
    for row in range(min(_COUNT, len(wanted) - 1)):
        own = asked[wanted[row] : wanted[row + 1]].tolist()
        draft.add(row, And(tuple(Contains("tags", names[code]) for code in own)))
    return draft.finished()


def read_spmat(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int32], int]:
    """Read a sparse matrix of big-ann-benchmarks, without its values.

    The file holds rows, columns and entries as int64, then where each row starts (int64), the
    columns of the entries (int32) and their values.

    Returns
    -------
    starts, columns, count
        `(rows + 1,)`, `(entries,)`, and the number of columns.

    Raises
    ------
    UserError
        If it is no such file.
    """
    with path.open("rb") as file:
        head = np.fromfile(file, np.int64, 3)
        rows, count, entries = head.tolist() if len(head) == 3 else (-1, 0, 0)
        needed = 24 + 8 * (rows + 1) + 8 * entries
        if min(rows, count, entries) < 0 or path.stat().st_size != needed:
            raise UserError("no sparse matrix of big-ann-benchmarks", where=str(path))
        return np.fromfile(file, np.int64, rows + 1), np.fromfile(file, np.int32, entries), count
