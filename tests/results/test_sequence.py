"""The newest result is the one stored last, whatever the clock said."""

from __future__ import annotations

import time

import pytest

import harness
from harness.results.files import add_build
from harness.results.point import Failure
from harness.results.store import ResultStore
from harness.results.table.rows import mark_outdated

NOW = 1_770_000_000
DAY = 86_400


@pytest.fixture
def store(tmp_path, header, truth):
    made = ResultStore(tmp_path / "results")
    made.write_truth(header().identity, truth)
    return made


@pytest.fixture
def clock(monkeypatch):
    """Set the clock to so many seconds, and give the text of `finished_at` that it makes."""

    def set_to(seconds):
        monkeypatch.setattr(time, "time_ns", lambda: int(seconds * 1e9))
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

    return set_to


@pytest.fixture
def measured(store, header, build, clock):
    """Store a build of one version of an adapter at a time, as a run of its own does."""

    def measure(version, at, number=0):
        found = build(number, finished_at=clock(at), suite=version)
        ResultStore(store.root).add_build(header(adapter_sha256=version), found)

    return measure


def fresh(store):
    table = harness.load_results(store.root, stale=False)
    return table["adapter_sha256"].tolist()


@pytest.mark.parametrize("later", [NOW + 1, NOW, NOW - DAY, 0])
def test_the_version_stored_last_is_the_newest(store, measured, later):
    measured("old", NOW)
    measured("new", later)
    assert fresh(store) == ["new"]
    measured("old", later - 5, number=1)  # a further build of it, with an earlier clock still
    assert fresh(store) == ["old"]


def test_a_clock_set_back_does_not_lose_both_versions(store, measured):
    measured("old", NOW)
    measured("new", NOW - DAY)
    table = mark_outdated(harness.load_results(store.root), {"scan": "new"}, {})
    assert dict(zip(table["adapter_sha256"], table["stale"], strict=True)) == {
        "old": True,
        "new": False,
    }


def test_a_clock_that_ran_ahead_for_a_while_makes_nothing_newest_for_ever(store, measured):
    measured("old", NOW + 3650 * DAY)
    measured("new", NOW)
    assert fresh(store) == ["new"]


def test_results_of_earlier_releases_are_ordered_by_their_times(
    store, header, build, measured, clock
):
    for version, at in (("b", NOW), ("a", NOW - DAY)):
        path = store.path_of(header(adapter_sha256=version))
        target = path.with_name(path.name + ".hdf5")
        add_build(target, header(adapter_sha256=version), build(0, finished_at=clock(at)))
    assert fresh(store) == ["b"]
    measured("c", NOW - 2 * DAY)
    assert fresh(store) == ["c"]


def test_a_failure_stored_last_is_the_newest(store, measured, header, clock):
    measured("old", NOW)
    at = {"finished_at": clock(NOW - DAY)}
    store.write_failure(
        Failure(header(adapter_sha256="new"), "crashed", "by a signal", provenance=at)
    )
    assert fresh(store) == ["new"]


def test_the_provenance_of_a_point_is_that_of_the_build_stored_last(store, measured, header, build):
    measured("same", NOW)
    measured("same", NOW - DAY, number=1)
    ((_, row),) = harness.load_results(store.root).iterrows()
    assert row["finished_at"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - DAY))


def test_a_number_that_cannot_be_larger_stays_readable(store, measured, header, build, clock):
    path = store.path_of(header(adapter_sha256="odd"))
    odd = build(0, finished_at=clock(NOW), sequence=1 << 53)
    add_build(path.with_name(path.name + ".hdf5"), header(adapter_sha256="odd"), odd)
    measured("new", NOW)
    assert len(harness.load_results(store.root)) == 2
