"""Qdrant's local mode: the client keeps a collection in memory and searches it exhaustively."""

import numpy as np
from qdrant_client import QdrantClient, models

from harness.contracts import Algorithm, Ids, Rows

_DISTANCES = {
    "angular": models.Distance.DOT,
    "inner_product": models.Distance.DOT,
    "euclidean": models.Distance.EUCLID,
}


class QdrantLocal(Algorithm):
    """A collection in the process of the client, which has no index: the server has.

    Parameters
    ----------
    metric
        Any.
    seed
        Without effect: nothing is drawn.
    """

    def fit(self, base: Rows) -> None:
        """Upload `base`, `(n, d)` float32."""
        self._shape: tuple[int, int] = base.shape
        self._client = QdrantClient(":memory:")
        space = models.VectorParams(size=base.shape[1], distance=_DISTANCES[self.metric])
        self._client.create_collection("base", vectors_config=space)
        self._client.upload_collection("base", vectors=base, ids=range(len(base)))

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        found = self._client.query_points("base", query, limit=k, with_payload=False)
        ids = np.fromiter((point.id for point in found.points), np.int64)
        return ids if len(ids) == k else np.pad(ids, (0, k - len(ids)), constant_values=-1)

    def index_bytes(self) -> int:
        """Return the bytes of the float32 rows, which are all there is."""
        return 4 * self._shape[0] * self._shape[1]
