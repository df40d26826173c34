"""Ground truth on disk, by the fingerprint of base, queries and metric."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.data.cache import cache_subfolder, written_whole
from harness.data.cached import CachedDataset
from harness.data.locks import locked
from harness.data.progress import Progress, silent


def truth_of(dataset: CachedDataset, k: int, progress: Progress = silent) -> Truth:
    """Return the k true nearest neighbours, from the cache or computed now.

    A stored truth for a larger k serves a smaller one.

    Raises
    ------
    UserError
        If k is not between 1 and the number of base rows.
    """
    n = len(dataset.base)
    if not 1 <= k <= n:
        raise UserError(
            "k does not fit the dataset",
            where=dataset.name,
            expected=f"1 to {n:,}, the number of base rows",
            got=str(k),
        )
    stored = _stored(dataset.fingerprint, k)
    if stored is not None:
        return stored
    with locked(f"truth-{dataset.fingerprint[:16]}"):
        stored = _stored(dataset.fingerprint, k)
        return stored if stored is not None else _compute(dataset, k, progress)


def _compute(dataset: CachedDataset, k: int, progress: Progress) -> Truth:
    from harness.data.nearest import nearest  # brings FAISS in

    truth = nearest(dataset, k, progress=progress)
    path = cache_subfolder("truth") / f"{dataset.fingerprint[:32]}-{k}.hdf5"
    with written_whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["fingerprint"] = dataset.fingerprint
        file.create_dataset("neighbors", data=truth.ids)
        file.create_dataset("distances", data=truth.distances)
    return truth


def _stored(fingerprint: str, k: int) -> Truth | None:
    for path in sorted(_candidates(fingerprint), key=_k_of):
        if _k_of(path) >= k:
            truth = _read(path, fingerprint, k)
            if truth is not None:
                return truth
    return None


def _candidates(fingerprint: str) -> list[Path]:
    return list(cache_subfolder("truth").glob(f"{fingerprint[:32]}-*.hdf5"))


def _k_of(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _read(path: Path, fingerprint: str, k: int) -> Truth | None:
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs["fingerprint"] != fingerprint:
                return None
            ids = file["neighbors"][:, :k].astype(np.int64)
            return Truth(ids, file["distances"][:, :k].astype(np.float64))
    except (OSError, KeyError, RuntimeError, ValueError):
        return None  # a damaged file is computed again
