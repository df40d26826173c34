"""Attributes of base rows, filters over them, and the rows that match a filter.

A filter is a small typed expression. Its text form is JSON: `["range", "year", 1990, 1999]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FilterForm = Literal["bitmap", "predicate"]
"""What an adapter's `query_filtered` takes: a `Bitmap` of the matching rows, or the `Filter`."""

FILTERED_SUFFIX = "+filtered"
"""Ends the name of a dataset with its filtered queries: no entry can be called so."""

POST_FILTER = "post_filter"
"""The search parameter that asks the harness to filter the answers of an unfiltered search."""

_DEEPEST = 20
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z_]\w{0,99}")

Bools = NDArray[np.bool_]


def is_attribute_name(name: str) -> bool:
    """Whether an attribute can be called so: HDF5 files, indexes and filters name it."""
    return _ATTRIBUTE_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class Category:
    """One name for each row: `codes` `(n,)` integers, places in `names`."""

    codes: NDArray[np.integer]
    names: tuple[str, ...]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The code of each name."""
        return _places(self.names)


@dataclass(frozen=True)
class Number:
    """One number for each row: `values` `(n,)` float64; NaN, for none, matches no range."""

    values: NDArray[np.float64]


@dataclass(frozen=True)
class Tags:
    """A set of names for each row: those of row i are `codes[starts[i]:starts[i + 1]]` (CSR).

    `starts` is `(n + 1,)` int64, `codes` integers, places in `names`.
    """

    starts: NDArray[np.int64]
    codes: NDArray[np.integer]
    names: tuple[str, ...]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The code of each name."""
        return _places(self.names)


def _places(names: Sequence[str]) -> Mapping[str, int]:
    """Return where each name is first."""
    return {names[place]: place for place in reversed(range(len(names)))}


Attribute = Category | Number | Tags
Attributes = Mapping[str, Attribute]
"""Columns of the base by name."""


@dataclass(frozen=True)
class Equals:
    """Rows whose category is `value`."""

    attribute: str
    value: str


@dataclass(frozen=True)
class In:
    """Rows whose category is one of `values`."""

    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """Rows whose number is at least `least` and at most `most`."""

    attribute: str
    least: float
    most: float


@dataclass(frozen=True)
class Contains:
    """Rows whose tags contain `value`."""

    attribute: str
    value: str


@dataclass(frozen=True)
class And:
    """Rows that match every part; without parts, all rows."""

    parts: tuple[Filter, ...]


Filter = Equals | In | Range | Contains | And


@dataclass(frozen=True, eq=False)
class Bitmap:
    """The rows that match a filter.

    The harness makes one for each distinct filter before anything is timed. What an adapter derives
    from it alone (a selector, `ids`) may be kept for later queries, in a dictionary by the bitmap.

    Attributes
    ----------
    bits
        `(ceil(n / 8),)` uint8, read-only: row i is bit `i % 8`, from the lowest, of byte `i // 8`.
    n
        Rows of the base.
    count
        How many rows match.
    """

    bits: NDArray[np.uint8]
    n: int
    count: int

    @classmethod
    def of(cls, matches: Bools) -> Bitmap:
        """Return the bitmap of `(n,)` bools."""
        bits = np.packbits(matches, bitorder="little")
        bits.flags.writeable = False
        return cls(bits, len(matches), int(matches.sum()))

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """The matching rows, ascending, `(count,)`."""
        return np.flatnonzero(np.unpackbits(self.bits, count=self.n, bitorder="little"))

    def contains(self, ids: NDArray[np.integer]) -> Bools:
        """Whether each id, of any shape and none below 0, is that of a matching row."""
        found: Bools = (self.bits[ids >> 3] >> (ids & 7)) & 1 == 1
        return found


@dataclass(frozen=True)
class FilteredQueries:
    """Attributes of the base of a dataset, and queries with a filter each.

    Attributes
    ----------
    attributes
        Columns of the base.
    filters
        The distinct filters.
    query_rows
        `(nq,)` int64: the row of the dataset's queries that each filtered query asks with.
    filter_numbers
        `(nq,)` int64: the filter of each, a place in `filters`.
    """

    attributes: Attributes
    filters: Sequence[Filter]
    query_rows: NDArray[np.int64]
    filter_numbers: NDArray[np.int64]

    @cached_property
    def bitmaps(self) -> tuple[Bitmap, ...]:
        """The bitmap of each distinct filter."""
        return tuple(Bitmap.of(matching(one, self.attributes)) for one in self.filters)

    def match(self, queries: NDArray[np.integer], ids: NDArray[np.integer]) -> Bools:
        """Whether ids `(m, k)` match the filters of m queries, given by their numbers.

        True for padding (-1).
        """
        rows = self._all_bits[self.filter_numbers[queries][:, None], np.maximum(ids, 0) >> 3]
        found: Bools = ((rows >> (ids & 7)) & 1 == 1) | (ids < 0)
        return found

    @cached_property
    def _all_bits(self) -> NDArray[np.uint8]:
        return np.stack([bitmap.bits for bitmap in self.bitmaps])


