"""VSAG: the graph of Ant Group, over rows as given or over codes with re-ordering.

Zhong et al., "VSAG: an optimized search framework for graph-based approximate nearest neighbor
search" (VLDB 2025).
"""

import json
from typing import Any

import numpy as np
import pyvsag

from harness.contracts import Algorithm, Ids, Rows, UserError, allotted_threads

_METRICS = {"angular": "ip", "inner_product": "ip", "euclidean": "l2"}
_BITS = {"fp32": 32, "sq8": 8, "sq8_uniform": 8, "sq4_uniform": 4, "rabitq": 1}


class VsagHGraph(Algorithm):
    """The index `hgraph`, like HNSW.

    Arrays are copied: VSAG ends the process where one is read-only.

    Parameters
    ----------
    metric
        Any.
    degree, ef_construction
        Of the graph.
    codes
        What a search reads: `fp32`, or `sq8`, `sq8_uniform`, `sq4_uniform` or `rabitq`, whose best
        are re-ordered by the float32 rows.
    seed
        Without effect: VSAG takes none, and builds of several threads differ.
    """

    def fit(self, base: Rows) -> None:
        """Build from `base`, `(n, d)` float32."""
        self._shape: tuple[int, int] = base.shape
        n, d = base.shape
        pyvsag.set_logger_off()
        self._index = pyvsag.Index("hgraph", json.dumps(self._parameters(d)))
        self._index.build(np.array(base, np.float32).reshape(-1), np.arange(n), n, d)

    def set_search(self, ef: int = 100) -> None:
        """Take the size of the queue of a search."""
        self._ef = ef
        self._search = json.dumps({"hgraph": {"ef_search": ef}})

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        asked = min(k, self._shape[0])
        ids: Ids = self._index.knn_search(np.array(query), asked, self._search)[0]
        return ids if len(ids) == k else np.pad(ids, (0, k - len(ids)), constant_values=-1)

    def index_bytes(self) -> int:
        """Return the bytes of rows, codes and edges; the saved file is mostly reserve."""
        n, d = self._shape
        codes = 0 if self._is_plain else d * _BITS[self.build["codes"]] // 8
        return n * (4 * d + codes + 4 * (int(self.build["degree"]) + 1))

    def _require_positive(self, name: str) -> None:
        if self.build[name] < 1:  # VSAG would end the process
            raise UserError(f"VSAG's {name} is at least 1", got=str(self.build[name]))

    @property
    def _is_plain(self) -> bool:
        return bool(self.build["codes"] == "fp32")

    def _parameters(self, d: int) -> dict[str, Any]:
        for name in ("degree", "ef_construction"):
            self._require_positive(name)
        index = {
            "base_quantization_type": self.build["codes"],
            "max_degree": self.build["degree"],
            "ef_construction": self.build["ef_construction"],
            "build_thread_count": allotted_threads(),
        }
        if not self._is_plain:
            index |= {"use_reorder": True, "precise_quantization_type": "fp32"}
        return {
            "dtype": "float32",
            "metric_type": _METRICS[self.metric],
            "dim": d,
            "index_param": index,
        }
