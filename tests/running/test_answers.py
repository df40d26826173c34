"""Answers of adapters: what is one, and what only looks like one."""

from __future__ import annotations

import numpy as np
import pytest

from harness.running.worker.answers import WrongAnswer, ids_of

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
