"""Ground truth on disk, by the fingerprint of base, queries and metric.

It is computed in pieces: a block of queries against a shard of the base. Each finished piece is
kept until all are done, so that an interrupted computation resumes where it stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
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


@dataclass(frozen=True)
class Piece:
    """Some queries, and some rows of the base: of each the first, and the one after the last."""

    queries: tuple[int, int]
    rows: tuple[int, int]

    @property
    def file_name(self) -> str:
        """The name of its file among those of its dataset and k."""
        return "-".join(map(str, (*self.queries, *self.rows))) + ".npz"


Compute = Callable[[CachedDataset, int, Sequence[Piece]], Iterator[tuple[Piece, Truth]]]
"""Yields the nearest rows of each piece, in any order; ids count from the piece's first row."""


def compute_here(
    dataset: CachedDataset, k: int, pieces: Sequence[Piece]
) -> Iterator[tuple[Piece, Truth]]:
    """Compute pieces one after another on this machine."""
    from harness.data.truth.nearest import (  # imports FAISS
        Space,
        nearest_matching,
        nearest_of_block,
    )

    filters = dataset.filters
    if filters is not None:
        for piece in pieces:
            queries, rows = slice(*piece.queries), slice(*piece.rows)
            yield piece, nearest_matching(dataset, filters, queries, rows, k)
        return
    space, held = None, (-1, -1)
    for piece in pieces:
        if space is None or piece.rows != held:
            space, held = Space.of(dataset, slice(*piece.rows)), piece.rows
        yield piece, nearest_of_block(space, slice(*piece.queries), k)


def truth_of(
    dataset: CachedDataset,
    k: int,
    progress: Progress = silent,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    shards: int = 1,
    compute: Compute = compute_here,
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
    shards
        Parts of the base that are searched apart.
    compute
        What computes the pieces: this machine, or a cluster.

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
        step = queries_at_once(dataset, k, memory_bytes)
        return _compute(dataset, k, progress, pieces_of(dataset, step, shards), compute)


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


def pieces_of(dataset: CachedDataset, step: int, shards: int) -> list[Piece]:
    """Return the pieces of a dataset: so many queries at once, against so many parts of the base.

    All pieces of a shard come together, so that its rows are read once.
    """
    n, nq = len(dataset.base), len(dataset.queries)
    bounds = np.linspace(0, n, min(shards, n) + 1).astype(int).tolist()
    return [
        Piece((start, min(start + step, nq)), rows)
        for rows in pairwise(bounds)
        for start in range(0, nq, step)
    ]


def _compute(
    dataset: CachedDataset,
    k: int,
    progress: Progress,
    pieces: Sequence[Piece],
    compute: Compute,
) -> Truth:
    nq = len(dataset.queries)
    folder = cache_subfolder("truth")
    shards = len({piece.rows for piece in pieces})
    require_disk(folder, (1 + shards) * 16 * nq * k, "the ground truth")
    blocks = folder / f".blocks-{dataset.fingerprint[:32]}-{k}"
    blocks.mkdir(exist_ok=True)
    _compute_pieces(dataset, k, progress, pieces, compute, blocks)
    path = folder / f"{dataset.fingerprint[:32]}-{k}.hdf5"
    with written_hdf5(path) as file:
        file.attrs["fingerprint"] = dataset.fingerprint
        _join(blocks, file, (nq, k), pieces)
        progress("checking the ground truth", 0, 0)
        require_right_sample(dataset, file["distances"])
    truth = _stored(dataset.fingerprint, k)
    if truth is None:
        raise UserError("the ground truth just written cannot be read back", where=str(path))
    return truth


def _compute_pieces(
    dataset: CachedDataset,
    k: int,
    progress: Progress,
    pieces: Sequence[Piece],
    compute: Compute,
    folder: Path,
) -> None:
    total = sum(_size(piece) for piece in pieces)
    missing = [piece for piece in pieces if not (folder / piece.file_name).exists()]
    done = total - sum(_size(piece) for piece in missing)
    nq = len(dataset.queries)
    progress(_WORK, nq * done // total, nq, "queries")
    for piece, truth in compute(dataset, k, missing) if missing else ():
        with written_whole(folder / piece.file_name) as temporary, temporary.open("wb") as out:
            np.savez(out, ids=truth.ids, distances=truth.distances)
        done += _size(piece)
        progress(_WORK, nq * done // total, nq, "queries")


def _size(piece: Piece) -> int:
    return (piece.queries[1] - piece.queries[0]) * (piece.rows[1] - piece.rows[0])


def _join(folder: Path, file: h5py.File, shape: tuple[int, int], pieces: Sequence[Piece]) -> None:
    """Merge the pieces of each block of queries into the file of all."""
    from harness.data.truth.nearest import merged

    ids = file.create_dataset("neighbors", shape, dtype="<i8")
    distances = file.create_dataset("distances", shape, dtype="<f8")
    for queries in sorted({piece.queries for piece in pieces}):
        parts = ((p.rows[0], _piece(folder / p.file_name)) for p in pieces if p.queries == queries)
        truth = merged(parts, shape[1])
        ids[slice(*queries)], distances[slice(*queries)] = truth.ids, truth.distances


def _piece(path: Path) -> Truth:
    with np.load(path, allow_pickle=False) as found:
        return Truth(found["ids"], found["distances"])


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
