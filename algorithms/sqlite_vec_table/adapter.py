"""sqlite-vec: a virtual table of vectors in SQLite, searched exhaustively by SQL."""

import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import numpy as np
import sqlite_vec

from harness.contracts import Algorithm, Ids, Rows, TemporaryFolder

_DISTANCES = {"angular": "cosine", "euclidean": "L2"}
_NEAREST = "SELECT rowid FROM base WHERE vector MATCH ? AND k = ?"


class SqliteVec(Algorithm):
    """A `vec0` table of float32 rows in a file; every query reads the whole of it.

    Python's own `sqlite3` is often built without extensions, hence apsw, which brings SQLite.

    Parameters
    ----------
    metric
        `angular`, where rows of zeros are left out and never found, or `euclidean`.
    chunk
        Rows that the table stores together, a multiple of 8.
    seed
        Without effect: nothing is drawn.
    """

    def fit(self, base: Rows) -> None:
        """Write `base`, `(n, d)` float32, into a database that goes away with the object."""
        self._folder = TemporaryFolder("sqlite-")
        self._file = Path(self._folder.name) / "base.db"
        self._connections = threading.local()
        connection = self._connection()
        distance, chunk = _DISTANCES[self.metric], self.build["chunk"]
        with connection:
            connection.execute(
                f"CREATE VIRTUAL TABLE base USING vec0(vector float[{base.shape[1]}]"
                f" distance_metric={distance}, chunk_size={chunk})"
            )
            connection.executemany(
                "INSERT INTO base(rowid, vector) VALUES (?, ?)", self._insertable(base)
            )
        self._n = len(base)

    def _insertable(self, base: Rows) -> Iterator[tuple[int, Rows]]:
        """Yield ids and rows, but no rows of zeros where angles count: theirs would be NaN."""
        rows = enumerate(base)
        return ((i, row) for i, row in rows if row.any()) if self.metric == "angular" else rows

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        rows = self._connection().execute(_NEAREST, (query, min(k, self._n)))
        ids = np.fromiter((row[0] for row in rows), np.int64)
        return ids if len(ids) == k else np.pad(ids, (0, k - len(ids)), constant_values=-1)

    def index_bytes(self) -> int:
        """Return the bytes of the database file."""
        return self._file.stat().st_size

    def _connection(self) -> apsw.Connection:
        """Return the connection of the calling thread."""
        connection = getattr(self._connections, "own", None)
        if connection is None:
            connection = self._connections.own = apsw.Connection(str(self._file))
            connection.enable_load_extension(True)
            connection.load_extension(sqlite_vec.loadable_path())
        return connection
