"""LanceDB: a table in columnar files with a vector index, in this process."""

import os
from typing import Any

# Lance sizes its pools once, when it is loaded; one thread is what single queries are allotted.
os.environ["LANCE_CPU_THREADS"] = os.environ["TOKIO_WORKER_THREADS"] = "1"

import lancedb
import numpy as np
import pyarrow
from lancedb.index import Bitmap, BTree, HnswSq, IvfFlat, IvfPq, LabelList

from harness.contracts import (
    Algorithm,
    And,
    Attributes,
    Category,
    Contains,
    Equals,
    Filter,
    Ids,
    In,
    Number,
    Range,
    Rows,
    Tags,
    TemporaryFolder,
    bytes_below,
)

_DISTANCES = {"angular": "dot", "inner_product": "dot", "euclidean": "l2"}
_INDEXES = {Category: Bitmap, Number: BTree, Tags: LabelList}


class LanceTable(Algorithm):
    """A table of ids and float32 rows with an index of LanceDB's.

    Building and searching take one thread, whatever is allotted. Of a filter, LanceDB first finds
    the rows that match, by an index of each attribute, and searches the vectors among them.

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
        self.fit_filtered(base, {})

    def fit_filtered(self, base: Rows, attributes: Attributes) -> None:
        """Write `base`, `(n, d)` float32, with a column and an index for each attribute."""
        self._folder = TemporaryFolder("lance-")
        self._n, d = base.shape
        rows = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(base.reshape(-1)), d)
        columns = {"id": pyarrow.array(np.arange(self._n)), "vector": rows}
        columns |= {_column(name): _values(one) for name, one in attributes.items()}
        database = lancedb.connect(self._folder.name)
        self._table = database.create_table("base", pyarrow.table(columns))
        self._table.create_index("vector", config=self._config(d))
        for name, one in attributes.items():
            self._table.create_index(_column(name), config=_INDEXES[type(one)]())

    def set_search(self, nprobes: int = 20, refine: int = 1) -> None:
        """Take the lists visited, and how many times k candidates are re-ordered by their rows."""
        self._nprobes = nprobes
        self._refine = refine

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        return self._nearest(self._table.search(query), k)

    def query_filtered(self, query: Rows, k: int, filter: Filter) -> Ids:  # type: ignore[override]
        """Return the `(k,)` nearest ids of the rows that match."""
        return self._nearest(self._table.search(query).where(_sql(filter), prefilter=True), k)

    def index_bytes(self) -> int:
        """Return the bytes of the files of the database."""
        return bytes_below(self._folder.name)

    def _nearest(self, search: Any, k: int) -> Ids:
        search = search.distance_type(_DISTANCES[self.metric])
        search = search.select(["id", "_distance"]).nprobes(self._nprobes)
        found = search.refine_factor(self._refine).limit(min(k, self._n)).to_arrow()
        ids: Ids = found["id"].to_numpy()
        return ids if len(ids) == k else np.pad(ids, (0, k - len(ids)), constant_values=-1)

    def _config(self, d: int) -> Any:
        common = {
            "distance_type": _DISTANCES[self.metric],
            "num_partitions": self.build["partitions"],
        }
        if self.build["index"] == "ivf_pq":
            return IvfPq(**common, num_sub_vectors=d // self.build["width"])
        return {"ivf_flat": IvfFlat, "hnsw_sq": HnswSq}[self.build["index"]](**common)


def _column(attribute: str) -> str:
    """The column of an attribute, which may be called `id` or `vector` itself."""
    return f"attribute_{attribute}"


def _values(column: Category | Number | Tags) -> Any:
    """The column as LanceDB stores it; NaN, for none, is null."""
    match column:
        case Category():
            return pyarrow.array(column.names, pyarrow.string()).take(pyarrow.array(column.codes))
        case Number():
            return pyarrow.array(column.values, from_pandas=True)
        case Tags():
            names = pyarrow.array(column.names, pyarrow.string())
            starts = pyarrow.array(column.starts, pyarrow.int32())
            return pyarrow.ListArray.from_arrays(starts, names.take(pyarrow.array(column.codes)))


def _sql(one: Filter) -> str:
    """The filter in SQL. All of its parts have to hold, so none needs brackets."""
    match one:
        case Equals():
            return f"{_quoted(one.attribute)} = {_text(one.value)}"
        case In():
            values = ", ".join(map(_text, one.values))
            return f"{_quoted(one.attribute)} IN ({values})" if values else "false"
        case Range():
            column = _quoted(one.attribute)
            return f"{column} >= {_number(one.least)} AND {column} <= {_number(one.most)}"
        case Contains():
            return f"array_has({_quoted(one.attribute)}, {_text(one.value)})"
        case And():
            return " AND ".join(map(_sql, one.parts)) or "true"


def _quoted(attribute: str) -> str:
    """The name of a column, which without backticks would be read in lower case."""
    return f"`{_column(attribute)}`"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _number(value: float) -> str:
    """A number; infinity has no literal in SQL."""
    return f"CAST('{float(value)!r}' AS DOUBLE)"
