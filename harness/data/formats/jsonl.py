"""JSON lines: on each a list of numbers, or an object with such a list under a name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Vectors
from harness.contracts.definitions import Parameters
from harness.data.formats.growing import collected
from harness.data.formats.lines import opened_text, whole_lines
from harness.data.formats.vector_columns import as_table, chosen_column
from harness.errors import BrokenFile
from harness.text import Json


def read_jsonl(path: Path, options: Parameters) -> Vectors:
    """Read the lists, and the first text of each object as its label.

    Parameters
    ----------
    path
        Plain or gzipped.
    options
        `column` names the list where objects have several.

    Raises
    ------
    UserError
        If a line is no JSON, has no such list, or the lists differ in length; it names the row.
    """
    with opened_text(path) as stream:
        found = collected(_blocks(stream, options.get("column"), path), path)
    if found is None:
        raise _broken(path, "no rows")
    return found


def _blocks(
    stream: IO[bytes], wanted: object, path: Path
) -> Iterator[tuple[NDArray[np.float32], list[str] | None]]:
    column: str | None = None
    label: str | None = None
    done = dimension = 0
    for piece in whole_lines(stream, path):
        items = list(_items(piece, path, done + 1))
        if not items:
            continue
        if not done and isinstance(items[0], dict):
            column, label = _names(items[0], wanted, path)
        lists = items if column is None else [_field(item, column) for item in items]
        block = as_table(lists, path, done + 1, dimension)
        done, dimension = done + len(items), block.shape[1]
        yield block, [str(_field(item, label) or "") for item in items] if label else None


def _items(piece: bytes, path: Path, first: int) -> Iterator[Any]:
    lines = (line for line in piece.split(b"\n") if line.strip())
    for row, line in enumerate(lines, first):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _broken(f"{path}, row {row:,}", str(error)) from error


def _names(first: Json, wanted: object, path: Path) -> tuple[str, str | None]:
    """The names of the list and of the label, by the first object."""
    usable = [name for name, value in first.items() if isinstance(value, list)]
    there = {name: type(value).__name__ for name, value in first.items()}
    texts = [name for name, value in first.items() if isinstance(value, str)]
    return chosen_column(wanted, usable, there, path), texts[0] if texts else None


def _field(item: object, name: str) -> object:
    return item.get(name) if isinstance(item, dict) else None


def _broken(where: object, got: str) -> BrokenFile:
    return BrokenFile(
        "cannot read the JSON lines",
        where=str(where),
        expected="a list of numbers, or an object with such a list, on every line",
        got=got,
    )
