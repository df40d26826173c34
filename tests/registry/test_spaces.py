"""Spaces of `annharness tune`: what entries say, checked when they are loaded."""

import itertools

import pytest

from harness.contracts import UserError
from harness.registry import load_registry
from harness.registry.settings import Facts, can_run, space_of
from harness.registry.spaces import Axis

ENTRY = """\
mine:
  adapter: adapter:Mine
  about: A test.
  metrics: [angular]
  build: {M: [8, 16], kind: [a, b], seed: 0}
  search: {ef: [10, 20], again: 0}
  where: "ef >= k"
  require: {"M % 2 == 0": "M must be even"}
  tune:
    build: {M: {int: [4, 64], log: true}}
    search:
      ef: {int: [10, 1000], log: true, monotone: recall}
      again: {values: [0, 3], monotone: recall}
"""


@pytest.fixture
def mine(tmp_path):
    def write(text=ENTRY):
        path = tmp_path / "algorithms" / "mine"
        path.mkdir(parents=True, exist_ok=True)
        (path / "config.yml").write_text(text)
        (path / "adapter.py").write_text("class Mine: ...\n")
        return load_registry([tmp_path]).algorithm("mine")

    return write


def test_a_parameter_without_an_axis_keeps_the_values_of_the_grid(mine):
    space = space_of(mine())
    assert space.build["M"] == Axis((), 4, 64, is_whole=True, is_log=True)
    assert space.build["kind"].values == ("a", "b")
    assert space.build["seed"].is_fixed
    assert space.search["ef"].is_monotone


def test_what_a_suite_sets_stays_set(mine):
    space = space_of(mine(), build={"M": 16}, search={"ef": [20, 80], "again": [3, 0]})
    assert space.build["M"].values == (16,)
    assert space.search["ef"] == Axis((20, 80), is_monotone=True)
    assert not space.search["again"].is_monotone  # not in ascending order


def test_values_lie_on_the_axis_and_rungs_ascend():
    for axis in (
        Axis((), 4, 64, is_whole=True, is_log=True),
        Axis((), 0.0, 0.5),
        Axis(("a", "b", "c")),
    ):
        for share in (0.0, 0.3, 0.99, 1.0):
            assert axis.share_of(axis.at(share)) == pytest.approx(share, abs=0.5 / 3)
        assert len(axis.rungs()) == len(set(axis.rungs()))
    rungs = Axis((), 10, 2000, is_whole=True, is_log=True).rungs()
    assert (rungs[0], rungs[-1]) == (10, 2000)
    assert all(a < b <= 1 + 1.06 * a for a, b in itertools.pairwise(rungs))


def test_where_and_require_bound_the_space(mine):
    definition, facts = mine(), Facts(k=10, n=100, d=8, metric="angular")
    assert can_run(definition, facts, {"M": 6, "kind": "a"}, {"ef": 10, "again": 0})
    assert not can_run(definition, facts, {"M": 7, "kind": "a"}, {"ef": 10, "again": 0})
    assert not can_run(definition, facts, {"M": 6, "kind": "a"}, {"ef": 9, "again": 0})


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{int: [4, 64], log", "{int: [64, 4], log", "the least number, then a larger one"),
        ("{int: [4, 64], log", f"{{int: [4, 1{'0' * 350}], log", "then a larger one"),
        ("{int: [4, 64]", f"{{int: [{10**18}, {10**18 + 1}]", "as float64 tells them apart"),
        ("{int: [4, 64], log", "{int: [0, 64], log", "log: true for a range above 0"),
        ("M: {int", "N: {int", "tune.build.N"),
        ("log: true}}", "log: true, monotone: recall}}", "`monotone` of search parameters only"),
        ("[0, 3], monotone", "[3, 0], monotone", "ascending numbers"),
        ("again: {values: [0, 3]", "again: {float: [0, 3]", "at most 2,000 settings"),
        ("{int: [4, 64], log: true}", "{int: [4, 64], lag: true}", "did you mean 'log'"),
        ("{int: [4, 64], log: true}", "{itn: [4, 64], log: true}", "did you mean 'int'?"),
    ],
)
def test_a_mistake_names_its_line(mine, old, new, told):
    assert old in ENTRY
    with pytest.raises(UserError) as refused:
        mine(ENTRY.replace(old, new))
    assert told in refused.value.describe()
    assert "config.yml:1" in refused.value.describe()
