"""Chroma: a persistent collection with an HNSW graph."""

import os

# Chroma sizes its pools once, when it is loaded; one thread is what single queries are allotted.
os.environ["RAYON_NUM_THREADS"] = os.environ["TOKIO_WORKER_THREADS"] = "1"

import chromadb
import numpy as np
from chromadb.config import Settings

from harness.contracts import Algorithm, Ids, Rows, TemporaryFolder, allotted_threads, bytes_below

_SPACES = {"angular": "ip", "inner_product": "ip", "euclidean": "l2"}


class ChromaCollection(Algorithm):
    """A collection in a folder: ids in SQLite, rows in a graph.

    Parameters
    ----------
    metric
        Any.
    M, ef_construction
        Of the graph.
    ef
        The queue of a search, which belongs to the collection.
    seed
        Without effect: Chroma takes none.
    """

    def fit(self, base: Rows) -> None:
        """Add `base`, `(n, d)` float32, to a collection that goes away with the object."""
        self._folder = TemporaryFolder("chroma-")
        self._n = len(base)
        client = chromadb.PersistentClient(
            path=self._folder.name, settings=Settings(anonymized_telemetry=False)
        )
        graph = {
            "space": _SPACES[self.metric],
            "max_neighbors": self.build["M"],
            "ef_construction": self.build["ef_construction"],
            "ef_search": self.build["ef"],
            "num_threads": allotted_threads(),
        }
        self._collection = client.create_collection(
            "base", embedding_function=None, configuration={"hnsw": graph}
        )
        step = client.get_max_batch_size()
        for start in range(0, self._n, step):
            rows = base[start : start + step]
            ids = [str(i) for i in range(start, start + len(rows))]
            self._collection.add(ids=ids, embeddings=rows)

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        ids: Ids = self.query_batch(query[np.newaxis], k)[0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` nearest ids."""
        asked = min(k, self._n)
        found = self._collection.query(query_embeddings=queries, n_results=asked, include=[])
        ids = np.full((len(queries), k), -1)
        for row, texts in zip(ids, found["ids"], strict=True):
            row[: len(texts)] = [int(text) for text in texts]
        return ids

    def index_bytes(self) -> int:
        """Return the bytes of the files of the collection."""
        return bytes_below(self._folder.name)
