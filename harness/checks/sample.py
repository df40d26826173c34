"""The rows for the checks: real ones, few enough for checks of seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Dataset
from harness.contracts.dataset import Metric
from harness.files.temporary import temporary_folder

BASE_ROWS = 1_000
QUERY_ROWS = 50
_BASE_FILE, _QUERIES_FILE = "base.npy", "queries.npy"

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """Rows as in their source, of different norms: `base` `(n, d)`, `queries` `(nq, d)`."""

    base: Rows
    queries: Rows

    def under(self, metric: Metric) -> Sample:
        """Return the rows as algorithms get them: unit-norm for `angular`, read-only."""
        rows = (self.base, self.queries)
        base, queries = (_unit(one) for one in rows) if metric == "angular" else rows
        base.flags.writeable = queries.flags.writeable = False
        return Sample(base, queries)


def sample_of(dataset: Dataset) -> Sample:
    """Return rows spread evenly over a dataset: a part of it, not its most frequent words."""
    return Sample(_spread(dataset.base, BASE_ROWS), _spread(dataset.queries, QUERY_ROWS))


@contextmanager
def written(sample: Sample) -> Iterator[Path]:
    """Write a sample into a folder that is removed at the end."""
    with temporary_folder(Path(gettempdir()), "sample") as folder:
        np.save(folder / _BASE_FILE, sample.base)
        np.save(folder / _QUERIES_FILE, sample.queries)
        yield folder


def read(folder: Path) -> Sample:
    """Map the sample that `written` wrote, read-only as the harness maps every dataset."""
    arrays = (
        np.load(folder / name, mmap_mode="r", allow_pickle=False).view(np.ndarray)
        for name in (_BASE_FILE, _QUERIES_FILE)
    )
    return Sample(*arrays)


def _spread(rows: Rows, count: int) -> Rows:
    ids = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64))
    return np.ascontiguousarray(rows[ids])


def _unit(rows: Rows) -> Rows:
    norms = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(rows, norms, out=np.zeros(rows.shape), where=norms > 0)
    return unit.astype(np.float32)
