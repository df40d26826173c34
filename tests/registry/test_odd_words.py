"""Odd words and numbers get a message that names them, and never a traceback."""

from __future__ import annotations

import pytest

from harness.contracts import UserError
from harness.contracts.paths import user_path
from harness.registry.registry import load_registry
from harness.registry.suites import read_suite

SUITE = "k: {k}\ndatasets: glove-50-10k\nalgorithms: {algorithms}\n{more}"


def read(folder, *, k="5", algorithms="{exact: }", more=""):
    path = folder / "odd.yml"
    path.write_text(SUITE.format(k=k, algorithms=algorithms, more=more))
    return read_suite(str(path), load_registry().algorithms)


@pytest.mark.parametrize(
    ("text", "words"),
    [("~no-such-user/x", "no user"), ("a\0b", "NUL"), ("x" * 300, "too long"),
     ("a/" * 3000, "too long")],
)  # fmt: skip
def test_paths_that_no_file_can_have(text, words):
    with pytest.raises(UserError, match=words):
        user_path(text)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"k": "9" * 5000}, "'k'"),
        ({"k": "0"}, "'k'"),
        ({"k": "[1, 0]"}, "'k.1'"),
        ({"more": f"timeout: {'9' * 400}"}, "'timeout'"),
        ({"more": f"timeout: {'9' * 5000}"}, "'timeout'"),
        ({"more": "timeout: .inf"}, "'timeout'"),
        ({"more": "timeout: .nan"}, "'timeout'"),
        ({"more": "builds: 1000000000"}, "'builds'"),
        ({"more": "repeats: 1000000000"}, "'repeats'"),
        ({"more": "threads: 99999999999"}, "'threads'"),
        ({"more": "precision: 0"}, "'precision'"),
        ({"more": "precision: 200%"}, "'precision'"),
        ({"more": "extra_seconds: -1"}, "'extra_seconds'"),
    ],
)
def test_numbers_out_of_bounds_are_refused_with_key_and_line(tmp_path, values, key):
    with pytest.raises(UserError) as caught:
        read(tmp_path, **values)
    assert caught.value.what == f"wrong value for {key}"
    assert "odd.yml:" in str(caught.value.where)
    assert len(str(caught.value)) < 1000


def test_a_list_of_names_is_a_set_of_algorithms(tmp_path):
    suite = read(tmp_path, algorithms="[exact, pq]")
    assert [variant.algorithm for variant in suite.variants] == ["exact", "pq"]


@pytest.mark.parametrize(
    ("text", "expected"), [("5%", 0.05), ("0.02", 0.02), ("off", None), ("null", None)]
)
def test_precision_may_be_a_share_or_off(tmp_path, text, expected):
    assert read(tmp_path, more=f"precision: {text}").precision == expected
