"""CSV files: numbers in columns side by side, or lists of numbers in the cells of one column."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Vectors
from harness.contracts.definitions import Parameters
from harness.data.formats.growing import collected
from harness.data.formats.vector_columns import as_table, chosen_column
from harness.errors import BrokenFile
from harness.text import first_line

_BLOCK_BYTES = 8 << 20
_LONGEST_LINE = 4 << 20  # characters; a block of pyarrow has to hold a line
_TO = ":"


@dataclass(frozen=True)
class _Layout:
    """What the first two lines show. `kinds`: `number`, `list` or `text`, for each column."""

    names: list[str]
    kinds: list[str]
    has_header: bool

    def of_kind(self, kind: str) -> list[str]:
        return [name for name, one in zip(self.names, self.kinds, strict=True) if one == kind]


def read_csv(path: Path, options: Parameters) -> Vectors:
    """Read the vectors, and the first column of texts as labels.

    A first line that is not all numbers names the columns, and so does one that counts them from 0
    or 1. Vectors are a column of lists (`[1,
    2.5]`), or columns of numbers whose names are numbered, such as x0, x1 and so on.

    Parameters
    ----------
    path
        The file, comma-separated, UTF-8.
    options
        `column`: the column of lists, or `FIRST:LAST` for all columns from one to another.

    Raises
    ------
    UserError
        If it is not clear which columns hold the vectors, a cell is empty or no number, or the file
        is broken.
    """
    import pyarrow

    try:
        layout = _layout(path)
        columns = _columns(layout, options.get("column"), path)
        return _read(path, layout, columns)
    except (pyarrow.ArrowException, OSError, ValueError, csv.Error) as error:
        raise _broken(path, first_line(error)) from error


def _layout(path: Path) -> _Layout:
    lines = _first_two(path)
    if not lines or not lines[0]:
        raise _broken(path, "an empty file")
    first = lines[0]
    has_header = not all(map(_is_number, first)) or _counts_up(first)
    names = first if has_header else [f"f{i}" for i in range(len(first))]
    sample = lines[1] if has_header and len(lines) > 1 else first
    if len(sample) != len(names) or len(set(names)) != len(names):
        raise _broken(path, f"{len(names)} names, {len(set(names))} different, {len(sample)} cells")
    return _Layout(names, [_kind(cell) for cell in sample], has_header)


def _counts_up(cells: list[str]) -> bool:
    """Whether cells are the numbers of the columns, which pandas writes as their names."""
    counts = [list(map(str, range(start, start + len(cells)))) for start in (0, 1)]
    return len(cells) > 1 and cells in counts


def _first_two(path: Path) -> list[list[str]]:
    usual = csv.field_size_limit(_LONGEST_LINE)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = iter(lambda: file.readline(_LONGEST_LINE), "")
            return list(itertools.islice(csv.reader(lines), 2))
    finally:
        csv.field_size_limit(usual)


def _kind(cell: str) -> str:
    if cell.lstrip().startswith("["):
        return "list"
    return "number" if _is_number(cell) else "text"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _columns(layout: _Layout, wanted: object, path: Path) -> list[str]:
    """The one column of lists, or the several of numbers, that hold the vectors."""
    if isinstance(wanted, str) and wanted not in layout.names:
        named = _from_to(layout, wanted)
        if named:
            return named
    ranges = {f"{run[0]}{_TO}{run[-1]}": run for run in _numbered(layout)}
    lists = layout.of_kind("list")
    there = {name: f"{len(run)} numbers" for name, run in ranges.items()}
    inside = {name for run in ranges.values() for name in run}
    there |= {
        name: kind
        for name, kind in zip(layout.names, layout.kinds, strict=True)
        if name not in inside
    }
    chosen = chosen_column(
        wanted, [*lists, *ranges], there, path, hint_if_none=_hint_if_none(layout)
    )
    return ranges.get(chosen, [chosen])


def _hint_if_none(layout: _Layout) -> str | None:
    """What to do where neither lists nor numbered names show which columns are meant."""
    numbers = layout.of_kind("number")
    if numbers:
        return f"name the first and the last: --column {numbers[0]}{_TO}{numbers[-1]}"
    if len(layout.names) == 1 and re.search("[;\t]", layout.names[0]):
        return "put commas between the cells, not semicolons or tabs"
    return None


def _from_to(layout: _Layout, wanted: str) -> list[str]:
    """The columns FIRST:LAST, if they exist and all hold numbers."""
    first, _, last = wanted.partition(_TO)
    if first not in layout.names or last not in layout.names:
        return []
    start, stop = layout.names.index(first), layout.names.index(last)
    named = layout.names[start : stop + 1]
    return named if set(named) <= set(layout.of_kind("number")) else []


def _numbered(layout: _Layout) -> list[list[str]]:
    """Runs of at least two columns of numbers whose names differ in a number that goes up by 1."""
    keys = []
    for at, (name, kind) in enumerate(zip(layout.names, layout.kinds, strict=True)):
        match = re.fullmatch(r"(.*?)([0-9]{1,9})", name, re.ASCII)
        alone = match is None or kind != "number"
        keys.append((at, None) if alone else (match[1], int(match[2]) - at))  # type: ignore[index]
    runs = [
        [name for name, _ in run]
        for _, run in itertools.groupby(zip(layout.names, keys, strict=True), lambda one: one[1])
    ]
    return [run for run in runs if len(run) > 1]


def _read(path: Path, layout: _Layout, columns: list[str]) -> Vectors:
    import pyarrow
    from pyarrow import csv as arrow_csv

    are_lists = layout.kinds[layout.names.index(columns[0])] == "list"
    texts = layout.of_kind("text")[:1]
    kind = pyarrow.string() if are_lists else pyarrow.float64()
    types = dict.fromkeys(columns, kind) | dict.fromkeys(texts, pyarrow.string())
    reader = arrow_csv.open_csv(
        path,
        arrow_csv.ReadOptions(
            block_size=_BLOCK_BYTES, autogenerate_column_names=not layout.has_header
        ),
        arrow_csv.ParseOptions(newlines_in_values=True),
        arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[""],
            strings_can_be_null=are_lists,
        ),
    )
    with reader:
        found = collected(_blocks(reader, columns, texts, path, are_lists=are_lists), path)
    if found is None:
        raise _broken(path, "no rows")
    return found


def _blocks(
    reader: Any, columns: list[str], texts: list[str], path: Path, *, are_lists: bool
) -> Iterator[tuple[NDArray[np.float32], list[str] | None]]:
    done = dimension = 0
    for batch in reader:
        if not batch.num_rows:
            continue
        cells = [batch.column(name) for name in columns]
        block = (
            _lists(cells[0], path, done, dimension) if are_lists else _numbers(cells, path, done)
        )
        done, dimension = done + len(block), block.shape[1]
        labels = [text or "" for name in texts for text in batch.column(name).to_pylist()]
        yield block, labels if texts else None


def _numbers(cells: Sequence[Any], path: Path, done: int) -> NDArray[np.float32]:
    table = np.empty((len(cells[0]), len(cells)), dtype=np.float32)
    for column, values in enumerate(cells):
        if values.null_count:
            row = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
            raise _broken(path, f"an empty cell in row {done + row + 1:,}")
        with np.errstate(over="ignore"):
            table[:, column] = values.to_numpy(zero_copy_only=False)
    return table


def _lists(cells: Any, path: Path, done: int, dimension: int) -> NDArray[np.float32]:
    texts = enumerate(cells.to_pylist(), done + 1)
    lists = [_list(text, path, row) for row, text in texts]
    return as_table(lists, path, done + 1, dimension)


def _list(text: str | None, path: Path, row: int) -> object:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"a cell in row {row:,} that is no list: {error}") from error


def _broken(path: Path, got: str) -> BrokenFile:
    return BrokenFile(
        "cannot read the CSV file",
        where=str(path),
        expected="commas between the cells, a number or a list of numbers in each of the vectors'",
        got=got,
    )
