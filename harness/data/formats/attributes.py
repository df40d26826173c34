"""Attributes of rows from a file of columns: Parquet, CSV, JSON lines, NumPy's npz, or HDF5."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.contracts import Category, Number, Tags, UserError
from harness.contracts.filters import Attribute
from harness.data.formats.hdf5 import opened
from harness.data.formats.table import format_of
from harness.files.paths import require_file
from harness.files.space import require_memory
from harness.text import clean, first_line

if TYPE_CHECKING:
    import pyarrow

HDF5_GROUP = "attributes"
"""The group of an HDF5 file whose one-dimensional datasets are its attributes."""

_LONGEST_NAME = 60


def read_attributes(path: Path) -> dict[str, Attribute]:
    """Return the columns of a file that can be attributes, by name; others, such as vectors, not.

    Texts and truth values become categories, numbers and dates numbers (dates as seconds since
    1970), lists of texts tags. A missing text is "", a missing number NaN, a missing list empty.

    Raises
    ------
    UserError
        If the file cannot be read, or has no such column.
    """
    import pyarrow

    require_file(path)
    name = format_of(path) or ""
    if name not in _TABLES:
        raise UserError(
            "attributes cannot be read from such a file",
            where=str(path),
            expected="one of " + ", ".join(_TABLES),
            got=path.suffix or "a name without an ending",
        )
    try:
        table = _TABLES[name](path)
        found = {column: _attribute(table.column(column)) for column in table.column_names}
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError, zipfile.BadZipFile) as error:
        raise UserError(
            "cannot read the attributes", where=str(path), got=first_line(error)
        ) from error
    usable = {column: values for column, values in found.items() if values is not None}
    if not usable:
        names = ", ".join(clean(column, _LONGEST_NAME) for column in found)
        raise UserError(
            "no column can be an attribute",
            where=str(path),
            expected="a column of texts, numbers, dates or lists of texts",
            got=names or "no columns",
        )
    return usable


def _attribute(column: pyarrow.ChunkedArray) -> Attribute | None:
    """A column as an attribute; None if it is none, such as one of vectors."""
    import pyarrow
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if types.is_boolean(kind):
        column, kind = column.cast("string"), pyarrow.string()
    if types.is_string(kind) or types.is_large_string(kind):
        return Category(*_coded(column))
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return Number(_numbers(column.cast("float64", safe=False)))
    if types.is_date(kind) or types.is_timestamp(kind):
        zone = kind.tz if types.is_timestamp(kind) else None
        since = column.cast(pyarrow.timestamp("us", zone), safe=False).cast("int64")
        return Number(_numbers(since.cast("float64", safe=False)) / 1e6)
    is_list = types.is_list(kind) or types.is_large_list(kind)
    if is_list and (types.is_string(kind.value_type) or types.is_large_string(kind.value_type)):
        return _tags(column)
    return None


def _numbers(column: pyarrow.ChunkedArray) -> NDArray[np.float64]:
    filled = column.fill_null(float("nan"))
    return np.array(filled.to_numpy(), dtype=np.float64)


def _coded(column: pyarrow.ChunkedArray) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """The places of texts among the different ones, which are in the order of their letters."""
    import pyarrow
    from pyarrow import compute

    texts = column.fill_null("")
    names = sorted(texts.unique().to_pylist())
    places = compute.index_in(texts, pyarrow.array(names, texts.type))
    return np.array(places.to_numpy(), dtype=np.int32), tuple(names)


def _tags(column: pyarrow.ChunkedArray) -> Tags:
    """The lists as sets: a tag that a row has twice is kept where it is first."""
    from pyarrow import compute

    lengths = compute.list_value_length(column).fill_null(0).to_numpy()
    codes, names = _coded(compute.list_flatten(column))
    rows = np.repeat(np.arange(len(lengths)), lengths)
    _, first = np.unique(rows * len(names) + codes, return_index=True)
    first.sort()
    ends = np.cumsum(np.bincount(rows[first], minlength=len(lengths)), dtype=np.int64)
    return Tags(np.concatenate([[0], ends]), codes[first], names)


# Files as tables ---------------------------------------------------------------------------------


def _parquet(path: Path) -> pyarrow.Table:
    """All columns but those that cannot be attributes: vectors are the most of many files."""
    import pyarrow.parquet
    from pyarrow import types

    with pyarrow.parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
        names = [
            field.name
            for field in schema
            if not any(is_list(field.type) for is_list in lists)
            or types.is_string(field.type.value_type)
            or types.is_large_string(field.type.value_type)
        ]
        return file.read(columns=names)


def _csv(path: Path) -> pyarrow.Table:
    from pyarrow import csv

    return csv.read_csv(
        path,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(null_values=[""], strings_can_be_null=True),
    )


def _jsonl(path: Path) -> pyarrow.Table:
    from pyarrow import json

    return json.read_json(path)


def _npz(path: Path) -> pyarrow.Table:
    with np.load(path, allow_pickle=False) as arrays:
        return _table({name: arrays[name] for name in arrays.files})


def _hdf5(path: Path) -> pyarrow.Table:
    with opened(path) as file:
        return _table(dict(_columns_inside(file, path)))


def _columns_inside(file: h5py.File, path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """The datasets of the group that are kept in this file."""
    link = file.get(HDF5_GROUP, getlink=True)
    group = file[HDF5_GROUP] if isinstance(link, h5py.HardLink) else None
    if not isinstance(group, h5py.Group):
        raise UserError(
            f"the HDF5 file has no group {HDF5_GROUP!r}",
            where=str(path),
            expected="a group with a dataset for each attribute",
            got=", ".join(sorted(map(str, file))) or "an empty file",
        )
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        column = group[name]
        if isinstance(column, h5py.Dataset) and not column.is_virtual and column.external is None:
            require_memory(column.nbytes, f"the attribute {name}", str(path))
            is_text = h5py.check_string_dtype(column.dtype) is not None
            yield str(name), np.asarray(column.asstr()[...] if is_text else column[...])


def _table(arrays: Mapping[str, NDArray[Any]]) -> pyarrow.Table:
    import pyarrow

    flat = {name: values for name, values in arrays.items() if values.ndim == 1}
    return pyarrow.table({name: pyarrow.array(values) for name, values in flat.items()})


_TABLES: Mapping[str, Callable[[Path], pyarrow.Table]] = {
    "parquet": _parquet,
    "csv": _csv,
    "jsonl": _jsonl,
    "npz": _npz,
    "hdf5": _hdf5,
}
