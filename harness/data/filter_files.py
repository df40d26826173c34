"""Filtered queries from files: attributes of the source's rows, and who asks with which filter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts import And, Category, FilteredQueries, In, Number, Range, Tags, UserError
from harness.contracts.definitions import FilterFiles, QuerySplit
from harness.contracts.filters import Attribute, Filter, filter_of, matching, rows_of, without_rows
from harness.data.cache.cached_filters import require_sound
from harness.data.formats.attributes import Columns, read_attributes
from harness.data.formats.lines import opened_text, whole_lines
from harness.data.making_filters import FilterDraft, drawn_filters
from harness.data.parts import base_rows
from harness.errors import did_you_mean
from harness.files.paths import require_file
from harness.text import first_of

_LINE = '{"query": 0, "filter": ["equals", "colour", "red"]}'
_FORMS = "equals, in or contains with texts, range with two numbers, or and with filters"
_SHOWN_NAMES = 20
_MOST_COMPARED = 10_000  # names of a column, to find those like a mistyped one
_MOST_DRAWN = 10_000  # queries that get a filter if no file says which


@dataclass(frozen=True)
class Shape:
    """What attributes and filters have to fit: rows of the base, queries, and their split."""

    n: int
    nq: int
    split: QuerySplit


@dataclass(frozen=True)
class FoundFilters:
    """The filtered queries of files, with the names of all attributes and what was left out."""

    queries: FilteredQueries
    attributes: tuple[str, ...]
    left_out: Mapping[str, str]


def from_files(files: FilterFiles, shape: Shape, place: Callable[[str], Path]) -> FoundFilters:
    """Return the attributes of the base and the queries with filters.

    Only attributes that a filter names are kept. Without a file of filters, they are drawn.

    Parameters
    ----------
    files
        Their names.
    shape
        Of the dataset.
    place
        Returns the path of a file by its name.

    Raises
    ------
    UserError
        If a file cannot be read, or does not fit the dataset; it names the file and the line.
    """
    path = place(files.attributes)
    given = read_attributes(path)
    columns = _of_base(given.attributes, shape, path)
    if files.filters is None:
        made = drawn_filters(columns, shape.n, min(shape.nq, _MOST_DRAWN))
        _require_drawn(made, path)
        require_sound(made, shape.n, shape.nq, str(path))
    else:
        asked = place(files.filters)
        made = _asked(asked, Columns(columns, given.left_out), shape.nq)
        require_sound(made, shape.n, shape.nq, str(asked))
    return FoundFilters(made, tuple(columns), given.left_out)


def _require_drawn(made: FilteredQueries, path: Path) -> None:
    if not made.filters:
        raise UserError(
            "no filter can be drawn",
            where=str(path),
            expected="20 rows, or values that 10 rows have and others have not",
            hint="give your own filters: --filters FILE, or filters: FILE in the entry",
        )


def _of_base(columns: Mapping[str, Attribute], shape: Shape, path: Path) -> dict[str, Attribute]:
    """The values of the base's rows; the file has a row for each row of the source."""
    drawn = shape.split.count or 0 if shape.split.kind == "random" else 0
    there = rows_of(next(iter(columns.values())))
    needed = shape.n + drawn
    if there != needed and not (shape.split.kind == "first" and there > needed):
        raise UserError(
            "the attributes are not those of the vectors",
            where=str(path),
            expected=f"{needed:,} rows, one for each vector of the file, in their order",
            got=f"{there:,}",
        )
    rows = base_rows(shape.n, shape.split)
    return {name: _taken(column, rows) for name, column in columns.items()}


def _taken(column: Attribute, rows: NDArray[np.int64]) -> Attribute:
    match column:
        case Category(codes, names):
            return Category(codes[rows], names)
        case Number(values):
            return Number(values[rows])
        case Tags(starts, codes, names):
            lengths = np.diff(starts)[rows]
            ends = np.cumsum(lengths)
            places = np.arange(lengths.sum()) + np.repeat(
                starts[:-1][rows] - ends + lengths, lengths
            )
            return Tags(np.concatenate([[0], ends]).astype(np.int64), codes[places], names)


def _names(one: Filter) -> Iterator[str]:
    if isinstance(one, And):
        for part in one.parts:
            yield from _names(part)
    else:
        yield one.attribute


def _asked(path: Path, columns: Columns, nq: int) -> FilteredQueries:
    require_file(path)
    draft = FilterDraft(columns.attributes)
    rowless = Columns(without_rows(columns.attributes), columns.left_out)
    known: set[Filter] = set()
    with opened_text(path) as stream:
        lines = (line for piece in whole_lines(stream, path) for line in _lines(piece))
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{path}, line {number:,}"
            query, one = _of_line(line, where, nq)
            if one not in known:
                _require_fit(one, rowless, where)
                known.add(one)
            draft.add(query, one)
    if not known:
        raise UserError("the file has no filtered query", where=str(path), expected=_LINE)
    used = {name for one in known for name in _names(one)}
    if not used:
        raise UserError("no filter names an attribute", where=str(path), expected=_FORMS)
    kept = {name: values for name, values in columns.attributes.items() if name in used}
    return replace(draft.finished(), attributes=kept)


def _lines(piece: bytes) -> list[bytes]:
    return piece.removesuffix(b"\n").split(b"\n")


def _of_line(line: bytes, where: str, nq: int) -> tuple[int, Filter]:
    try:
        return _of_data(json.loads(line), line, where, nq)
    except (ValueError, RecursionError) as error:
        raise _odd(where, str(error)) from error


def _of_data(data: object, line: bytes, where: str, nq: int) -> tuple[int, Filter]:
    if not isinstance(data, dict) or set(data) != {"query", "filter"}:
        raise _odd(where, line.decode(errors="replace"))
    query = data["query"]
    if not isinstance(query, int) or isinstance(query, bool) or not 0 <= query < nq:
        raise UserError(
            "there is no such query", where=where, expected=f"a row from 0 to {nq - 1:,}",
            got=json.dumps(query)[:100],
        )  # fmt: skip
    try:
        return query, filter_of(data["filter"])
    except ValueError as error:
        raise UserError(str(error), where=where, expected=_FORMS) from error


def _odd(where: str, got: str) -> UserError:
    return UserError("the line is no filtered query", where=where, expected=_LINE, got=got[:200])


def _require_fit(one: Filter, columns: Columns, where: str) -> None:
    known = columns.attributes
    for name in _names(one):
        if name not in known:
            raise UserError(
                f"there is no attribute {name!r}",
                where=where,
                expected="one of " + first_of(list(known), _SHOWN_NAMES),
                got=columns.left_out.get(name),
                hint=did_you_mean(name, known),
            )
    try:
        matching(one, known)
    except ValueError as error:
        raise UserError(str(error), where=where, hint=_near(one, known)) from error


def _near(one: Filter, columns: Mapping[str, Attribute]) -> str | None:
    """A hint at names that are like the first unknown one of a filter."""
    if isinstance(one, And):
        return next(filter(None, (_near(part, columns) for part in one.parts)), None)
    column = columns[one.attribute]
    if isinstance(one, Range) or isinstance(column, Number):
        return None
    values = one.values if isinstance(one, In) else (one.value,)
    unknown = (value for value in values if value not in column.places)
    return next((did_you_mean(one, column.names[:_MOST_COMPARED]) for one in unknown), None)
