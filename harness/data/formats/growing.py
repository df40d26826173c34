"""A table of rows whose number is not known beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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

    @property
    def dimension(self) -> int:
        """The number of values in a row."""
        return self._rows.shape[1]

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
