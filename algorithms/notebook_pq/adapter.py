"""Product quantization as in the founding notebook: scikit-learn's k-means, and plain numpy."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from harness.contracts import Algorithm, Ids, Rows


class NotebookPQ(Algorithm):
    """A k-means for each subspace; the codes are scanned whole by look-up tables.

    Parameters
    ----------
    metric
        Any.
    M, nbits
        Subspaces (a divisor of d), and bits of each code, 1 to 8.
    iterations
        Of k-means, at most.
    seed
        Of k-means.
    """

    def fit(self, base: Rows) -> None:
        """Train and encode `base`, `(n, d)` float32."""
        parts = np.split(base, self.build["M"], axis=1)
        models = [self._model(part, number) for number, part in enumerate(parts)]
        self._codebooks = np.stack([model.cluster_centers_ for model in models])  # (M, K, d/M)
        self._packed = _packed([model.labels_ for model in models], self.build["nbits"])

    def _model(self, part: Rows, number: int) -> KMeans:
        seed = self.build["seed"] * self.build["M"] + number
        clusters, iterations = 1 << self.build["nbits"], self.build["iterations"]
        model = KMeans(clusters, n_init=1, max_iter=iterations, random_state=seed)
        with warnings.catch_warnings():  # equal rows may be fewer than the clusters
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(part)

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` best ids of one query, by the sum of its table entries."""
        parts = query.reshape(len(self._codebooks), 1, -1)
        if self.metric == "euclidean":
            tables = -np.square(parts - self._codebooks).sum(axis=2)
        else:
            tables = (parts * self._codebooks).sum(axis=2)  # (M, K)
        scores = sum(table[self._codes(number)] for number, table in enumerate(tables))
        if k >= len(scores):
            return np.pad(np.argsort(-scores), (0, k - len(scores)), constant_values=-1)
        best = np.argpartition(-scores, k - 1)[:k]
        return best[np.argsort(-scores[best])]

    def _codes(self, number: int) -> Ids:
        """The codes of one subspace, `(n,)`."""
        byte, shift = divmod(number * self.build["nbits"], 8)
        codes: Ids = self._packed[byte] >> shift
        if shift + self.build["nbits"] > 8:
            codes = codes | self._packed[byte + 1].astype(np.uint16) << (8 - shift)
        codes &= (1 << self.build["nbits"]) - 1
        return codes

    def distance_computations(self, queries: Rows, k: int) -> int:
        """Return the number of codes, once for each query."""
        return len(queries) * int(self._packed.shape[1])

    def index_bytes(self) -> int:
        """Return the bytes of packed codes and codebooks."""
        return int(self._packed.nbytes + self._codebooks.nbytes)


def _packed(labels: Sequence[NDArray[np.int32]], nbits: int) -> NDArray[np.uint8]:
    """Pack the codes of each row without gaps, low bits first: `(bytes of a row, n)`."""
    bits = [codes >> bit & 1 for codes in labels for bit in range(nbits)]
    return np.packbits(np.array(bits, dtype=np.uint8), axis=0, bitorder="little")
