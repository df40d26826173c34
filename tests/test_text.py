"""Text from outside is cleaned and shortened by one function."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.text import clean, is_clean, plain, plain_json, told

HARMFUL = ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\ud800", "\udcff", "\u2028", "\u202e", "\u2066",
           "\ufffe", "\uffff"]  # fmt: skip


@pytest.mark.parametrize("character", HARMFUL, ids=ascii)
def test_characters_that_do_something_are_replaced(character):
    assert clean(f"a{character}b") == "a\N{REPLACEMENT CHARACTER}b"
    assert not is_clean(f"a{character}b")


@given(st.text(st.characters(), max_size=60), st.integers(5, 40))
def test_clean_text_is_short_stays_as_it_is_and_can_be_encoded(text, most):
    once = clean(text, most)
    assert len(once) <= most
    assert clean(once, most) == once
    assert is_clean(text, most) == (once == text)
    once.encode()


def test_plain_data_are_cleaned_at_any_depth():
    data = {"a\x1b": [{"b": "\ud800"}, (1, None, True, 2.5)]}
    assert plain(data) == {"a\ufffd": [{"b": "\ufffd"}, [1, None, True, 2.5]]}
    assert math.isnan(plain([math.nan])[0])
    assert plain("x" * 5000, 10) == "x" * 6 + " ..."


@pytest.mark.parametrize(
    "data",
    [json.loads("[" * 40 + "]" * 40), [0] * 200_000, 10**400, [object()], {"a": {1, 2}}],
    ids=["deep", "many", "large", "an object", "a set"],
)
def test_data_that_are_not_plain_are_refused(data):
    with pytest.raises(ValueError, match=r"levels|number|type"):
        plain(data)


@pytest.mark.parametrize(
    "text",
    ["[" * 10_000_000, "[" + "[],[[]]," * 1_000_000 + "[]]", '[{"a":1}' + ',{"a":1}' * 10**6 + "]"],
    ids=["unbalanced", "many", "objects"],
)
def test_json_of_too_many_values_is_refused_before_it_is_parsed(text, monkeypatch):
    monkeypatch.setattr(json, "loads", None)
    with pytest.raises(ValueError, match="more than 16 levels or 100,000 values"):
        plain_json(text)


def test_json_is_told_as_plain_data_however_many_commas_its_texts_have():
    data = {"a": '[,{"\\' * 50_000, "b": [1, None, {}]}
    assert plain_json(json.dumps(data), 10**6) == data
    for text in ("[1", "[" * 5_000 + "]" * 5_000):
        with pytest.raises(ValueError, match=r"delimiter|16 levels"):
            plain_json(text)


def test_a_text_that_never_ends_is_refused_at_once():
    """It is looked at once, not once more from each of its quotes, which would take hours."""
    with pytest.raises(ValueError, match=r"values|Unterminated"):
        plain_json('"' + '\\",' * 1_000_000, values=1_000)


def test_what_contains_itself_is_refused():
    data: list[object] = []
    data.append(data)
    with pytest.raises(ValueError, match="levels"):
        plain(data)


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("red \x1b[31m"), "RuntimeError: red \ufffd[31m"),
        (RuntimeError("\ud800"), "RuntimeError: \ufffd"),
        (RuntimeError(), "RuntimeError"),
        (Unspeakable(), "Unspeakable: it cannot say what is wrong"),
        (type("\x1b[1m", (Exception,), {})("x"), "\ufffd[1m: x"),
    ],
    ids=["escape", "surrogate", "silent", "unspeakable", "odd name"],
)
def test_exceptions_are_told_whatever_they_say(error, words):
    assert told(error) == words


def test_an_exception_of_50_mb_is_told_in_short():
    assert len(told(RuntimeError("x" * 50_000_000))) <= 2000


def test_every_part_of_a_user_error_is_clean_and_short():
    odd = "\x1b[31m" + "x" * 100_000
    text = UserError(odd, where=odd, expected=odd, got=odd, hint=odd).describe()
    assert "\x1b" not in text
    assert len(text) < 10_000
