"""Datasets on a node: found in its cache, copied from the shared folder, or fetched as here."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

import h5py

from harness.contracts import UserError
from harness.data.cache.cached import CachedDataset, cached_by_name, open_cached
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.data.cache.writing import Identity, write_cached
from harness.data.fetching.hashes import sha256_of
from harness.data.loading import open_definition
from harness.data.parts import Part, Parts
from harness.data.rows import fingerprint
from harness.files.progress import Progress, silent
from harness.files.remote import RemoteFolder
from harness.registry.registry import Registry


def share_dataset(dataset: CachedDataset, shared: RemoteFolder) -> None:
    """Put a dataset into the shared folder, unless it is there.

    Its folder is named by its fingerprint, the file by its own sha256.
    """
    if shared.names(_folder_of(dataset.fingerprint)):
        return
    with h5py.File(dataset.path, "r", locking=False) as file:
        whole = "rows_file" not in file["annharness"].attrs
    if whole:
        _put(dataset.path, dataset.fingerprint, shared)
        return
    with tempfile.TemporaryDirectory(dir=cache_subfolder("staged")) as folder:
        path = Path(folder) / "dataset.hdf5"
        _write_whole(dataset, path)
        _put(path, dataset.fingerprint, shared)


def _put(path: Path, fingerprint: str, shared: RemoteFolder) -> None:
    shared.put(f"{_folder_of(fingerprint)}/{sha256_of(path)}.hdf5", path)


def shared_copy(fingerprint: str, shared: RemoteFolder) -> str:
    """Return the name of a dataset's file in the shared folder.

    Raises
    ------
    UserError
        If it is not there.
    """
    names = list(shared.names(_folder_of(fingerprint)))
    if not names:
        raise UserError("the dataset is not in the shared folder", where=shared.url)
    return names[0]


def staged_dataset(
    name: str,
    wanted: str,
    registry: Registry,
    shared: RemoteFolder | None,
    most_bytes: int | None,
    progress: Progress = silent,
) -> CachedDataset:
    """Open a dataset on this node, brought here first if it is not in the cache.

    Parameters
    ----------
    name, wanted
        Its name in results, and the fingerprint that it must have.
    shared
        Where a copy may be.
    most_bytes
        Of all copies on this node together; those used longest ago make room. None: no limit.

    Raises
    ------
    UserError
        If it cannot be had, or is another one.
    """
    found = cached_by_name(name)
    with suppress(UserError):  # another file, or one that has changed: a copy may be had
        if found is not None and (here := open_cached(found)).fingerprint == wanted:
            return here
    path = cache_subfolder("staged") / f"{wanted}.hdf5"
    if path.is_file() or (shared is not None and shared.names(_folder_of(wanted))):
        return _staged(path, wanted, shared, most_bytes, progress)
    if name in registry.datasets:
        dataset = open_definition(registry.datasets[name], progress=progress)
        if dataset.fingerprint == wanted:
            return dataset
        raise UserError(
            f"the dataset {name} is another one on this node",
            expected=f"the fingerprint {wanted[:16]}",
            got=dataset.fingerprint[:16],
            hint="its source has changed; give shared: in the cluster file",
        )
    raise UserError(
        f"the dataset {name} is not on this node",
        expected="a folder that the nodes share, or the dataset in the node's cache",
        hint="give shared: in the cluster file; the dataset is then put there",
    )


def _staged(
    path: Path,
    wanted: str,
    shared: RemoteFolder | None,
    most_bytes: int | None,
    progress: Progress,
) -> CachedDataset:
    """Copy a dataset from the shared folder, one process of this node at a time."""
    with cache_lock(f"staged-{wanted[:32]}"):
        if not path.is_file() and shared is not None:
            progress("copying the dataset to this node", 0, 0)
            name = shared_copy(wanted, shared)
            _make_room(path.parent, shared.names(_folder_of(wanted))[name], most_bytes)
            shared.get(name, path)
            _require_whole(path, name, wanted, shared)
        os.utime(path)  # for `_make_room`, which removes what was used longest ago
        return open_cached(path)


def _require_whole(path: Path, name: str, wanted: str, shared: RemoteFolder) -> None:
    """Remove a copy and refuse it, unless it is the file, and the dataset, that it should be."""
    try:
        dataset = open_cached(path)
        rows = fingerprint(dataset.metric, dataset.base, dataset.queries)
        good = rows == wanted and PurePosixPath(name).stem == sha256_of(path)
    except UserError:
        good = False
    if not good:
        path.unlink()
        raise UserError(
            "the copy of the dataset in the shared folder is damaged",
            where=f"{shared.url}/{name}",
            hint="remove it there; it is put there again by the next run",
        )


def _make_room(folder: Path, needed: int, most_bytes: int | None) -> None:
    if most_bytes is None:
        return
    if needed > most_bytes:
        raise UserError(
            "the dataset does not fit into the node's scratch folder",
            where=str(folder),
            expected=f"at most {most_bytes:,} bytes (scratch_gib)",
            got=f"{needed:,}",
        )
    copies = sorted(folder.glob("*.hdf5"), key=lambda path: path.stat().st_mtime)
    held = sum(path.stat().st_size for path in copies)
    for path in copies:
        if held + needed <= most_bytes:
            return
        held -= path.stat().st_size
        path.unlink()


def _write_whole(dataset: CachedDataset, path: Path) -> None:
    """Write a dataset whose rows are in a file of the user's with its rows."""
    parts = Parts(
        Part(dataset.base, "base vectors", dataset.name),
        Part(dataset.queries, "queries", dataset.name),
        dataset.labels,
    )
    identity = Identity(dataset.name, dataset.metric, dataset.fingerprint)
    unit_rows = dataset.metric != "angular" or dataset.search_base is dataset.base
    write_cached(path, parts, identity, unit_rows=unit_rows)


def _folder_of(fingerprint: str) -> str:
    return f"datasets/{fingerprint}"
