"""Attributes and filters in their cached form: checked, fingerprinted, written and read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError
from harness.contracts.filters import (
    Attribute,
    Category,
    FilteredQueries,
    Number,
    Tags,
    filter_of,
    is_attribute_name,
    matching,
    rows_of,
    text_of,
    without_rows,
)
from harness.data.cache import layout
from harness.data.parts import MINIMUM_QUERIES
from harness.files.space import require_memory

_TEXT = "names"


def require_sound(filters: FilteredQueries, n: int, nq: int, where: str) -> None:
    """Raise a `UserError` unless filters fit a base of n rows, nq queries, and the memory."""

    def require(holds: bool, expected: str, got: object) -> None:
        if not holds:
            what = "the filtered queries cannot be used"
            raise UserError(what, where=where, expected=expected, got=str(got))

    require(bool(filters.attributes), "at least one attribute", "none")
    for name, column in filters.attributes.items():
        require(is_attribute_name(name), "attributes with names like `year`", repr(name))
        require(rows_of(column) == n, f"{name} of {n:,} rows", f"{rows_of(column):,}")
        require(_is_sound(column), f"codes of {name} among its names", "others")
    numbers = filters.filter_numbers
    require(len(filters.query_rows) >= MINIMUM_QUERIES, f"{MINIMUM_QUERIES} queries or more",
            len(filters.query_rows))  # fmt: skip
    require(len(numbers) == len(filters.query_rows), "a filter for each query", len(numbers))
    for values, end, what in ((filters.query_rows, nq, "rows of queries"),
                              (numbers, len(filters.filters), "numbers of filters")):  # fmt: skip
        fits = values.dtype == np.int64 and (values >= 0).all() and (values < end).all()
        require(bool(fits), f"{what} as int64, 0 to {end - 1:,}", values)
    bitmap_bytes = (n + 7) // 8
    require_memory(len(filters.filters) * bitmap_bytes, "a bitmap of each distinct filter", where)
    rowless = without_rows(filters.attributes)
    for one in filters.filters:
        try:
            filter_of(json.loads(text_of(one)))  # as it will be read again
            matching(one, rowless)
        except ValueError as error:
            raise UserError(f"a filter cannot be used: {error}", where=where) from error


def _is_sound(column: Attribute) -> bool:
    if isinstance(column, Number):
        return column.values.dtype == np.float64
    codes = column.codes
    if codes.dtype.kind not in "iu" or (len(codes) and not 0 <= codes.min() <= codes.max()):
        return False
    if isinstance(column, Tags):
        starts = column.starts
        ends = starts[0] == 0 and starts[-1] == len(codes) and (np.diff(starts) >= 0).all()
        if starts.dtype != np.int64 or not ends:
            return False
    return len(codes) == 0 or int(codes.max()) < len(column.names)


def fingerprint_of(filters: FilteredQueries, base_fingerprint: str) -> str:
    """Return the sha256 (hex) of rows, attributes, filters and which query asks with which."""
    digest = hashlib.sha256(f"filtered {base_fingerprint}\n{_texts(filters)}\n".encode())
    for name, values in _arrays(filters):
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def write_filters(file: h5py.File, filters: FilteredQueries) -> None:
    """Write attributes and filters into the file of a dataset."""
    _write_text(file, layout.FILTERS, _texts(filters))
    for name, column in filters.attributes.items():
        names = None if isinstance(column, Number) else list(column.names)
        _write_text(file, f"{layout.ATTRIBUTES}/{name}/{_TEXT}", json.dumps(names))
    for name, values in _arrays(filters):
        file.create_dataset(name, data=values)


def read_filters(file: h5py.File, path: Path) -> FilteredQueries:
    """Return what `write_filters` wrote, mapped where it lies aligned in the file.

    Raises
    ------
    KeyError, ValueError
        If it is not there.
    """
    return FilteredQueries(
        {name: _column(group, path) for name, group in file[layout.ATTRIBUTES].items()},
        [filter_of(json.loads(text)) for text in json.loads(_read_text(file[layout.FILTERS]))],
        layout.mapped(file[layout.QUERY_ROWS], path),
        layout.mapped(file[layout.FILTER_NUMBERS], path),
    )


def _column(group: h5py.Group, path: Path) -> Attribute:
    if "values" in group:
        return Number(_aligned(group["values"], path))
    names = tuple(json.loads(_read_text(group[_TEXT])))
    codes = _aligned(group["codes"], path)
    if "starts" in group:
        return Tags(_aligned(group["starts"], path), codes, names)
    return Category(codes, names)


def _aligned(dataset: h5py.Dataset, path: Path) -> NDArray[Any]:
    """Return a dataset, read-only; copied if need be: libraries take no unaligned memory.

    HDF5 puts a dataset wherever the one before it ends, and texts have any length. LanceDB, given
    such a column, found no rows at all.
    """
    values = layout.mapped(dataset, path)
    if not values.flags.aligned:
        values = values.copy()
        values.flags.writeable = False
    return values


def _texts(filters: FilteredQueries) -> str:
    return json.dumps([text_of(one) for one in filters.filters])


def _arrays(filters: FilteredQueries) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield all arrays with their names in the file, attributes by name."""
    yield layout.QUERY_ROWS, filters.query_rows
    yield layout.FILTER_NUMBERS, filters.filter_numbers
    for name, column in sorted(filters.attributes.items()):
        for part in ("values", "starts", "codes"):
            if hasattr(column, part):
                yield f"{layout.ATTRIBUTES}/{name}/{part}", getattr(column, part)


def _write_text(file: h5py.File, name: str, text: str) -> None:
    file.create_dataset(name, data=np.frombuffer(text.encode(), dtype=np.uint8))


def _read_text(dataset: h5py.Dataset) -> str:
    return bytes(dataset[...]).decode()
