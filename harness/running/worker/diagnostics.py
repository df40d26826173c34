"""Diagnostics of an adapter: tables that can be stored, checked in the worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.results.point import MOST_DIAGNOSTICS
from harness.text import clean, is_clean

_NAME_CHARACTERS = 200
_MOST_BYTES = 64 << 20


def is_name(name: object) -> bool:
    """Whether a table or a column can be called so: the name stands in a path of HDF5."""
    return (
        isinstance(name, str)
        and is_clean(name, _NAME_CHARACTERS)
        and bool(name.strip(". "))
        and not set(name) & set("/\n\t")
    )


def checked_tables(tables: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Flatten `{table: {column: values}}` to `table/column`.

    Raises
    ------
    ValueError
        If a name or a column is not what can be stored, or all of them are too many or too large.
    """
    flat: dict[str, NDArray[Any]] = {}
    for table, columns in tables.items():
        lengths = set()
        for column, values in columns.items():
            array = np.asarray(values)
            if array.ndim != 1 or array.dtype.kind not in "biufU":
                raise ValueError(
                    f"diagnostics table {table!r}, column {column!r}: one-dimensional numbers or "
                    f"text are expected, got {array.dtype} {array.shape}"
                )
            lengths.add(len(array))
            flat[f"{_checked_name(table)}/{_checked_name(column)}"] = array
        if len(lengths) > 1:
            raise ValueError(f"diagnostics table {table!r} has columns of lengths {lengths}")
    if len(flat) > MOST_DIAGNOSTICS:
        raise ValueError(
            f"diagnostics of {len(flat):,} columns, at most {MOST_DIAGNOSTICS:,} are kept"
        )
    size = sum(values.nbytes for values in flat.values())
    if size > _MOST_BYTES:
        raise ValueError(f"diagnostics of {size:,} bytes, at most {_MOST_BYTES:,} are kept")
    return flat


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not is_name(name):
        raise ValueError(
            f"diagnostics: {clean(repr(name), _NAME_CHARACTERS)} is no name for a table or a column"
        )
    return name
