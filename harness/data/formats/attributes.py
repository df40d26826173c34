"""Attributes of rows from a file of columns: Parquet, CSV, JSON lines, NumPy's npz, or HDF5."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from harness.contracts import Category, Number, Tags, UserError
from harness.contracts.filters import Attribute, is_attribute_name
from harness.data.formats.hdf5 import opened
from harness.data.formats.table import format_of
from harness.files.paths import require_file
from harness.files.space import require_memory
from harness.text import clean, first_line, first_of

if TYPE_CHECKING:
    import pyarrow

HDF5_GROUP = "attributes"
"""The group of an HDF5 file whose one-dimensional datasets are its attributes."""

_LONGEST_NAME = 60
_SHOWN_COLUMNS = 12


@dataclass(frozen=True)
class Columns:
    """The columns of a file: attributes by name, and why others are left out: mostly their type."""

    attributes: Mapping[str, Attribute]
    left_out: Mapping[str, str]


def read_attributes(path: Path) -> Columns:
    """Return the columns of a file that can be attributes; others, such as vectors, are left out.

    Texts and truth values become categories, numbers and dates numbers (dates as seconds since
    1970), lists of texts tags. A missing text is "", a missing number NaN, a missing list empty.

    Raises
    ------
    UserError
        If the file cannot be read, has two columns of one name, or none that can be an attribute.
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
        table, left_out = _TABLES[name](path)
        _require_distinct(table.column_names, path)
        found = {column: _attribute(table.column(column)) for column in table.column_names}
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError, zipfile.BadZipFile) as error:
        raise UserError(
            "cannot read the attributes", where=str(path), got=first_line(error)
        ) from error
    usable = {}
    for column, values in found.items():
        if values is None:
            left_out[column] = str(table.column(column).type)
        elif not is_attribute_name(column):
            left_out[column] = "not a name like `year`"
        else:
            usable[column] = values
    if not usable:
        raise UserError(
            "no column can be an attribute",
            where=str(path),
            expected="a column of texts, numbers, dates or lists of texts",
            got=columns_in_words(left_out) or "no columns",
        )
    return Columns(usable, left_out)


def columns_in_words(columns: Mapping[str, str]) -> str:
    """Return a few columns in one line, each with what is said of it."""
    each = [f"{clean(name, _LONGEST_NAME)} ({clean(why, 100)})" for name, why in columns.items()]
    return first_of(each, _SHOWN_COLUMNS)


def _require_distinct(names: Sequence[str], path: Path) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(
            "two columns have the same name",
            where=str(path),
            got=clean(twice[0], _LONGEST_NAME) or "an empty name",
            hint="rename one of them",
        )


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


_Table = tuple["pyarrow.Table", dict[str, str]]
"""A file as a table, and the columns that it lacks, with their types."""


def _parquet(path: Path) -> _Table:
    """All columns but those that cannot be attributes: vectors are the most of many files."""
    import pyarrow.parquet
    from pyarrow import types

    with pyarrow.parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
        _require_distinct(schema.names, path)
        left_out = {
            field.name: str(field.type)
            for field in schema
            if any(is_list(field.type) for is_list in lists)
            and not types.is_string(field.type.value_type)
            and not types.is_large_string(field.type.value_type)
        }
        kept = [name for name in schema.names if name not in left_out]
        return file.read(columns=kept), left_out


def _csv(path: Path) -> _Table:
    from pyarrow import csv, types

    table = csv.read_csv(
        path,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(null_values=[""], strings_can_be_null=True),
    )
    for field in table.schema:
        if types.is_binary(field.type):
            raise UserError(
                "the texts of a column are not UTF-8",
                where=str(path),
                got=clean(field.name, _LONGEST_NAME),
                hint="save the file as UTF-8",
            )
    return table, {}


def _jsonl(path: Path) -> _Table:
    from pyarrow import json

    return json.read_json(path), {}


def _npz(path: Path) -> _Table:
    with np.load(path, allow_pickle=False) as arrays:
        return _table({name: arrays[name] for name in arrays.files})


def _hdf5(path: Path) -> _Table:
    with opened(path, f"an HDF5 file with a group {HDF5_GROUP!r}") as file:
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


def _table(arrays: Mapping[str, NDArray[Any]]) -> _Table:
    import pyarrow

    columns, left_out = {}, {}
    for name, values in arrays.items():
        if values.ndim != 1:
            left_out[name] = f"{values.dtype}, {values.ndim} dimensions"
            continue
        try:
            native = values.astype(values.dtype.newbyteorder("="), copy=False)
            columns[name] = pyarrow.array(native)
        except pyarrow.ArrowException:  # such as complex numbers and records
            left_out[name] = str(values.dtype)
    return pyarrow.table(columns), left_out


_TABLES: Mapping[str, Callable[[Path], _Table]] = {
    "parquet": _parquet,
    "csv": _csv,
    "jsonl": _jsonl,
    "npz": _npz,
    "hdf5": _hdf5,
}
