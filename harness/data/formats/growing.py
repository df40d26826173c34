"""A table of rows whose number is not known beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Vectors
from harness.data.words import Words
from harness.files.space import require_memory

_FIRST_ROWS = 1024
_GROWTH = 1.25


class GrowingRows:
    """Rows of float32 that are appended block by block, in one array that grows in place.

    Growing copies no pages, so memory stays near the size of the rows.
    """

    def __init__(self, dimension: int, where: str) -> None:
        self._rows = np.empty((_FIRST_ROWS, dimension), dtype=np.float32)
        self._count = 0
        self._where = where

    def __len__(self) -> int:
        return self._count

    def append(self, block: NDArray[np.float32]) -> None:
        """Add rows at the end.

        Raises
        ------
        UserError
            If they are more than the memory holds.
        """
        end = self._count + len(block)
        if end > len(self._rows):
            require_memory(block.nbytes, "the rows", self._where)
            self._resize(max(end, int(len(self._rows) * _GROWTH)))
        self._rows[self._count : end] = block
        self._count = end

    def finished(self) -> NDArray[np.float32]:
        """Return the rows; nothing may be appended afterwards."""
        self._resize(self._count)
        return self._rows

    def _resize(self, count: int) -> None:
        self._rows.resize((count, self._rows.shape[1]), refcheck=False)


def collected(
    blocks: Iterable[tuple[NDArray[np.float32], Sequence[str] | None]], path: Path
) -> Vectors | None:
    """Return all blocks of rows as one table, None if there is no block.

    Parameters
    ----------
    blocks
        Each with the labels of its rows; None where the file has no labels.
    path
        The file that they are of, for the message.

    Raises
    ------
    UserError
        If they are more than the memory holds.
    """
    rows: GrowingRows | None = None
    words: list[str] = []
    has_labels = False
    for block, labels in blocks:
        if rows is None:
            rows = GrowingRows(block.shape[1], str(path))
        rows.append(block)
        has_labels = labels is not None
        words += labels or ()
    if rows is None:
        return None
    return Vectors(rows=rows.finished(), labels=Words.pack(words) if has_labels else None)
