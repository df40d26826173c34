"""The language of `where` and `require`: it computes, and does nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contracts import UserError
from harness.registry.expressions import parse_expression

VALUES = {"M": 25, "d": 50, "k": 10, "rerank": 0, "metric": "angular"}


def holds(text, **values):
    return parse_expression(text, "x.yml:1").holds({**VALUES, **values})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d % M == 0", True),
        ("rerank == 0 or rerank >= k", True),
        ("0 < k <= 10 < d", True),
        ("metric in ['angular', 'euclidean']", True),
        ("not (M * 2 == d)", False),
        ("M // 2 == 12 and M / 2 == 12.5 and -M < 0", True),
        ("2 ** 10 == 1024", True),
        ("rerank is null", False),
        ("true and not false", True),
    ],
)
def test_what_it_computes(text, expected):
    assert holds(text) is expected


@given(st.integers(1, 50), st.integers(1, 50))
def test_it_agrees_with_python(m, d):
    assert holds("d % M == 0 and M <= d", M=m, d=d) == (d % m == 0 and m <= d)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "M.bit_length()",
        "(lambda: 1)()",
        "[x for x in [1]]",
        "M if k else d",
        "f'{M}'",
        "d[0]",
        "M := 3",
        "M @ d",
        "b'x'",
        "M == ",
        "",
        "1" * 501,
        "not " * 60 + "M",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(UserError):
        parse_expression(text, "x.yml:1")


def test_text_does_not_multiply_and_powers_do_not_explode():
    with pytest.raises(UserError, match="is no number"):
        holds("metric * 1000000 == metric")
    with pytest.raises(UserError, match="cannot be computed"):
        holds("9 ** 9 ** 9 > 1")


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(UserError, match="did you mean 'rerank'") as caught:
        parse_expression("reranks > 1", "x.yml:7").require_names(VALUES)
    assert caught.value.where == "x.yml:7"


def test_a_division_by_zero_names_the_values():
    with pytest.raises(UserError, match="rerank=0"):
        holds("k / rerank > 1")
