"""YAML of people: numbers as in YAML 1.2, lines in errors, nothing constructed by tags."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import UserError
from harness.registry.yaml_source import parse_yaml, plain_scalar

HERE = Path("entry.yml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-2", -2),
        ("010", 10),
        ("0x1f", 31),
        ("0o17", 15),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2026-11-22", "2026-11-22"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("1_000", "1_000"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = plain_scalar(text)
    assert found == value
    assert type(found) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives(number):
    assert plain_scalar(repr(number)) == number


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_read_or_refused_with_a_user_error(text):
    with contextlib.suppress(UserError):
        parse_yaml(text, HERE)


def test_a_duplicate_key_names_both_lines():
    with pytest.raises(UserError, match="duplicate key 'a', first on line 1") as caught:
        parse_yaml("a: 1\nb: 2\na: 3\n", HERE)
    assert caught.value.where == "entry.yml:3"


@pytest.mark.parametrize(
    "text", ["a: !!python/object/apply:os.system [ls]", "a: !x 1", "a: !!set {b}", "!!map/x {}"]
)
def test_tags_are_refused(text):
    with pytest.raises(UserError, match="tag"):
        parse_yaml(text, HERE)


def test_aliases_cannot_explode_nor_turn_in_circles():
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join(10 * [f'*a{i - 1}'])}]" for i in range(1, 10)]
    with pytest.raises(UserError, match="too many values"):
        parse_yaml("\n".join(rows), HERE)
    with pytest.raises(UserError, match="contains itself"):
        parse_yaml("a: &a [*a]", HERE)


@pytest.mark.parametrize("deep", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000])
def test_deep_nesting_is_refused_before_anything_recurses(deep):
    with pytest.raises(UserError, match="nested too deeply"):
        parse_yaml("a: 1\nb:\n  " + deep, HERE)


def test_aliases_cannot_nest_deeper_than_brackets():
    rows = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 2000))]
    with pytest.raises(UserError, match="nested too deeply"):
        parse_yaml("\n".join(rows), HERE)


def test_the_line_of_every_key_is_known():
    document = parse_yaml("a:\n  b:\n    - 1\n    - 2\n", HERE)
    assert document.place(("a", "b", 1)) == "entry.yml:4"
    assert document.place(("a", "b", 1, "not there")) == "entry.yml:4"
