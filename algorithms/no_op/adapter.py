"""The adapter that does nothing: what is left of its timings is the harness's own."""

import numpy as np

from harness.contracts import Algorithm


class NoOp(Algorithm):
    """Return the first k row numbers for every query."""

    def fit(self, base):
        """Remember nothing of `base`."""
        self._ids = {}
        self._ids_of_batch = {}

    def warm_up(self, queries, k):
        """Make the answers that every later call for k neighbours returns."""
        self._ids[k] = np.arange(k)
        self._ids_of_batch[k] = np.tile(self._ids[k], (len(queries), 1))

    def query(self, query, k):
        """Return `(k,)` constant ids."""
        return self._ids[k]

    def query_batch(self, queries, k):
        """Return `(nq, k)` constant ids."""
        return self._ids_of_batch[k]

    def index_bytes(self):
        """Return 0: there is no index."""
        return 0