def rows_of(attribute: Attribute) -> int:
    """Return the number of rows of a column."""
    match attribute:
        case Category():
            return len(attribute.codes)
        case Number():
            return len(attribute.values)
        case Tags():
            return len(attribute.starts) - 1


def matching(one: Filter, attributes: Attributes) -> Bools:
    """Return whether each row matches, `(n,)`.

    Raises
    ------
    ValueError
        If the filter does not fit the attributes: an unknown name, or another kind of column.
    """
    if isinstance(one, And):
        parts = [matching(part, attributes) for part in one.parts]
        every = np.ones(rows_of(next(iter(attributes.values()))), dtype=np.bool_)
        return np.asarray(np.logical_and.reduce([every, *parts]))
    column = attributes.get(one.attribute)
    match one, column:
        case Equals(), Category():
            return np.isin(column.codes, _codes(column.places, (one.value,), one))
        case In(), Category():
            return np.isin(column.codes, _codes(column.places, one.values, one))
        case Range(), Number():
            return (column.values >= one.least) & (column.values <= one.most)
        case Contains(), Tags():
            hits = np.isin(column.codes, _codes(column.places, (one.value,), one))
            sums = np.concatenate([[0], np.cumsum(hits)])
            return np.asarray(sums[column.starts[1:]] > sums[column.starts[:-1]])
    kinds = {Equals: "category", In: "category", Range: "number", Contains: "set of tags"}
    got = "nothing" if column is None else type(column).__name__.lower()
    raise ValueError(f"{text_of(one)} needs a {kinds[type(one)]}, {one.attribute!r} is {got}")


def without_rows(attributes: Attributes) -> Attributes:
    """Return the columns without their rows: `matching` on them checks that a filter fits."""
    return {name: _without_rows(column) for name, column in attributes.items()}


def _without_rows(column: Attribute) -> Attribute:
    match column:
        case Category(codes, names):
            return Category(codes[:0], names)
        case Number(values):
            return Number(values[:0])
        case Tags(starts, codes, names):
            return Tags(starts[:1], codes[:0], names)


def _codes(places: Mapping[str, int], values: Sequence[str], one: Filter) -> list[int]:
    for value in values:
        if value not in places:
            raise ValueError(f"{text_of(one)}: no row can be called {value!r}")
    return [places[value] for value in values]


def text_of(one: Filter) -> str:
    """Return a filter as JSON, of which `filter_of` makes it again."""
    return json.dumps(_plain(one))


def _plain(one: Filter) -> list[Any]:
    match one:
        case Equals():
            return ["equals", one.attribute, one.value]
        case In():
            return ["in", one.attribute, list(one.values)]
        case Range():
            return ["range", one.attribute, one.least, one.most]
        case Contains():
            return ["contains", one.attribute, one.value]
        case And():
            return ["and", *map(_plain, one.parts)]


def filter_of(data: object) -> Filter:
    """Return the filter of what was read from JSON, such as `["equals", "language", "de"]`.

    Raises
    ------
    ValueError
        If it is none.
    """
    return _parsed(data, _DEEPEST)


def _parsed(data: object, deepest: int) -> Filter:
    match data:
        case ["equals", str(attribute), str(value)]:
            return Equals(attribute, value)
        case ["in", str(attribute), [*values]] if all(isinstance(one, str) for one in values):
            return In(attribute, tuple(map(str, values)))
        case ["range", str(attribute), int() | float() as least, int() | float() as most] if (
            _is_number(least) and _is_number(most)
        ):
            return Range(attribute, least, most)  # whole numbers stay so: the text is kept
        case ["contains", str(attribute), str(value)]:
            return Contains(attribute, value)
        case ["and", *parts] if deepest:
            return And(tuple(_parsed(part, deepest - 1) for part in parts))
        case ["and", *_]:
            raise ValueError(f"no filter: more than {_DEEPEST} times `and` in each other")
    raise ValueError(f"no filter: {json.dumps(data)[:200]}")


def _is_number(value: float) -> bool:
    """Whether values can be compared with it: no truth value, NaN or integer beyond float64."""
    try:
        return not isinstance(value, bool) and not isnan(value)
    except OverflowError:
        return False
