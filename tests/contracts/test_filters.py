"""Filters: which rows match, their text form, and bitmaps, against a loop over the rows."""

from __future__ import annotations

import json
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import (
    And,
    Bitmap,
    Category,
    Contains,
    Equals,
    FilteredQueries,
    In,
    Number,
    Range,
    Tags,
)
from harness.contracts.filters import filter_of, matching, text_of, without_rows

NAMES = ("a", "b", "c")
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.floats(-5, 5) | st.just(float("nan")),
        st.sets(st.integers(0, 2)),
    ),
    min_size=1,
    max_size=20,
)
SIMPLE = (
    st.builds(Equals, st.just("kind"), st.sampled_from(NAMES))
    | st.builds(In, st.just("kind"), st.lists(st.sampled_from(NAMES)).map(tuple))
    | st.builds(Range, st.just("size"), st.floats(-5, 5) | st.integers(-5, 5), st.floats(-5, 5))
    | st.builds(Contains, st.just("tags"), st.sampled_from(NAMES))
)
FILTERS = SIMPLE | st.builds(And, st.lists(SIMPLE, max_size=3).map(tuple))


def attributes_of(rows):
    starts = np.cumsum([0, *(len(tags) for _, _, tags in rows)]).astype(np.int64)
    codes = np.array([code for _, _, tags in rows for code in sorted(tags)], dtype=np.uint8)
    return {
        "kind": Category(np.array([kind for kind, _, _ in rows], dtype=np.uint8), NAMES),
        "size": Number(np.array([size for _, size, _ in rows])),
        "tags": Tags(starts, codes, NAMES),
    }


def holds(one, row):
    kind, size, tags = row
    match one:
        case Equals(_, value):
            return NAMES[kind] == value
        case In(_, values):
            return NAMES[kind] in values
        case Range(_, least, most):
            return least <= size <= most
        case Contains(_, value):
            return NAMES.index(value) in tags
        case And(parts):
            return all(holds(part, row) for part in parts)


@given(ROWS, FILTERS)
def test_the_rows_that_match_are_those_of_a_loop(rows, one):
    expected = [holds(one, row) for row in rows]
    matches = matching(one, attributes_of(rows))
    assert matches.tolist() == expected
    bitmap = Bitmap.of(matches)
    assert bitmap.count == sum(expected)
    assert bitmap.ids.tolist() == np.flatnonzero(expected).tolist()
    assert bitmap.contains(np.arange(len(rows))).tolist() == expected


@given(FILTERS)
def test_a_filter_survives_its_text(one):
    text = text_of(one)
    assert filter_of(json.loads(text)) == one
    assert text_of(filter_of(json.loads(text))) == text  # fingerprints are of texts


@given(ROWS, st.lists(FILTERS, min_size=1, max_size=4), st.data())
def test_answers_are_held_against_the_filter_of_their_query(rows, filters, data):
    numbers = data.draw(st.lists(st.integers(0, len(filters) - 1), min_size=1, max_size=5))
    queries = FilteredQueries(
        attributes_of(rows), filters, np.zeros(len(numbers), np.int64), np.array(numbers)
    )
    ids = np.tile(np.arange(-1, len(rows)), (len(numbers), 1))
    expected = [[i < 0 or holds(filters[n], rows[i]) for i in ids[0]] for n in numbers]
    assert queries.match(np.arange(len(numbers)), ids).tolist() == expected


@pytest.mark.parametrize(
    "data",
    [
        ["equals", "a"],
        ["range", "a", "x", 1],
        ["range", "a", True, 1],
        ["range", "a", 0, float("nan")],
        ["range", "a", -(10**400), 1],
        reduce(lambda inner, _: ["and", inner], range(900), ["equals", "a", "b"]),
        {},
        ["or"],
    ],
)
def test_what_is_no_filter_is_refused(data):
    with pytest.raises(ValueError, match="no filter"):
        filter_of(data)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (Equals("size", "a"), "is number"),
        (Equals("colour", "a"), "is nothing"),
        (Equals("kind", "z"), "no row can be called 'z'"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused(one, reason):
    with pytest.raises(ValueError, match=reason):
        matching(one, attributes_of([(0, 1.0, set())]))


@pytest.mark.parametrize("one", [Equals("kind", "gone"), Range("kind", 0, 1), Equals("lost", "a")])
def test_a_filter_that_does_not_fit_is_told_without_its_rows(one):
    kinds = {"kind": Category(np.zeros(3, dtype=np.uint8), ("a",))}
    with pytest.raises(ValueError, match=r"can be called|needs a") as told:
        matching(one, kinds)
    with pytest.raises(ValueError, match=r"can be called|needs a") as without:
        matching(one, without_rows(kinds))
    assert str(told.value) == str(without.value)
    assert matching(Equals("kind", "a"), without_rows(kinds)).shape == (0,)
