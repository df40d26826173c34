"""The schedule of a block: every query of every setting is asked as often as it should be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measures.speed import query_order, query_windows
from harness.registry import load_registry
from harness.registry.suites import suite_of
from harness.results.identity import Machine
from harness.running.block_specs import block_spec
from harness.running.blocks import (
    COST_OF_TURN_SECONDS,
    AdapterSpec,
    BlockSpec,
    MemberSpec,
    SettingSpec,
    Target,
    passes_for,
    shuffled,
    takes_part,
    window_for,
    windows_and_passes,
)
from harness.running.datasets import open_in
from harness.running.plan import plan_suite


def test_a_block_is_plain_data():
    setting = SettingSpec("ab12", {"ef": 10}, 10, 5)
    adapter = AdapterSpec("m", "C", ("/a",), {"kind": "vibe"}, "/python")
    member = MemberSpec("one", adapter, {"M": 8}, (setting,), pausable=False)
    target = Target(0.9, begun=((400.0, 0.5),))
    block = BlockSpec(
        "ff00", 2, "/d.hdf5", "abc", "angular", "single", 1, 2, 10.0, 0.5, 60.0, None, (member,),
        target,
    )  # fmt: skip
    assert BlockSpec.from_json(json.loads(json.dumps(block.to_json()))) == block


@given(st.integers(1, 5000), st.floats(1e-6, 1000.0))
def test_windows_hold_every_query_once_and_are_alike_in_size(nq, pass_seconds):
    window = window_for(nq, [pass_seconds], one_by_one=True)
    windows = query_windows(nq, window, 2)
    order = query_order(nq, 2)
    np.testing.assert_array_equal(np.concatenate(windows), order)
    assert 1 <= window <= 300
    assert min(map(len, windows)) > 0


def test_a_slow_setting_makes_windows_short_and_a_batch_stays_whole():
    assert window_for(1000, [0.01, 100.0], one_by_one=True) == 25
    assert window_for(1000, [0.01], one_by_one=True) == 200
    assert window_for(1000, [100.0], one_by_one=False) == 1000


def test_many_queries_do_not_make_more_than_200_windows():
    assert window_for(10_000, [2.0], one_by_one=True) == 50
    assert window_for(100_000, [20.0], one_by_one=True) == 500
    assert window_for(10_000, [2.0, 1000.0], one_by_one=True) == 25


@given(st.integers(1, 60), st.data())
def test_a_setting_makes_its_passes_spread_over_the_cycles(cycles, data):
    passes = data.draw(st.integers(1, cycles))
    taken = [cycle for cycle in range(cycles) if takes_part(cycle, cycles, passes)]
    assert len(taken) == passes
    gaps = np.diff([-1, *taken])
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("repeats", "pass_seconds", "windows", "least_seconds", "search_seconds", "expected"),
    [
        (5, 1.0, 10, 1.0, 60.0, 5),  # as many as asked for
        (5, 0.06, 10, 1.0, 60.0, 10),  # a fast one has turns for a second
        (5, 1e-6, 10, 1.0, 60.0, 20),  # whatever is timed in them
        (5, 0.06, 10, 0.0, 60.0, 5),
        (5, 30.0, 10, 1.0, 60.0, 2),  # no pass begins after search_seconds
        (5, 100.0, 10, 1.0, 60.0, 1),  # one in any case
        (1, 1.0, 10, 1.0, 60.0, 1),
    ],
)
def test_passes_are_those_asked_for_within_the_time(
    repeats, pass_seconds, windows, least_seconds, search_seconds, expected
):
    passes = passes_for(repeats, pass_seconds, windows, least_seconds, search_seconds)
    assert passes == expected


@pytest.mark.parametrize("pass_seconds", [1e-9, 1e-3, 0.1, 30.0])
@pytest.mark.parametrize("least_seconds", [0.0, 1.5, 100.0])
def test_the_turns_of_all_passes_fit_the_time_out(pass_seconds, least_seconds):
    """A setting of a microsecond a query met its time-out by the cost of its turns."""
    nq, timeout = 10_000, 8.0
    window, (passes,) = windows_and_passes(
        nq, [(1000, pass_seconds)], one_by_one=True,
        least_seconds=least_seconds, search_seconds=60.0, timeout=timeout,
    )  # fmt: skip
    seconds = pass_seconds + -(-nq // window) * COST_OF_TURN_SECONDS
    assert passes == 1 or (passes - 1) * seconds <= timeout / 2


@given(st.integers(1, 9), st.floats(1e-5, 1.0), st.floats(1e-5, 1.0))
def test_the_cycles_of_fewer_passes_are_among_those_of_more(repeats, one, other):
    passes = sorted(passes_for(repeats, seconds, 10, 1.5, 60.0) for seconds in (one, other))
    few, many = ({c for c in range(passes[1]) if takes_part(c, passes[1], p)} for p in passes)
    assert few <= many
    cycles = 2 * passes[1]  # of a third setting
    few, many = ({c for c in range(cycles) if takes_part(c, cycles, p)} for p in passes)
    assert few <= many


def test_orders_of_turns_differ_and_leave_nobody_out():
    rng = np.random.default_rng(0)
    orders = [tuple(shuffled(6, rng)) for _ in range(20)]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len(set(orders)) > 10


def test_a_member_is_not_named_after_one_of_its_searches(small_hdf5, session_cache, monkeypatch):
    """An index without varied build parameters was shown as `planted-flat wide=1`."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    registry = load_registry([Path(__file__).parents[1] / "checks" / "plugins"])
    dataset = open_in(registry, str(small_hdf5))
    suite = suite_of([str(small_hdf5)], ["planted-flat"], registry.algorithms)
    plan = plan_suite(suite, registry, {dataset.name: dataset}, Machine("cpu", 2, 2**30))
    spec = block_spec(suite, dataset, 0, [(point, 1) for point in plan.points])
    assert [member.title for member in spec.members] == ["planted-flat", "no-op"]
