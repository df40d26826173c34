"""The grid that `tests/performance/tuning_grid.py` compares a tuned setting with."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

from harness.registry.spaces import Axis
from harness.tuning.trials import Goal


def loaded(name: str):
    file = Path(__file__).parents[1] / "performance" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_of_performance", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


simulated, grids = loaded("tuning"), loaded("tuning_grid")


def test_a_grid_spans_every_axis_in_at_most_so_many_builds():
    axes = {
        "M": Axis(low=4, high=64, is_whole=True, is_log=True),
        "kind": Axis(("a", "b", "c")),
        "seed": Axis((0,)),
    }
    builds = grids.regular_grid(axes, 30)
    assert 20 <= len(builds) <= 30
    assert {build["kind"] for build in builds} == {"a", "b", "c"}
    found = sorted({build["M"] for build in builds})
    steps = [4, *found, 64]  # between the ends; half a step from each
    assert len(found) > 5
    assert all(1.1 < after / before < 1.6 for before, after in pairwise(steps))
    assert grids.regular_grid(axes, 1) == [{"M": 16, "kind": "a", "seed": 0}]
    assert len(grids.regular_grid({"kind": axes["kind"]}, 99)) == 3


def test_the_search_of_a_grid_ends_with_its_last_build(tmp_path):
    goal = Goal(0.95, ("query",), None, 1e8, 0)
    search = simulated.search_of(simulated.Landscape(2), tmp_path, goal, "random")
    [contender] = search.contenders
    grid = grids.regular_grid(dict(contender.space.build), 12)
    given = {one.name: getattr(contender, one.name) for one in fields(contender)}
    whole = grids.GridContender(**{**given, "first": tuple(grid)})
    replace(search, contenders=[whole]).run()
    tried = [trial.build for trial in search.journal.trials if not trial.again]
    assert tried == grid
