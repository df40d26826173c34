"""A dataset in its cached form, opened for reading; what the measuring process uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.contracts import Dataset, Labels, UserError
from harness.contracts.dataset import METRICS, Metric, Truth
from harness.contracts.filters import FilteredQueries
from harness.data.cache import layout
from harness.data.cache.cached_filters import read_filters
from harness.data.cache.folder import cache_subfolder
from harness.data.words import Words
from harness.files.hashes import stat_of

Rows = NDArray[np.float32]


@dataclass
class _Arrays:
    """The mapped arrays; without a second copy, the unit rows are the rows themselves."""

    base: Rows
    queries: Rows
    unit_base: Rows
    unit_queries: Rows
    files: tuple[Path, ...]


class CachedDataset(Dataset):
    """Rows mapped read-only from `path`, or from the user's own file if that can be mapped.

    `path` is the file in the cache. Opening checks only the file's shape: the values were checked
    when it was written. `whole` is the dataset whose rows the filters choose from; None without
    filters.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        metric: Metric,
        fingerprint: str,
        arrays: _Arrays,
        labels: Labels | None,
        filters: FilteredQueries | None = None,
        whole: CachedDataset | None = None,
    ) -> None:
        self.path = path
        self.name = name
        self.metric = metric
        self.labels = labels
        self.filters = filters
        self.whole = whole
        self._fingerprint = fingerprint
        self._arrays = arrays
        self._states = {file: stat_of(file) for file in arrays.files}

    def require_unchanged(self) -> None:
        """Raise a `UserError` if a file of the dataset was written to since it was opened.

        What is read from a mapped file that was shortened ends the process, and rows that were
        changed give other distances. The cached form is removed, so that it is made anew.
        """
        for file, state in self._states.items():
            if stat_of(file) != state:
                with suppress(OSError):
                    self.path.unlink()
                raise UserError(
                    "a file of the dataset was changed or removed while it was in use",
                    where=str(file),
                    hint="let nothing write to that file, then give the same command again",
                )

    @property
    def base(self) -> Rows:
        """`(n, d)` float32, rows as in the source."""
        return self._arrays.base

    @property
    def queries(self) -> Rows:
        """`(nq, d)` float32, rows as in the source."""
        return self._arrays.queries

    @property
    def search_base(self) -> Rows:
        """`(n, d)` float32, unit-norm for `angular`."""
        return self._arrays.unit_base

    @property
    def search_queries(self) -> Rows:
        """`(nq, d)` float32, unit-norm for `angular`."""
        return self._arrays.unit_queries

    @property
    def fingerprint(self) -> str:
        """Sha256 (hex) of base, queries and metric."""
        return self._fingerprint

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is mapped from."""
        return self._arrays.files

    def truth(self, k: int) -> Truth:
        """Return the k true nearest neighbours of every query, computed once and cached."""
        from harness.data.truth.store import truth_of  # not needed for timing

        return truth_of(self, k)

    def __repr__(self) -> str:
        n, d = self.base.shape
        return f"<{self.name}: {n:,} x {d} {self.metric}, {len(self.queries):,} queries>"


def open_cached(path: Path) -> CachedDataset:
    """Open a file of the cache, mapped and read-only.

    Raises
    ------
    UserError
        If it is not there, is no cached dataset, or the user's file that it leads to has changed.
    """
    with _opened(path) as file:
        return _read(file, path)


def fingerprint_of_whole(path: Path) -> str | None:
    """Return the fingerprint of the dataset whose rows the filters in a file choose from.

    Returns
    -------
    fingerprint
        None if the file has no filters.

    Raises
    ------
    UserError
        If the file is not there or is no cached dataset.
    """
    with _opened(path) as file:
        found = file["annharness"].attrs.get("base_fingerprint")
        return None if found is None else str(found)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Give a file of the cache; what is wrong with it raises a `UserError`."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise UserError(
            f"cannot open the cached dataset: {error}",
            where=str(path),
            hint="remove the file; it is made again when next needed",
        ) from error


def _read(file: h5py.File, path: Path) -> CachedDataset:
    own = file["annharness"].attrs
    if layout.FILTERS in file:
        return _read_filtered(file, path)
    metric = next(m for m in METRICS if m == own["metric"])
    arrays = _arrays(file, path)
    return CachedDataset(path, own["name"], metric, own["fingerprint"], arrays, _labels(file, path))


def _read_filtered(file: h5py.File, path: Path) -> CachedDataset:
    """Open the unfiltered dataset beside the file, with the queries and filters that it holds."""
    own = file["annharness"].attrs
    whole = open_cached(path.with_name(own["filters_of"]))
    if whole.fingerprint != own["base_fingerprint"]:
        raise ValueError(f"{whole.path.name} holds other rows than these filters were made for")
    filters = read_filters(file, path)
    rows = filters.query_rows
    arrays = _Arrays(
        whole.base,
        _chosen(whole.queries, rows),
        whole.search_base,
        _chosen(whole.search_queries, rows),
        (path, *whole.files),
    )
    labels = whole.labels
    if labels is not None:
        labels = Labels(labels.base, [labels.queries[row] for row in rows.tolist()])
    return CachedDataset(
        path, own["name"], whole.metric, own["fingerprint"], arrays, labels, filters, whole
    )


def _chosen(queries: Rows, rows: NDArray[np.int64]) -> Rows:
    chosen = queries[rows]
    chosen.flags.writeable = False
    return chosen


def _arrays(file: h5py.File, path: Path) -> _Arrays:
    rows_path = _rows_path(file, path)
    base, queries = _rows(file, path, rows_path)
    unit_base, unit_queries = base, queries
    if layout.UNIT_BASE in file:
        unit_base = layout.mapped(file[layout.UNIT_BASE], path)
        unit_queries = layout.mapped(file[layout.UNIT_QUERIES], path)
    return _Arrays(base, queries, unit_base, unit_queries, tuple({path, rows_path}))


def _rows_path(file: h5py.File, path: Path) -> Path:
    """The file that holds the rows: the cached one, or the user's own."""
    own = file["annharness"].attrs
    return Path(own["rows_file"]) if "rows_file" in own else path


