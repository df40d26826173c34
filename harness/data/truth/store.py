"""Ground truth on disk, by the fingerprint of base, queries and metric.

It is computed in blocks of queries. Each finished block is kept until all are done, so that an
interrupted computation resumes where it stopped.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np

from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.data.cache.cached import CachedDataset
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.data.truth.brute import require_right_sample
from harness.files.progress import Progress, silent
from harness.files.replacing import written_hdf5, written_whole
from harness.files.space import require_disk

DEFAULT_MEMORY_BYTES = 1 << 30
LEAST_MEMORY_BYTES = 128 << 20

_FIXED_BYTES = 96 << 20  # matrix tiles and the blocks in which distances are computed
_BYTES_PER_CANDIDATE = 72
_MOST_QUERIES = 4096
_WORK = "ground truth"


def truth_of(
    dataset: CachedDataset,
    k: int,
    progress: Progress = silent,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> Truth:
    """Return the k true nearest neighbours, from the cache or computed now.

    A stored truth for a larger k is used for a smaller one.

    Parameters
    ----------
    dataset
        Base, queries and metric.
    k
        1 to the number of base rows.
    progress
        Told how many queries are done.
    memory_bytes
        What the computation may use beside the mapped rows. It decides how many queries are
        compared at once.

    Raises
    ------
    UserError
        If k does not fit the base, or the memory is too little to work in.
    """
    _require_possible(dataset, k, memory_bytes)
    stored = _stored(dataset.fingerprint, k)
    if stored is not None:
        return stored
    name = f"truth-{dataset.fingerprint[:16]}"
    with cache_lock(name, lambda: progress("waiting for another process's ground truth", 0, 0)):
        stored = _stored(dataset.fingerprint, k)
        if stored is not None:
            return stored
        return _compute(dataset, k, progress, queries_at_once(dataset, k, memory_bytes))


def stored_truth(fingerprint: str, k: int) -> Truth | None:
    """Return the truth of a dataset that was computed before, as `truth_of`; None if none was."""
    return _stored(fingerprint, k)


def queries_at_once(dataset: CachedDataset, k: int, memory_bytes: int) -> int:
    """Return how many queries fit the memory."""
    from harness.data.truth.nearest import candidate_count

    n, d = dataset.base.shape
    per_query = _BYTES_PER_CANDIDATE * candidate_count(n, k) + 16 * d
    return int(max(1, min(_MOST_QUERIES, (memory_bytes - _FIXED_BYTES) // per_query)))


def _require_possible(dataset: CachedDataset, k: int, memory_bytes: int) -> None:
    n = len(dataset.base)
    if not 1 <= k <= n:
        raise UserError(
            "k does not fit the dataset",
            where=dataset.name,
            expected=f"1 to {n:,}, the number of base rows",
            got=str(k),
        )
    if memory_bytes < LEAST_MEMORY_BYTES:
        raise UserError(
            "too little memory for ground truth",
            expected=f"at least {LEAST_MEMORY_BYTES >> 20} MiB",
            got=f"{memory_bytes >> 20} MiB",
        )


def _compute(dataset: CachedDataset, k: int, progress: Progress, step: int) -> Truth:
    nq = len(dataset.queries)
    folder = cache_subfolder("truth")
    require_disk(folder, 2 * 16 * nq * k, "the ground truth")
    blocks = folder / f".blocks-{dataset.fingerprint[:32]}-{k}-{step}"
    blocks.mkdir(exist_ok=True)
    _compute_blocks(dataset, k, progress, step, blocks)
    path = folder / f"{dataset.fingerprint[:32]}-{k}.hdf5"
    with written_hdf5(path) as file:
        file.attrs["fingerprint"] = dataset.fingerprint
        _join(blocks, file, (nq, k), step)
        progress("checking the ground truth", 0, 0)
        require_right_sample(dataset, file["distances"])
    truth = _stored(dataset.fingerprint, k)
    if truth is None:
        raise UserError("the ground truth just written cannot be read back", where=str(path))
    return truth


def _compute_blocks(
    dataset: CachedDataset, k: int, progress: Progress, step: int, folder: Path
) -> None:
    from harness.data.truth.nearest import Space, nearest_of_block  # imports FAISS

    nq = len(dataset.queries)
    space: Space | None = None
    progress(_WORK, 0, nq, "queries")
    for start in range(0, nq, step):
        stop = min(start + step, nq)
        path = folder / f"{start}.npz"
        if not path.exists():
            space = space or Space.of(dataset)
            truth = nearest_of_block(space, slice(start, stop), k)
            with written_whole(path) as temporary, temporary.open("wb") as out:
                np.savez(out, ids=truth.ids, distances=truth.distances)
        progress(_WORK, stop, nq, "queries")


def _join(folder: Path, file: h5py.File, shape: tuple[int, int], step: int) -> None:
    ids = file.create_dataset("neighbors", shape, dtype="<i8")
    distances = file.create_dataset("distances", shape, dtype="<f8")
    for start in range(0, shape[0], step):
        with np.load(folder / f"{start}.npz", allow_pickle=False) as block:
            ids[start : start + step] = block["ids"]
            distances[start : start + step] = block["distances"]


def _stored(fingerprint: str, k: int) -> Truth | None:
    for path in sorted(_candidates(fingerprint), key=_k_of):
        if _k_of(path) >= k:
            truth = _read(path, fingerprint, k)
            if truth is not None:
                _remove_blocks(fingerprint, _k_of(path))
                return truth
    return None


def _remove_blocks(fingerprint: str, k: int) -> None:
    """Remove the blocks of computations that a finished one has made needless."""
    for folder in cache_subfolder("truth").glob(f".blocks-{fingerprint[:32]}-*"):
        if int(folder.name.split("-")[2]) <= k:
            shutil.rmtree(folder, ignore_errors=True)


def _candidates(fingerprint: str) -> list[Path]:
    return list(cache_subfolder("truth").glob(f"{fingerprint[:32]}-*.hdf5"))


def _k_of(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _read(path: Path, fingerprint: str, k: int) -> Truth | None:
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs["fingerprint"] != fingerprint:
                return None
            ids = file["neighbors"][:, :k].astype(np.int64, copy=False)
            return Truth(ids, file["distances"][:, :k].astype(np.float64, copy=False))
    except (OSError, KeyError, RuntimeError, ValueError):
        return None  # a damaged file is computed again
