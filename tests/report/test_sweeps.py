"""What the whole sweep of an algorithm took."""

from __future__ import annotations

import pytest

from harness.report.analysis.points import prepare
from harness.report.analysis.sweeps import sweep_of
from harness.report.site.pages import write_site
from harness.results.table.columns import frame_of


def row_of(row_maker, *, blocks, M=8, search=0, **values):
    facts = {"build_seconds": 5.0, "measured_qps": 100.0, "nq": 200, "builds": len(blocks)}
    return row_maker(
        **{**facts, **values},
        block_ids=blocks,
        build={"M": M},
        search={"rerank": search},
        name=f"M={M} | rerank={search}",
        repeats=3,
    )


def test_points_that_share_a_build_count_it_once(row_maker):
    rows = [
        row_of(row_maker, blocks=("a", "b")),
        row_of(row_maker, blocks=("a", "b"), search=1, measured_qps=50.0),
        row_of(row_maker, blocks=("a", "b"), M=16, build_seconds=11.0),
        row_of(row_maker, blocks=("c",), search=2),  # another run
        row_of(row_maker, blocks=("", ""), search=3),
        row_of(row_maker, blocks=("", ""), search=4),
    ]
    found = sweep_of(prepare(frame_of(rows)))
    assert found.builds == 2 + 2 + 1 + 2
    assert found.build_seconds == pytest.approx(2 * 5 + 2 * 11 + 5 + 2 * 5)
    passes = [(6, 100), (6, 50), (6, 100), (3, 100), (6, 100), (6, 100)]
    assert found.search_seconds == pytest.approx(sum(n * 200 / qps for n, qps in passes))


def test_the_page_of_an_algorithm_tells_it(table, tmp_path):
    write_site(table, tmp_path)
    page = (tmp_path / "algorithm-exact.html").read_text()
    exact = prepare(table).query("algorithm == 'exact'")
    builds = sweep_of(exact).builds
    assert f"{builds} builds took " in page
    assert " in all, the timed searches " in page
