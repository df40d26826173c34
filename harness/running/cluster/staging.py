"""Datasets on a node: found in its cache, copied from the shared folder, or fetched as here.

Filtered queries travel as a file of their own, beside that of the dataset whose rows they choose
from. Each file is named by the fingerprint of what it holds.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path, PurePosixPath

import h5py

from harness.contracts import UserError
from harness.contracts.filters import FILTERED_SUFFIX
from harness.data.cache.cached import (
    CachedDataset,
    cached_by_name,
    fingerprint_of_whole,
    open_cached,
)
from harness.data.cache.cached_filters import fingerprint_of
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.data.cache.writing import Identity, write_cached
from harness.data.parts import Part, Parts
from harness.data.rows import fingerprint
from harness.files.hashes import sha256_of
from harness.files.progress import Progress, silent
from harness.files.remote import RemoteFolder
from harness.files.space import require_disk
from harness.files.temporary import temporary_folder
from harness.registry.registry import Registry
from harness.running.datasets import open_in

MORE_SPACE = "free some space there, or give scratch: or scratch_gib: in the cluster file"
"""What to do where the disk of a node is full; copies make room for others by `scratch_gib`."""


def share_dataset(dataset: CachedDataset, shared: RemoteFolder) -> None:
    """Put a dataset into the shared folder, unless it is there.

    Its folder is named by its fingerprint, the file by its own sha256. With filtered queries comes
    the dataset whose rows they choose from.
    """
    if dataset.whole is not None:
        share_dataset(dataset.whole, shared)
    if shared.names(_folder_of(dataset.fingerprint)):
        return
    with h5py.File(dataset.path, "r", locking=False) as file:
        holds_all = dataset.whole is None and "rows_file" not in file["annharness"].attrs
    if holds_all:
        _put(dataset.path, dataset.fingerprint, shared)
        return
    with temporary_folder(cache_subfolder("staged"), "dataset") as folder:
        path = folder / "dataset.hdf5"
        if dataset.whole is None:
            _write_whole(dataset, path)
        else:
            _write_filters(dataset, dataset.whole, path)
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
    path = _staged_path(wanted)
    if _is_staged(path) or (shared is not None and shared.names(_folder_of(wanted))):
        return _staged(path, wanted, shared, most_bytes, progress)
    if name.removesuffix(FILTERED_SUFFIX) in registry.datasets:
        dataset = open_in(registry, name, progress)
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


def _staged_path(wanted: str) -> Path:
    return cache_subfolder("staged") / f"{wanted}.hdf5"


def _is_staged(path: Path) -> bool:
    if not path.is_file():
        return False
    whole = fingerprint_of_whole(path)
    return whole is None or _staged_path(whole).is_file()


def _staged(
    path: Path,
    wanted: str,
    shared: RemoteFolder | None,
    most_bytes: int | None,
    progress: Progress,
    kept: Path | None = None,
) -> CachedDataset:
    """Copy a dataset from the shared folder, one process of this node at a time.

    `kept` is a copy that does not make room for it: the filters that choose from its rows.
    """
    with cache_lock(f"staged-{wanted[:32]}"):
        copied = None
        if not path.is_file() and shared is not None:
            progress("copying the dataset to this node", 0, 0)
            copied = shared_copy(wanted, shared)
            needed = shared.names(_folder_of(wanted))[copied]
            _make_room(path.parent, needed, most_bytes, kept)
            require_disk(path.parent, needed, "a copy of the dataset", hint=MORE_SPACE)
            shared.get(copied, path)
            if PurePosixPath(copied).stem != sha256_of(path):
                raise _damaged(path, copied, shared)
        os.utime(path)  # for `_make_room`, which removes what was used longest ago
        whole = None
        with suppress(UserError):  # no dataset at all, which is found below
            whole = fingerprint_of_whole(path)
        if whole is not None:
            _staged(_staged_path(whole), whole, shared, most_bytes, progress, kept=path)
        if copied is not None and shared is not None and _fingerprint_in(path) != wanted:
            raise _damaged(path, copied, shared)
        return open_cached(path)


def _fingerprint_in(path: Path) -> str | None:
    """Return the fingerprint of what a file holds, whatever it states; None if it is no dataset."""
    try:
        dataset = open_cached(path)
    except UserError:
        return None
    if dataset.whole is None or dataset.filters is None:
        return fingerprint(dataset.metric, dataset.base, dataset.queries)
    return fingerprint_of(dataset.filters, dataset.whole.fingerprint)


def _damaged(path: Path, name: str, shared: RemoteFolder) -> UserError:
    """Remove a copy that is not the file, or the dataset, that it should be."""
    path.unlink()
    return UserError(
        "the copy of the dataset in the shared folder is damaged",
        where=f"{shared.url}/{name}",
        hint="remove it there; it is put there again by the next run",
    )


def _make_room(folder: Path, needed: int, most_bytes: int | None, kept: Path | None) -> None:
    if most_bytes is None:
        return
    needed += kept.stat().st_size if kept is not None else 0
    if needed > most_bytes:
        raise UserError(
            "the dataset does not fit into the node's scratch folder",
            where=str(folder),
            expected=f"at most {most_bytes:,} bytes (scratch_gib)",
            got=f"{needed:,}",
        )
    others = (path for path in folder.glob("*.hdf5") if path != kept)
    copies = sorted(others, key=lambda path: path.stat().st_mtime)
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


def _write_filters(dataset: CachedDataset, whole: CachedDataset, path: Path) -> None:
    """Write filtered queries as they are on a node: beside a copy that is named as there."""
    shutil.copyfile(dataset.path, path)
    with h5py.File(path, "r+", locking=False) as file:
        file["annharness"].attrs["filters_of"] = _staged_path(whole.fingerprint).name


def _folder_of(fingerprint: str) -> str:
    return f"datasets/{fingerprint}"
