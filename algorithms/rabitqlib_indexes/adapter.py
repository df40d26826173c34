"""RaBitQ-Library's indexes: inverted lists, HNSW and SymphonyQG over RaBitQ codes.

Gao and Long, "RaBitQ: quantizing high-dimensional vectors with a theoretical error bound"
(SIGMOD 2024); Gao et al., "Practical and asymptotically optimal quantization" (SIGMOD 2025);
Gou et al., "SymphonyQG" (SIGMOD 2025).
"""

from pathlib import Path
from typing import Any

import numpy as np
import rabitqlib

from harness.contracts import Algorithm, Ids, Rows, TemporaryFolder, allotted_threads

_LEAST_DIMENSIONS = 64
_NOT_FOUND = np.iinfo(np.uint32).max
_METRICS = {"angular": "ip", "inner_product": "ip", "euclidean": "l2"}


class _RaBitQ(Algorithm):
    """What the three share. Rows of fewer than 64 dimensions, which RaBitQ refuses, end in zeros.

    Zeros change neither distances nor inner products.
    """

    _bytes: int | None
    _index: Any

    def _built(self, base: Rows, metric: str) -> Any:
        """Return the library's index."""
        raise NotImplementedError

    def _search(self, queries: Rows, k: int, threads: int) -> tuple[Ids, Any]:
        """Return ids, unsigned, and what else the library gives."""
        raise NotImplementedError

    def fit(self, base: Rows) -> None:
        """Build from `base`, `(n, d)` float32."""
        self._n = len(base)
        self._zeros = max(0, _LEAST_DIMENSIONS - base.shape[1])
        self._bytes = None
        self._index = self._built(self._wide(base), _METRICS[self.metric])

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        ids: Ids = self._ids(query[np.newaxis], k, 1)[0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` nearest ids."""
        return self._ids(queries, k, allotted_threads())

    def index_bytes(self) -> int:
        """Return the bytes of the index as the library saves it."""
        if self._bytes is None:
            folder = TemporaryFolder("rabitq-")
            path = Path(folder.name) / "index"
            self._index.save(str(path))
            self._bytes = path.stat().st_size
        return self._bytes

    def _wide(self, rows: Rows) -> Rows:
        return np.pad(rows, ((0, 0), (0, self._zeros))) if self._zeros else rows

    def _ids(self, queries: Rows, k: int, threads: int) -> Ids:
        asked = min(k, self._n)
        ids, _ = self._search(self._wide(queries), asked, threads)
        ids = ids.view(np.int32)  # _NOT_FOUND becomes -1
        if asked == k:
            return ids
        return np.pad(ids, ((0, 0), (0, k - asked)), constant_values=-1)

    def _clustered(self, base: Rows) -> tuple[Any, Any]:
        """Return k-means centres, `(clusters, d)`, and the nearest of each row."""
        kmeans = rabitqlib.RaBitQKMeans(
            base.shape[1],
            self.build["clusters"],
            seed=self.build["seed"],
            num_threads=allotted_threads(),
            final_assignment=rabitqlib.FinalAssignmentMode.Exact,
        )
        kmeans.train(base)
        return kmeans.centroids, kmeans.assignments


class RaBitQIvf(_RaBitQ):
    """Inverted lists, scanned in batches of codes.

    Parameters
    ----------
    clusters
        Inverted lists.
    nbits
        Bits of a dimension, 1 to 9, or 32 for the rows themselves beside codes of one bit.
    seed
        Of k-means; the random rotation of the codes has none, so that builds differ.
    """

    def _built(self, base: Rows, metric: str) -> Any:
        index = rabitqlib.IvfIndex(
            base.shape[1], len(base), self.build["clusters"], self.build["nbits"], metric
        )
        index.build(base, *self._clustered(base), num_threads=allotted_threads())
        return index

    def set_search(self, nprobe: int = 1) -> None:
        """Take the number of lists that are visited."""
        self._nprobe = nprobe

    def _search(self, queries: Rows, k: int, threads: int) -> tuple[Ids, Any]:
        found: tuple[Ids, Any] = self._index.search(queries, k, self._nprobe, num_threads=threads)
        return found


class _Graph(_RaBitQ):
    def set_search(self, ef: int = 100) -> None:
        """Take the size of the queue of a search, k at least."""
        self._ef = ef

    def _search(self, queries: Rows, k: int, threads: int) -> tuple[Ids, Any]:
        found: tuple[Ids, Any] = self._index.search(queries, k, max(k, self._ef), threads)
        return found


class RaBitQHnsw(_Graph):
    """HNSW whose searches read codes only: the rows are not kept.

    Parameters
    ----------
    M, ef_construction
        Of HNSW.
    clusters
        Centres relative to which rows are encoded.
    nbits
        Bits of a dimension, 1 to 9.
    seed
        Of k-means and of the levels.
    """

    def _built(self, base: Rows, metric: str) -> Any:
        index = rabitqlib.HnswIndex(
            base.shape[1],
            len(base),
            self.build["M"],
            self.build["ef_construction"],
            self.build["nbits"],
            metric,
            self.build["seed"],
        )
        index.build(base, *self._clustered(base), num_threads=allotted_threads())
        return index


class SymphonyQG(_Graph):
    """A graph whose edges hold the codes of the rows they lead to.

    Parameters
    ----------
    degree
        Edges of a row, a multiple of 32.
    ef_construction
        The queue while building.
    nbits
        How rows are stored beside the codes: 4 or 8 bits a dimension, or 0 for float32.
    seed
        Without effect: the library draws as it will, so that builds differ.
    """

    def _built(self, base: Rows, metric: str) -> Any:
        index = rabitqlib.SymqgIndex(
            base.shape[1], self.build["degree"], metric, self.build["nbits"]
        )
        index.build(base, self.build["ef_construction"], allotted_threads())
        return index

    def _search(self, queries: Rows, k: int, threads: int) -> tuple[Ids, Any]:
        try:
            return super()._search(queries, k, threads)
        except RuntimeError:  # it refuses to answer with fewer than k
            return np.concatenate([self._fewer(query[np.newaxis], k) for query in queries]), None

    def _fewer(self, query: Rows, k: int) -> Ids:
        """Return `(1, k)` ids with as many as one search reaches, found by halving."""
        ids = np.full((1, k), _NOT_FOUND, np.uint32)
        found, refused = 0, k
        while refused - found > 1:
            asked = (found + refused) // 2
            try:
                ids[:, :asked] = self._index.search(query, asked, max(k, self._ef))[0]
                found = asked
            except RuntimeError:
                refused = asked
        return ids
