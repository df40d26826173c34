"""The adapter that does nothing: what is left of its timings is the harness's own."""

import numpy as np

from harness.contracts import Algorithm, Ids, Rows


class NoOp(Algorithm):
    """Return the first k row numbers for every query."""

    def fit(self, base: Rows) -> None:
        """Remember nothing of `base`."""
        self._ids: dict[int, Ids] = {}
        self._ids_of_batch: dict[int, Ids] = {}
        self._none: dict[int, Ids] = {}

    def warm_up(self, queries: Rows, k: int) -> None:
        """Make the answers that every later call for k neighbours returns."""
        self._ids[k] = np.arange(k)
        self._none[k] = np.full(k, -1)
        self._ids_of_batch[k] = np.tile(self._ids[k], (len(queries), 1))

    def query(self, query: Rows, k: int) -> Ids:
        """Return `(k,)` constant ids."""
        return self._ids[k]

    def query_filtered(self, query: Rows, k: int, filter: object) -> Ids:
        """Return `(k,)` times -1: no constant id matches every filter."""
        return self._none[k]

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return `(nq, k)` constant ids."""
        return self._ids_of_batch[k][: len(queries)]

    def index_bytes(self) -> int:
        """Return 0: there is no index."""
        return 0
