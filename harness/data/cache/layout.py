"""The cached form of a dataset: names inside the HDF5 file, and arrays mapped from it.

`train` and `test` and the attributes `distance`, `dimension` and `point_type` are ann-benchmarks'
schema. Everything else is in the group `annharness`. Arrays are contiguous and uncompressed, so
that they can be mapped into memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Metric

BASE = "train"
QUERIES = "test"
UNIT_BASE = "annharness/unit_train"
UNIT_QUERIES = "annharness/unit_test"
LABELS_BASE = "annharness/labels_train"
LABELS_QUERIES = "annharness/labels_test"
FILTERS = "annharness/filters"
QUERY_ROWS = "annharness/query_rows"
FILTER_NUMBERS = "annharness/filter_numbers"
ATTRIBUTES = "annharness/attributes"

DISTANCE_OF_METRIC: dict[Metric, str] = {
    "angular": "angular",
    "euclidean": "euclidean",
    "inner_product": "ip",
}


def mapped(dataset: h5py.Dataset, path: Path) -> NDArray[Any]:
    """Return a contiguous HDF5 dataset as a read-only map of the file, which may then be closed."""
    if dataset.size == 0:
        empty: NDArray[np.generic] = np.empty(dataset.shape, dataset.dtype)
        empty.flags.writeable = False
        return empty
    offset = dataset.id.get_offset()
    memory = np.memmap(path, dtype=dataset.dtype, mode="r", offset=offset, shape=dataset.shape)
    return memory.view(np.ndarray)


def can_be_mapped(dataset: h5py.Dataset) -> bool:
    """Whether the rows can be mapped as they are in the file: float32 and contiguous."""
    plain = dataset.chunks is None and not dataset.is_virtual and dataset.external is None
    if not plain or dataset.dtype != np.dtype("<f4") or dataset.ndim != 2 or dataset.size == 0:
        return False
    offset = dataset.id.get_offset()
    return offset is not None and offset % 4 == 0
