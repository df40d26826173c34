"""scikit-learn's KD tree and ball tree: exact search by distance bounds."""

import numpy as np
from sklearn.neighbors import BallTree, KDTree

from harness.contracts import Algorithm, Ids, Rows


class _Tree(Algorithm):
    """A tree under L2, which orders unit-norm rows as their angles do.

    Rows of zeros, if there are any, are told from the others by one more dimension: there they
    are 1 and the others 0, so that all stand at their right distance from a unit-norm query.

    Parameters
    ----------
    metric
        `angular` or `euclidean`.
    leaf_size
        Rows of a leaf, which are compared one by one.
    """

    _kind: type[KDTree | BallTree]

    def fit(self, base: Rows) -> None:
        """Build the tree over a float64 copy of `base`, `(n, d)` float32."""
        zero = ~base.any(axis=1) if self.metric == "angular" else np.zeros(len(base), bool)
        self._is_lifted = bool(zero.any())
        rows = np.column_stack([base, zero]) if self._is_lifted else base
        self._tree = self._kind(rows, leaf_size=self.build["leaf_size"])

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        ids: Ids = self.query_batch(query[np.newaxis], k)[0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` nearest ids; scikit-learn uses one thread."""
        if self._is_lifted:
            queries = np.pad(queries, ((0, 0), (0, 1)))
        found = min(k, len(self._tree.data))
        ids: Ids = self._tree.query(queries, found, return_distance=False)
        return ids if found == k else np.pad(ids, ((0, 0), (0, k - found)), constant_values=-1)

    def distance_computations(self, queries: Rows, k: int) -> int:
        """Return the number that scikit-learn counts, centres of balls among them."""
        self._tree.reset_n_calls()
        self.query_batch(queries, k)
        return int(self._tree.get_n_calls())

    def index_bytes(self) -> int:
        """Return the bytes of the float64 rows, their order, and the nodes with their bounds."""
        return sum(array.nbytes for array in map(np.asarray, self._tree.get_arrays()))


class KD(_Tree):
    """Splits along one dimension at a time."""

    _kind = KDTree


class Ball(_Tree):
    """Balls within balls."""

    _kind = BallTree
