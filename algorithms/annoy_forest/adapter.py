"""annoy: a forest of random projection trees."""

import tempfile
from pathlib import Path

import numpy as np
from annoy import AnnoyIndex

from harness.contracts import Algorithm, Ids, Rows, allotted_threads


class AnnoyForest(Algorithm):
    """annoy's index under its own metrics; for inner products that is `dot`.

    Parameters
    ----------
    metric
        Any.
    trees
        How many trees.
    seed
        Of the splits.
    """

    _bytes: int | None = None

    def fit(self, base: Rows) -> None:
        """Add `base`, `(n, d)` float32, row by row, and grow the trees by the allotted threads."""
        kind = "dot" if self.metric == "inner_product" else self.metric
        self._index = AnnoyIndex(base.shape[1], kind)
        self._index.set_seed(self.build["seed"])
        for i, row in enumerate(base):
            self._index.add_item(i, row)
        self._index.build(self.build["trees"], n_jobs=allotted_threads())

    def set_search(self, *, search_k: int) -> None:
        """Take how many nodes are looked at; -1 is trees times k."""
        self._search_k = search_k

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` best ids of one query."""
        ids = self._index.get_nns_by_vector(query, k, self._search_k)
        if len(ids) < k:
            ids += [-1] * (k - len(ids))
        return np.array(ids)

    def index_bytes(self) -> int:
        """Return the bytes that annoy writes: rows and trees.

        annoy goes on from the file that it has written, which is why it is kept open by the map.
        """
        if self._bytes is None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "forest"
                self._index.save(str(file))
                self._bytes = file.stat().st_size
        return self._bytes
