"""ann-benchmarks' HDF5 files: dense float vectors in `train` and `test`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError, Vectors
from harness.contracts.dataset import METRIC_OF_NAME, METRICS, Metric
from harness.data.cache import layout
from harness.errors import BrokenFile
from harness.files.space import require_memory
from harness.text import first_line

_MAX_RATIO = 1100
"""No filter of HDF5 in common use packs tighter than deflate, whose limit is 1032 to 1."""
_LONGEST_ATTRIBUTE_BYTES = 1000


_SCHEMA = "an HDF5 file in ann-benchmarks' schema"


@contextmanager
def opened(path: Path, expected: str = _SCHEMA) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; what HDF5 itself cannot read becomes a `UserError`."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise BrokenFile(
            "cannot read the HDF5 file",
            where=str(path),
            expected=expected,
            got=first_line(error),
        ) from error


def read_hdf5(path: Path) -> Vectors:
    """Read base and queries; mapped if they are contiguous, otherwise into memory.

    Without `test` in the file there are no queries.

    Raises
    ------
    UserError
        If `train` is missing, or the vectors are not dense floats inside this file.
    """
    return _vectors(path, _rows)


def shapes_of(path: Path) -> Vectors:
    """Return arrays of the shapes and types of base and queries, without the rows.

    Raises
    ------
    UserError
        As `read_hdf5`.
    """
    return _vectors(path, lambda table, _: np.broadcast_to(np.zeros((), table.dtype), table.shape))


def _vectors(path: Path, rows_of: Callable[[h5py.Dataset, Path], NDArray[np.generic]]) -> Vectors:
    with opened(path) as file:
        _require_dense(file, path)
        base = rows_of(_table(file, layout.BASE, path), path)
        if file.get(layout.QUERIES, getlink=True) is None:
            return Vectors(rows=base)
        return Vectors(rows=base, queries=rows_of(_table(file, layout.QUERIES, path), path))


def require_queries(path: Path) -> None:
    """Raise a `UserError` if the file has no `test`."""
    with opened(path) as file:
        if file.get(layout.QUERIES, getlink=True) is None:
            raise _missing(layout.QUERIES, file, path)


def read_truth(path: Path) -> tuple[NDArray[np.generic] | None, NDArray[np.generic] | None]:
    """Return the file's own `neighbors` and `distances`, None where it has none."""
    with opened(path) as file:
        return _rows_if_any(file, "neighbors", path), _rows_if_any(file, "distances", path)


def _rows_if_any(file: h5py.File, name: str, path: Path) -> NDArray[np.generic] | None:
    if file.get(name, getlink=True) is None:
        return None
    return _rows(_table(file, name, path), path)


def metric_of(path: Path) -> Metric | None:
    """Return the metric that the file's `distance` names, None if it names none.

    Raises
    ------
    UserError
        If it names one that is not supported (`hamming`, `jaccard`).
    """
    with opened(path) as file:
        text = _attribute(file, "distance", path)
    if text is None:
        return None
    metric = METRIC_OF_NAME.get(text.lower())
    if metric is None:
        raise UserError(
            "the metric of the file is not supported",
            where=f"{path}, attribute distance",
            expected="one of " + ", ".join(METRICS),
            got=text,
        )
    return metric


def can_be_used_in_place(path: Path) -> bool:
    """Whether `train` and `test` can be mapped as they are in the file."""
    with opened(path) as file:
        return all(layout.can_be_mapped(file[name]) for name in (layout.BASE, layout.QUERIES))


def _require_dense(file: h5py.File, path: Path) -> None:
    for name, expected in (("point_type", "float"), ("type", "dense")):
        found = _attribute(file, name, path)
        if found not in (None, expected):
            raise UserError(
                "only dense vectors of floats are supported",
                where=f"{path}, attribute {name}",
                expected=expected,
                got=found,
            )


def _attribute(file: h5py.File, name: str, path: Path) -> str | None:
    """The text of an attribute, None if there is none; long ones are not read."""
    if name not in file.attrs:
        return None
    stored = file.attrs.get_id(name)
    if stored.shape != () or stored.get_storage_size() > _LONGEST_ATTRIBUTE_BYTES:
        raise UserError(
            "the attribute is not a word",
            where=f"{path}, attribute {name}",
            expected="one text",
            got=f"shape {stored.shape}, {stored.get_storage_size():,} bytes",
        )
    value = file.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def _table(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    link = file.get(name, getlink=True)
    if link is None:
        raise _missing(name, file, path)
    if not isinstance(link, h5py.HardLink):
        raise _refused(name, path, "a link that leads elsewhere")
    table = file[name]
    if not isinstance(table, h5py.Dataset):
        raise _refused(name, path, "a group")
    if table.is_virtual or table.external is not None:
        raise _refused(name, path, "rows kept in another file")
    _require_stored(table, name, path)
    return table


def _missing(name: str, file: h5py.File, path: Path) -> UserError:
    return UserError(
        f"the HDF5 file has no dataset {name!r}",
        where=str(path),
        expected="'train' (base) and 'test' (queries)",
        got=", ".join(sorted(map(str, file))) or "an empty file",
        hint=f"to hold out rows as queries: annharness data add NAME {path.name} --holdout 1000",
    )


def _require_stored(table: h5py.Dataset, name: str, path: Path) -> None:
    stored = table.id.get_storage_size()
    if table.size and table.nbytes > _MAX_RATIO * stored:
        claimed = f"{table.shape} of {table.dtype}: {table.nbytes:,} bytes out of {stored:,}"
        raise _refused(name, path, claimed)


def _refused(name: str, path: Path, got: str) -> UserError:
    return UserError(
        f"the dataset {name!r} cannot be used",
        where=str(path),
        expected="a plain table of numbers inside this file",
        got=got,
    )


def _rows(table: h5py.Dataset, path: Path) -> NDArray[np.generic]:
    if layout.can_be_mapped(table):
        return layout.mapped(table, path)
    require_memory(table.nbytes, "the rows, which lie in the file packed or in pieces", str(path))
    rows: NDArray[np.generic] = table[...]
    return rows
