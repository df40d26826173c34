"""Points under load: keys of their own, files, and columns of the table."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from harness.contracts.definitions import Load
from harness.measures import load as measures
from harness.measures.load import DROPPED, LATE_START
from harness.results.files import read_point
from harness.results.identity import PointIdentity
from harness.results.point import LoadShare
from harness.results.store import ResultStore
from harness.results.table.rows import load_results

AT_A_RATE = Load(100.0, None, 1000.0)
WITHIN_A_BOUND = Load(None, 5.0, 1000.0)
NQ = 20


def under_load(header, load):
    return header(mode="load", load=load)


def loaded(build, number, *, rates=(100.0, 100.0), seconds=None, outcomes=None):
    """A build whose queries took so many seconds from when they were due."""
    made, passes = build(number), len(rates)
    times = np.full((passes, NQ), 0.002) if seconds is None else np.asarray(seconds)
    share = LoadShare(
        rates=np.asarray(rates, dtype=np.float64),
        arrivals_sha256="ab12",
        service=np.full((passes, NQ), 0.001, dtype=np.float32),
        outcomes=np.zeros((passes, NQ), np.int8) if outcomes is None else outcomes,
    )
    block = replace(made.block, cycles=np.arange(passes, dtype=np.int16))
    return replace(made, times=times, walls=np.full(passes, 0.25), block=block, load=share)


@pytest.fixture
def row(tmp_path, header, build, truth):
    """Give the row of the table of a point with these builds."""

    def read(load, *builds):
        store = ResultStore(tmp_path / "loads")
        for one in builds:
            store.add_build(under_load(header, load), one)
        store.write_truth(under_load(header, load).identity, truth)
        (found,) = load_results(store.root).to_dict("records")
        return found

    return read


def test_keys_differ_by_load_and_those_of_other_points_are_as_before(header):
    loads = [AT_A_RATE, replace(AT_A_RATE, rate=200.0), replace(AT_A_RATE, drop_ms=9.0),
             WITHIN_A_BOUND, replace(WITHIN_A_BOUND, p99_ms=6.0)]  # fmt: skip
    identities = [under_load(header, one).identity for one in loads]
    assert len({one.key for one in identities}) == len(loads)
    assert len({one.build_key for one in identities}) == 1
    assert len({one.question for one in identities}) == len(loads)
    assert [PointIdentity.from_json(one.to_json()) for one in identities] == identities
    assert header().identity.key == "825c9b10f019"
    assert "load" not in header().identity.to_json()


def test_a_file_holds_the_schedule_and_what_became_of_each_query(tmp_path, header, build):
    store, point = ResultStore(tmp_path), under_load(header, AT_A_RATE)
    outcomes = np.zeros((2, NQ), np.int8)
    outcomes[1, 3] = DROPPED
    store.add_build(point, loaded(build, 0, outcomes=outcomes))
    store.add_build(point, loaded(build, 1))
    read = store.find(point).point
    assert read.header == point
    assert read.builds[0].load.arrivals_sha256 == "ab12"
    np.testing.assert_array_equal(read.builds[0].load.outcomes, outcomes)
    np.testing.assert_array_equal(read.builds[1].load.rates, [100.0, 100.0])
    np.testing.assert_array_equal(read.builds[0].load.service, np.float32(0.001) * np.ones((2, NQ)))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rates", np.array([100.0, -1.0])),
        ("rates", np.array([100.0])),
        ("service", np.full((2, NQ), np.nan, np.float32)),
        ("outcomes", np.full((2, NQ), 3, np.int8)),
        ("outcomes", np.zeros((2, NQ))),
        (None, None),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(tmp_path, header, build, name, values):
    store, point = ResultStore(tmp_path), under_load(header, AT_A_RATE)
    store.add_build(point, loaded(build, 0))
    (path,) = (p for p in tmp_path.rglob("*.hdf5") if "neighbors" in h5py.File(p))
    assert read_point(path).header == point
    with h5py.File(path, "r+") as file:
        group = file["annharness/builds/0"]
        if name is None:
            del group["load"]
        else:
            del group["load"][name]
            group["load"][name] = values
    with pytest.warns(UserWarning, match="skipped a broken result"):
        assert load_results(tmp_path).empty


def test_latency_and_rates_at_a_given_rate(row, build):
    outcomes = np.zeros((2, NQ), np.int8)
    outcomes[0, :4] = DROPPED
    seconds = np.full((2, NQ), 0.002)
    seconds[0, :4] = 1.0
    found = row(AT_A_RATE, loaded(build, 0, seconds=seconds, outcomes=outcomes))
    assert (found["mode"], found["offered_qps"], found["drop_ms"]) == ("load", 100.0, 1000.0)
    assert found["achieved_qps"] == pytest.approx(36 / 0.5)
    assert found["dropped_share"] == pytest.approx(0.1)
    assert found["p50_ms"] == pytest.approx(2)
    assert found["p99_ms"] == pytest.approx(1000)
    assert np.isnan(found["qps"])
    assert np.isnan(found["max_rate_qps"])
    assert not found["late_generator"]


def test_a_late_generator_is_marked_and_gives_no_rate(row, build):
    rates = np.repeat([100.0, 200.0] * 8, 2)
    outcomes = np.zeros((len(rates), NQ), np.int8)
    outcomes[:, 0] = LATE_START
    found = row(WITHIN_A_BOUND, loaded(build, 0, rates=rates, outcomes=outcomes))
    assert found["late_start_share"] == pytest.approx(1 / NQ)
    assert found["late_generator"]
    assert np.isnan(found["max_rate_qps"])


@pytest.fixture
def searched(build, monkeypatch):
    """Give a build whose index keeps the bound of 5 ms up to a capacity."""
    monkeypatch.setattr(measures, "LEAST_QUERIES", NQ)

    def of(number, capacity):
        rates, times, trials = [], [], []
        for _ in range(measures.SEARCH_STEPS):
            rates.append(measures.next_rate(trials, 500.0))
            times.append(np.full(NQ, 0.001 if rates[-1] < capacity else 0.1))
            trials, _ = measures.trials_of(rates, times, 0.005)
        return loaded(build, number, rates=rates, seconds=times)

    return of


def test_the_highest_rate_has_an_interval_over_builds(row, searched):
    found = row(WITHIN_A_BOUND, *map(searched, range(3), (290, 300, 310)))
    assert found["p99_bound_ms"] == 5
    assert found["max_rate_qps"] == pytest.approx(300, rel=0.04)
    assert found["max_rate_qps_low"] < found["max_rate_qps"] < found["max_rate_qps_high"]
    assert np.isnan(found["offered_qps"])
    assert np.isnan(found["p99_ms"])
    assert found["warnings"] == ()


def test_the_highest_rate_is_not_known_if_a_build_found_none(row, searched):
    found = row(WITHIN_A_BOUND, *map(searched, range(3), (290, 300, 0)))
    assert found["builds"] == 3
    assert np.isnan([found[f"max_rate_qps{end}"] for end in ("", "_low", "_high")]).all()
    [warning] = found["warnings"]
    assert warning.startswith("1 of 3 builds found no highest rate")
