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
