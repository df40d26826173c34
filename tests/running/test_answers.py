"""Answers of adapters: what is one, and what only looks like one."""

from __future__ import annotations

import numpy as np
import pytest

from harness.contracts import Bitmap
from harness.running.worker.answers import WrongAnswer, checked_tables, ids_of
from harness.running.worker.filtered_search import post_filtering

LARGEST = 2**64 - 1


@pytest.mark.parametrize("dtype", ["uint8", "uint32", "uint64", "int16", "int64", ">i4", "<u2"])
def test_integers_of_any_type_are_ids(dtype):
    rows = np.arange(6, dtype=dtype).reshape(2, 3)
    for answers in (rows, list(rows), rows.tolist()):
        ids = ids_of(answers, 2, 3)
        assert ids.dtype == np.int64
        np.testing.assert_array_equal(ids, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("whole", [True, False], ids=["batch", "single"])
def test_the_largest_unsigned_number_is_no_padding(whole):
    """Cast to a signed type it became -1, which stands for a missing neighbour."""
    rows = np.array([[0, 1], [1, LARGEST]], dtype=np.uint64)
    with pytest.raises(WrongAnswer, match=str(LARGEST)):
        ids_of(rows if whole else list(rows), 2, 2)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_answers_of_several_types_keep_their_padding(order):
    padded, whole = np.array([3, -1]), np.array([1, 2], dtype=np.uint64)
    answers = [padded, whole][order]
    assert ids_of(answers, 2, 2).tolist() == [[3, -1], [1, 2]][order]
    with pytest.raises(WrongAnswer, match="missing neighbours are -1"):
        ids_of([padded, np.array([1, LARGEST], dtype=np.uint64)][order], 2, 2)


EVEN = Bitmap.of(np.arange(10) % 2 == 0)


@pytest.mark.parametrize("answer", [[99, 2], [0.5, 2.0], np.array([LARGEST, 2], dtype=np.uint64)])
def test_what_is_no_row_is_a_wrong_answer_when_the_harness_filters(answer):
    """It was an error by an IndexError that said nothing of the answer."""
    ask = post_filtering(lambda query, k: np.asarray(answer), 1.0)
    with pytest.raises(WrongAnswer, match=f"no rows of the base: .{answer[0]}"):
        ask((np.zeros(3), EVEN), 2)


@pytest.mark.parametrize("factor", [1e308, np.inf])
def test_the_harness_filters_all_rows_if_the_factor_is_beyond_any(factor):
    ask = post_filtering(lambda query, k: np.arange(10)[:k], factor)
    assert ask((np.zeros(3), EVEN), 7).tolist() == [0, 2, 4, 6, 8, -1, -1]


def test_diagnostics_of_long_doubles_are_kept_as_float64():
    """A result file with them could not be read again."""
    flat = checked_tables({"sums": {"error": np.array([0.5], dtype=np.longdouble)}})
    assert flat["sums/error"].dtype == np.float64
