"""The Pareto frontier against its definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.measures.frontier import pareto_frontier

figures = st.one_of(st.integers(0, 5).map(float), st.just(float("nan")))


def beaten(point, others, signs):
    ours = np.array(point) * signs
    theirs = np.array(others) * signs
    return ((theirs >= ours).all(axis=1) & (theirs > ours).any(axis=1)).any()


@given(st.lists(st.tuples(figures, figures), max_size=30), st.booleans(), st.booleans())
def test_holds_exactly_the_unbeaten_points(points, more_x, more_y):
    signs = np.array([1 if more_x else -1, 1 if more_y else -1])
    known = [point for point in points if not np.isnan(point).any()]
    expected = {point for point in known if not beaten(point, known, signs)}
    x, y = (np.array([point[i] for point in points], dtype=float) for i in (0, 1))
    indices = pareto_frontier(x, y, more_x_is_better=more_x, more_y_is_better=more_y)
    found = [points[i] for i in indices]
    assert set(found) == expected
    assert len(found) == len(expected)
    assert found == sorted(found)


def test_of_equal_points_the_first_stands():
    np.testing.assert_array_equal(pareto_frontier([1, 1, 0], [1, 1, 2]), [2, 0])
