"""Milvus Lite: Milvus's interface over a local file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

from harness.contracts import Algorithm, Ids, Rows, TemporaryFolder, bytes_below

_DISTANCES = {"angular": "IP", "inner_product": "IP", "euclidean": "L2"}
_ROWS_AT_ONCE = 2000


class MilvusLite(Algorithm):
    """A collection of ids and float32 rows with an index of Milvus's.

    Parameters
    ----------
    metric
        Any.
    index
        `HNSW`, `IVF_FLAT` or `FLAT`.
    M, ef_construction
        Of HNSW.
    nlist
        Inverted lists of `IVF_FLAT`.
    seed
        Without effect: Milvus takes none.
    """

    def fit(self, base: Rows) -> None:
        """Insert `base`, `(n, d)` float32, into a file that goes away with the object."""
        self._folder = TemporaryFolder("milvus-")
        self._n = len(base)
        self._client = MilvusClient(f"{self._folder.name}/base.db")
        self._create(base.shape[1])
        for start in range(0, self._n, _ROWS_AT_ONCE):
            rows = enumerate(base[start : start + _ROWS_AT_ONCE], start)
            self._client.insert("base", [{"id": i, "vector": row} for i, row in rows])
        self._client.flush("base")
        self._client.load_collection("base")

    def set_search(self, ef: int | None = None, nprobe: int | None = None) -> None:
        """Take the queue of HNSW, or the lists visited of IVF."""
        given = {"ef": ef, "nprobe": nprobe}
        self._given = {name: value for name, value in given.items() if value is not None}

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        ids: Ids = self._ids([query], k)[0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` nearest ids."""
        return self._ids(list(queries), k)

    def index_bytes(self) -> int:
        """Return the bytes of the files of the database."""
        return bytes_below(self._folder.name)

    def _ids(self, queries: Sequence[Rows], k: int) -> Ids:
        given = dict(self._given)
        if "ef" in given:
            given["ef"] = max(given["ef"], k)
        answers = self._client.search(
            "base",
            queries,
            anns_field="vector",
            limit=min(k, self._n),
            search_params={"metric_type": _DISTANCES[self.metric], "params": given},
        )
        ids = np.full((len(queries), k), -1)
        for row, hits in zip(ids, answers, strict=True):
            row[: len(hits)] = [hit["id"] for hit in hits]
        return ids

    def _create(self, d: int) -> None:
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=d)
        index = self._client.prepare_index_params()
        graph = {"M": self.build["M"], "efConstruction": self.build["ef_construction"]}
        parameters: dict[str, dict[str, Any]] = {
            "HNSW": graph,
            "IVF_FLAT": {"nlist": self.build["nlist"]},
            "FLAT": {},
        }
        kind = self.build["index"]
        index.add_index(
            "vector",
            index_type=kind,
            metric_type=_DISTANCES[self.metric],
            params=parameters[kind],
        )
        self._client.create_collection("base", schema=schema, index_params=index)
