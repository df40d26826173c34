"""How many passes a point that is not precise enough makes in its next block."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from harness.running import precision
from harness.running.precision import Precision


@pytest.mark.parametrize(("passes", "expected"), [(2, [4, 8, 16, 16]), (20, [40, 80, 160, 160])])
def test_passes_double_from_those_made_where_that_helps(monkeypatch, passes, expected):
    """A fast setting made more passes than the repeats asked for."""
    monkeypatch.setattr(precision, "repeats_would_help", lambda point: True)
    header = SimpleNamespace(identity=SimpleNamespace(key="a"))
    first = SimpleNamespace(times=np.ones((passes, 3)))
    point = SimpleNamespace(header=header, builds=[first])
    wanted = Precision(0.05, repeats=2)
    assert [wanted.next_repeats(point) for _ in expected] == expected


def test_another_build_makes_the_same_passes_where_more_do_not_help(monkeypatch):
    monkeypatch.setattr(precision, "repeats_would_help", lambda point: False)
    header = SimpleNamespace(identity=SimpleNamespace(key="a"))
    point = SimpleNamespace(header=header, builds=[SimpleNamespace(times=np.ones((20, 3)))])
    assert Precision(0.05, repeats=2).next_repeats(point) == 20


@pytest.mark.parametrize(
    ("builds", "width", "reason"),
    [
        (1, np.nan, "1 build, 3 are needed"),
        (2, np.nan, "2 builds, 3 are needed"),
        (3, 0.1, "2 of 5 repeats within search_seconds and half of timeout"),
    ],
)
def test_what_limited_a_point_is_told(monkeypatch, builds, width, reason):
    """Half of `timeout` may cut passes, too, so `search_seconds` alone must not be blamed."""
    monkeypatch.setattr(precision, "half_width", lambda point: width)
    made = SimpleNamespace(times=np.ones((2, 3)), facts=SimpleNamespace(repeats_asked=5))
    point = SimpleNamespace(builds=[made] * builds)
    assert Precision(0.05, repeats=5).imprecise(None, point, "20 builds").reason == reason
