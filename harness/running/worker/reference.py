"""The reference index: a small exact scan that has a turn in every round of every block.

It is the same work everywhere: the same rows, the same queries, one thread, numpy. Times relative
to it can be compared between blocks, runs and days of one machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Algorithm

ROWS = 2000
_DIMENSION, _QUERIES, _K = 64, 256, 10


class Reference(Algorithm):
    """Exact search by inner product over fixed rows, with fixed queries of its own.

    2,000 rows of 64 dimensions fit into the second-level cache of most processors.
    """

    def fit(self, base: NDArray[np.float32]) -> None:
        """Draw rows and queries; the dataset is not used."""
        rng = np.random.default_rng(20_261)
        self._rows = rng.standard_normal((ROWS, _DIMENSION)).astype(np.float32)
        self._queries = list(rng.standard_normal((_QUERIES, _DIMENSION)).astype(np.float32))
        self._at = 0

    def query(self, query: NDArray[np.float32], k: int) -> NDArray[np.integer[Any]]:
        """Answer the next of the fixed queries."""
        own = self._queries[self._at]
        self._at = (self._at + 1) % _QUERIES
        scores = self._rows @ own
        best = np.argpartition(scores, -_K)[-_K:]
        return best[np.argsort(-scores[best])]

    def index_bytes(self) -> int:
        """Return the bytes of the rows."""
        return int(self._rows.nbytes)
