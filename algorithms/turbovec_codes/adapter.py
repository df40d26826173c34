"""turbovec: TurboQuant's scalar codes after a random rotation, all rows scanned.

Zandieh et al., "TurboQuant: online vector quantization with near-optimal distortion rate" (2025).
"""

import numpy as np
import turbovec

from harness.contracts import Algorithm, Ids, Rows

_LANES = 8
_CALIBRATION_ROWS = 1024


class TurboQuant(Algorithm):
    """Codes of 2 or 4 bits a dimension.

    turbovec takes multiples of 8 dimensions: rows and queries end in zeros, which change no inner
    product.

    Parameters
    ----------
    nbits
        Bits of a dimension, 2 or 4.
    calibrate
        Fit the levels of every dimension to a random sample of the rows.
    seed
        Of that sample.
    """

    def fit(self, base: Rows) -> None:
        """Encode `base`, `(n, d)` float32."""
        n, d = base.shape
        self._zeros = -d % _LANES
        self._n = n
        self._index = turbovec.TurboQuantIndex(dim=d + self._zeros, bit_width=self.build["nbits"])
        if self.build["calibrate"]:
            rng = np.random.default_rng(self.build["seed"])
            sample = base[rng.choice(n, min(n, _CALIBRATION_ROWS), replace=False)]
            self._index.calibrate(self._wide(sample))
        self._index.add(self._wide(base))

    def warm_up(self, queries: Rows, k: int) -> None:
        """Lay the codes out for searching. Not timed."""
        self._index.prepare()

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        ids: Ids = self.query_batch(query[np.newaxis], k)[0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` nearest ids."""
        found = min(k, self._n)
        ids: Ids = self._index.search(self._wide(queries), k=found)[1]
        return ids if found == k else np.pad(ids, ((0, 0), (0, k - found)), constant_values=-1)

    def distance_computations(self, queries: Rows, k: int) -> int:
        """Return the number of codes, once for each query."""
        return len(queries) * int(self._n)

    def index_bytes(self) -> int:
        """Return the bytes of the index as turbovec saves it."""
        return len(self._index.to_bytes())

    def _wide(self, rows: Rows) -> Rows:
        if self._zeros:
            return np.pad(rows, ((0, 0), (0, self._zeros)))
        return np.ascontiguousarray(rows)
