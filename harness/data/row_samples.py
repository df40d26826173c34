"""A sample of a dataset's rows, as a dataset of its own in the cache.

Its queries are those of the dataset, and its true neighbours the nearest of the sampled rows. So
whatever takes a dataset takes this one. The files of the dataset itself are not written to.
"""

from __future__ import annotations

import numpy as np

from harness.contracts import UserError
from harness.data.cache.cached import CachedDataset, open_cached
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.data.cache.writing import Identity, inspect, write_cached
from harness.data.loading import is_made_from
from harness.data.parts import Part, Parts
from harness.files.progress import Progress, silent

_SEED = 0


def open_sample(dataset: CachedDataset, rows: int, progress: Progress = silent) -> CachedDataset:
    """Open a sample of so many rows, always the same ones; draw and cache it first if necessary.

    Raises
    ------
    UserError
        If the dataset has filters, which choose from all of its rows, or no more rows than that.
    """
    n = len(dataset.base)
    if dataset.filters is not None:
        raise UserError("filters choose from all rows, not from a sample", where=dataset.name)
    if not 1 <= rows < n:
        raise UserError(
            "no sample of so many rows", where=dataset.name, expected=f"1 to {n - 1:,}",
            got=str(rows),
        )  # fmt: skip
    name = f"{dataset.name}+{rows}-rows-{dataset.fingerprint[:8]}"
    path, made_from = cache_subfolder("files") / f"{name}.hdf5", f"{dataset.fingerprint} {_SEED}"
    if not is_made_from(path, made_from):
        with cache_lock(f"file-{name}"):
            if not is_made_from(path, made_from):
                chosen = np.sort(np.random.default_rng(_SEED).choice(n, rows, replace=False))
                parts = Parts(
                    Part(dataset.base, "base vectors", dataset.name, chosen),
                    Part(dataset.queries, "queries", dataset.name),
                )
                found = inspect(parts, dataset.metric, progress)
                identity = Identity(name, dataset.metric, found.fingerprint, made_from)
                write_cached(path, parts, identity, unit_rows=found.unit_rows, progress=progress)
    return open_cached(path)
