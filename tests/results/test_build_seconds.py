"""The build time of a point, over its builds."""

from __future__ import annotations

from dataclasses import replace

import pytest

import harness


@pytest.mark.parametrize(("builds", "known"), [(1, False), (2, False), (3, True)])
def test_its_interval_needs_as_many_builds_as_that_of_qps(
    small_store, header, build, builds, known
):
    """Two builds gave whiskers of fifty times the build time."""
    for number in range(builds):
        one = build(number)
        facts = replace(one.facts, build_seconds=1.0 + number)
        small_store.add_build(header(build={"M": 8}), replace(one, facts=facts))
    table = harness.load_results(small_store.root)
    row = table[table["build"].map(lambda parameters: parameters["M"] == 8)].iloc[0]
    bounds = row[["build_seconds_low", "build_seconds_high"]].astype(float)
    assert bounds.notna().all() == known
    assert row["build_seconds"] > 0
