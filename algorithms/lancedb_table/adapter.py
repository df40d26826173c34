"""LanceDB: a table in columnar files with a vector index, in this process."""

import os
from typing import Any

# Lance sizes its pools once, when it is loaded; one thread is what single queries are allotted.
os.environ["LANCE_CPU_THREADS"] = os.environ["TOKIO_WORKER_THREADS"] = "1"

import lancedb
import numpy as np
import pyarrow
from lancedb.index import HnswSq, IvfFlat, IvfPq

from harness.contracts import Algorithm, Ids, Rows, TemporaryFolder, bytes_below

_DISTANCES = {"angular": "dot", "inner_product": "dot", "euclidean": "l2"}


class LanceTable(Algorithm):
    """A table of ids and float32 rows with an index of LanceDB's.

    Building and searching take one thread, whatever is allotted.

    Parameters
    ----------
    metric
        Any.
    index
        `ivf_pq`, `ivf_flat` or `hnsw_sq`.
    partitions
        Inverted lists.
    width
        Dimensions of a subspace of `ivf_pq`, 8 bits each.
    seed
        Without effect: LanceDB takes none, and its builds differ.
    """

    def fit(self, base: Rows) -> None:
        """Write `base`, `(n, d)` float32, into a database that goes away with the object."""
        self._folder = TemporaryFolder("lance-")
        self._n, d = base.shape
        rows = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(base.reshape(-1)), d)
        columns = {"id": pyarrow.array(np.arange(self._n)), "vector": rows}
        database = lancedb.connect(self._folder.name)
        self._table = database.create_table("base", pyarrow.table(columns))
        self._table.create_index("vector", config=self._config(d))

    def set_search(self, nprobes: int = 20, refine: int = 1) -> None:
        """Take the lists visited, and how many times k candidates are re-ordered by their rows."""
        self._nprobes = nprobes
        self._refine = refine

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        search = self._table.search(query).distance_type(_DISTANCES[self.metric])
        search = search.select(["id", "_distance"]).nprobes(self._nprobes)
        found = search.refine_factor(self._refine).limit(min(k, self._n)).to_arrow()
        ids: Ids = found["id"].to_numpy()
        return ids if len(ids) == k else np.pad(ids, (0, k - len(ids)), constant_values=-1)

    def index_bytes(self) -> int:
        """Return the bytes of the files of the database."""
        return bytes_below(self._folder.name)

    def _config(self, d: int) -> Any:
        common = {
            "distance_type": _DISTANCES[self.metric],
            "num_partitions": self.build["partitions"],
        }
        if self.build["index"] == "ivf_pq":
            return IvfPq(**common, num_sub_vectors=d // self.build["width"])
        return {"ivf_flat": IvfFlat, "hnsw_sq": HnswSq}[self.build["index"]](**common)
