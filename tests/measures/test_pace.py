"""Pace: what the yardstick takes out, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from harness.measures.pace import pace_of_queries, pace_of_walls
from harness.measures.statistics import Difference, steadiest


def test_pace_by_hand():
    seconds = np.array([[1.0, 3.0], [2.0, 6.0], [4.0, 12.0]])
    yardsticks = np.array([0.5, 1.0, 2.0])
    assert pace_of_queries(seconds, yardsticks) == pytest.approx(2 / (2 + 6))
    assert pace_of_walls(np.array([4.0, 8.0, 16.0]), yardsticks, 2) == pytest.approx(2 / 8)


def test_a_machine_twice_as_slow_for_a_while_moves_no_pace():
    generator = np.random.default_rng(0)
    honest = generator.uniform(1e-5, 3e-5, 500)
    state = np.array([1.0, 2.0, 2.0, 1.0, 1.5])
    seconds = honest * state[:, None]
    seconds[1, 3] += 0.1  # the process was interrupted
    calm = pace_of_queries(np.tile(honest, (5, 1)), np.ones(5))
    assert pace_of_queries(seconds, state) == pytest.approx(calm)
    assert pace_of_queries(1.25 * seconds, state) == pytest.approx(0.8 * calm)


def test_the_narrowest_interval_is_taken_and_the_first_without_any():
    nan = float("nan")
    wide, narrow = Difference(1.0, 0.5, 2.0, 0.9), Difference(1.1, 1.0, 1.2, 0.04)
    unknown = Difference(1.0, nan, nan, nan)
    assert steadiest([wide, narrow]) == steadiest([narrow, wide]) == narrow
    assert steadiest([unknown, wide]) == wide
    assert steadiest([unknown, Difference(2.0, nan, nan, nan)]).value == 1.0