def _rows(file: h5py.File, path: Path, rows_path: Path) -> tuple[Rows, Rows]:
    own = file["annharness"].attrs
    if rows_path == path:
        return layout.mapped(file[layout.BASE], path), layout.mapped(file[layout.QUERIES], path)
    if file_state(rows_path) != own["rows_file_state"]:
        raise UserError(
            "the file has changed since it was checked",
            where=str(rows_path),
            hint="name the file again by its path: it is then checked anew",
        )
    with h5py.File(rows_path, "r", locking=False) as rows:
        return (
            layout.mapped(rows[layout.BASE], rows_path),
            layout.mapped(rows[layout.QUERIES], rows_path),
        )


def _labels(file: h5py.File, path: Path) -> Labels | None:
    if layout.LABELS_BASE not in file:
        return None
    base, queries = (
        Words(layout.mapped(file[name]["text"], path), layout.mapped(file[name]["ends"], path))
        for name in (layout.LABELS_BASE, layout.LABELS_QUERIES)
    )
    return Labels(base, queries)


def cached_by_name(name: str) -> Path | None:
    """Return the cached form of a dataset by its name in results, None if there is none.

    So results and commands can name a file without its path, which may contain a person's name.
    """
    for folder in ("files", "datasets"):
        path = cache_subfolder(folder) / f"{name}.hdf5"
        if path.is_file():
            return path
    return None


def file_state(path: Path) -> str:
    """Return a text that changes when the file is written to: its size, time and inode."""
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"cannot read the file: {error.strerror}", where=str(path)) from error
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
