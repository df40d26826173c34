"""Parquet files with a column of lists: each list is a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError, Vectors
from harness.contracts.definitions import Parameters
from harness.data.formats.growing import collected
from harness.data.formats.vector_columns import chosen_column
from harness.data.rows import blocks
from harness.data.words import Words
from harness.errors import BrokenFile
from harness.text import first_line

if TYPE_CHECKING:
    import pyarrow.parquet

_BATCH_ROWS = 4096


def read_parquet(path: Path, options: Parameters) -> Vectors:
    """Read the column of lists, and the first column of texts as labels.

    Parameters
    ----------
    path
        The file.
    options
        `column` names the column of lists where there are several.

    Raises
    ------
    UserError
        If there is no such column, or its lists differ in length or hold nulls.
    """
    with _opened(path) as file:
        column = _column(file.schema_arrow, options.get("column"), path)
        names = _text_columns(file.schema_arrow)[:1]
        found = collected(_blocks(file, column, names, path), path)
    if found is None:
        raise _broken(path, "no rows")
    return found


def read_words(path: Path) -> Words:
    """Read the first column of texts; a null is an empty text.

    Raises
    ------
    UserError
        If the file is broken or has no such column.
    """
    with _opened(path) as file:
        names = _text_columns(file.schema_arrow)[:1]
        if not names:
            raise UserError("the Parquet file has no column of texts", where=str(path))
        return Words.pack(_texts(file.read(columns=names).column(0)))


@contextmanager
def _opened(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Open the file; damage, including text that is not UTF-8, becomes a `UserError`."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _broken(path, first_line(error)) from error


def _text_columns(schema: pyarrow.Schema) -> list[str]:
    from pyarrow import types

    return [f.name for f in schema if types.is_string(f.type) or types.is_large_string(f.type)]


def _texts(column: pyarrow.ChunkedArray) -> list[str]:
    return [text or "" for text in column.to_pylist()]


def _column(schema: pyarrow.Schema, wanted: object, path: Path) -> str:
    from pyarrow import types

    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    numbers = (types.is_floating, types.is_integer)
    names = [
        field.name
        for field in schema
        if any(is_list(field.type) for is_list in lists)
        and any(is_number(field.type.value_type) for is_number in numbers)
    ]
    return chosen_column(wanted, names, {f.name: str(f.type) for f in schema}, path)


def _blocks(
    file: pyarrow.parquet.ParquetFile, column: str, names: list[str], path: Path
) -> Iterator[tuple[NDArray[np.float32], list[str] | None]]:
    dimension = 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=[column, *names]):
        block = _table(batch.column(column), path)
        dimension = dimension or block.shape[1]
        if block.shape[1] != dimension:
            raise _broken(path, f"lists of {dimension} and of {block.shape[1]} values")
        yield block, _texts(batch.column(names[0])) if names else None


def _table(lists: pyarrow.ChunkedArray, path: Path) -> NDArray[np.float32]:
    import pyarrow.compute

    lengths = pyarrow.compute.list_value_length(lists)
    values = lists.flatten()
    if lists.null_count or values.null_count:
        raise _broken(path, "nulls among the vectors")
    found = np.unique(lengths.to_numpy(zero_copy_only=False))
    if len(found) != 1 or found[0] < 1:
        raise _broken(path, f"lists of {found[:4].tolist()} values")
    flat = values.to_numpy(zero_copy_only=False)
    if flat.dtype.kind not in "fiu":
        raise _broken(path, f"lists of {values.type}")
    with np.errstate(over="ignore"):
        table: NDArray[np.float32] = flat.astype(np.float32, copy=False)
    return table.reshape(-1, int(found[0]))


def write_parquet(path: Path, vectors: Vectors) -> None:
    """Write a column `vector` of float32 lists, and `label` if the rows have names."""
    import pyarrow
    import pyarrow.parquet

    fields = [pyarrow.field("vector", pyarrow.list_(pyarrow.float32()))]
    if vectors.labels is not None:
        fields.insert(0, pyarrow.field("label", pyarrow.string()))
    schema = pyarrow.schema(fields)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for block in blocks(vectors.rows):
            rows = np.ascontiguousarray(vectors.rows[block], dtype=np.float32)
            offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
            columns = [pyarrow.ListArray.from_arrays(offsets, rows.reshape(-1))]
            if vectors.labels is not None:
                columns.insert(0, pyarrow.array(list(vectors.labels[block]), pyarrow.string()))
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))


def _broken(path: Path, got: str) -> BrokenFile:
    return BrokenFile(
        "cannot read the Parquet file",
        where=str(path),
        expected="a whole file with a column of lists of numbers, all of one length",
        got=got,
    )
