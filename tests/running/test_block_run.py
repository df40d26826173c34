"""Blocks as they are measured: who shares one, who does not, and what comes back."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from harness.contracts.definitions import Load
from harness.measures import load
from harness.running import blocks
from harness.running.blocks import AdapterSpec, BlockSpec, MemberSpec, SettingSpec
from harness.running.cluster.outcomes import decoded, encoded
from harness.running.datasets import open_named
from harness.running.executors import building
from harness.running.executors.local import LocalExecutor

ADAPTER = '''\
import os, time

import numpy as np

from harness.contracts import Algorithm


class Scan(Algorithm):
    """Exact search that may take memory, or time for each query."""

    def __init__(self, metric, mebibytes=0, sleep=0.0, growth=0):
        super().__init__(metric)
        self.mebibytes, self.sleep, self.growth, self.hoard = mebibytes, sleep, growth, []

    def fit(self, base):
        if self.mebibytes < 0:
            raise RuntimeError("as told")
        self.base = base
        self.ballast = np.frombuffer(os.urandom(1 << 20) * self.mebibytes, dtype=np.uint8).copy()

    def set_search(self, shift=0):
        self.shift = shift

    def query(self, query, k):
        if self.growth and len(self.hoard) < 26:
            self.hoard.append(os.urandom(self.growth << 20))
        if self.sleep:
            time.sleep(self.sleep)
        return np.argsort(-(self.base @ query))[:k]

    def index_bytes(self):
        return self.base.nbytes + self.shift
'''
HASHING = """\
        self.base = base
        import hashlib, threading
        data = bytes(16 << 20)
        for _ in range(2):
            endless = iter(lambda: hashlib.sha256(data).digest(), b"")
            threading.Thread(target=lambda e=endless: [None for _ in e], daemon=True).start()
"""
NUMBERS = itertools.count()


@pytest.fixture
def measure(tmp_path, small_hdf5, monkeypatch, session_cache):
    """Measure a block of members, given as title to build parameters and more."""
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    root = tmp_path / "algorithms"
    (root / "scan").mkdir(parents=True)
    (root / "scan" / "adapter.py").write_text(ADAPTER)
    dataset = open_named(str(small_hdf5), None)

    def run(members, settings=("a",), loads=(), on_phase=lambda *told: None, **more):
        specs = tuple(
            MemberSpec(
                title,
                AdapterSpec("harness.algorithms.scan.adapter", "Scan", (str(tmp_path),)),
                build,
                tuple(
                    SettingSpec(f"{title}-{s}{ending}", {"shift": i}, 5, 2, load=load)
                    for i, s in enumerate(settings)
                    for ending, load in (
                        [(f"-{n}", one) for n, one in enumerate(loads)] or [("", None)]
                    )
                ),
                pausable=not title.startswith("server"),
            )
            for title, build in members.items()
        )
        facts = {
            "id": f"{next(NUMBERS):x}", "number": 0, "dataset": str(dataset.path),
            "fingerprint": dataset.fingerprint, "metric": "angular", "mode": "single",
            "threads": 1, "build_threads": 1, "search_seconds": 60.0, "least_seconds": 0.0,
            "timeout": 60.0, "memory_bytes": None, "members": specs,
        }  # fmt: skip
        block = BlockSpec(**{**facts, **more})
        executor = LocalExecutor(session_cache, examine=lambda: {"grade": "A"})
        return list(executor.run_block(block, on_phase))

    return run


def test_members_share_a_block_and_its_reference(measure):
    [outcome] = measure({"one": {}, "two": {}}, settings=("a", "b"))
    assert sorted(outcome.finished) == ["one-a", "one-b", "two-a", "two-b"]
    assert outcome.failed == {}
    for measured in outcome.finished.values():
        passes, nq = measured.times.shape
        assert nq == 20
        assert passes >= 2
        assert (measured.times > 0).all()
        assert measured.cycles.tolist() == list(range(passes))
        assert measured.neighbors.shape == (1, 20, 5)
        np.testing.assert_allclose(measured.walls >= measured.times.sum(axis=1), True)
    assert outcome.finished["two-b"].facts.index_bytes == 300 * 8 * 4 + 1
    assert len(outcome.reference_times) == len(outcome.finished["one-a"].times)
    assert (outcome.reference_times > 0).all()
    assert outcome.provenance["conditions"] == {"grade": "A"}
    assert outcome.provenance["machine"]["cores"] >= 1


@pytest.mark.parametrize(("mode", "threads"), [("batch", 2), ("single", 2)])
def test_batches_and_clients_take_all_queries_in_one_turn(measure, mode, threads):
    [outcome] = measure({"one": {}, "two": {}}, mode=mode, threads=threads)
    assert outcome.window == 20
    assert sorted(outcome.finished) == ["one-a", "two-a"]


def test_a_batch_is_warmed_up_by_a_tenth_of_the_queries(measure, tmp_path):
    """A pass over all of them would double the time of a slow scan."""
    told = """\
    sizes = ()

    def query_batch(self, queries, k):
        self.sizes = (*self.sizes, len(queries))
        return np.stack([self.query(query, k) for query in queries])

    def diagnostics(self):
        return {"batches": {"queries": np.array(self.sizes)}}

    def index_bytes"""
    adapter = tmp_path / "algorithms" / "scan" / "adapter.py"
    adapter.write_text(ADAPTER.replace("    def index_bytes", told))
    [outcome] = measure({"one": {}}, mode="batch")
    [measured] = outcome.finished.values()
    first, *others = [n for n in measured.diagnostics["batches"]["queries"].tolist() if n > 1]
    assert first == 2
    assert set(others) == {20}


@pytest.mark.slow
def test_members_that_do_not_fit_together_are_measured_in_parts(measure):
    limit = 500 << 20
    parts = measure({f"m{i}": {"mebibytes": 200} for i in range(3)}, memory_bytes=limit)
    assert len(parts) > 1
    assert sorted(key for part in parts for key in part.finished) == ["m0-a", "m1-a", "m2-a"]
    assert len({part.id for part in parts}) == len(parts)
    assert all(len(part.reference_times) for part in parts)
    assert all(part.failed == {} for part in parts)


def test_processes_that_the_caller_starts_meanwhile_are_left_alone(measure):
    started = []

    def start(title, phase, key):
        if len(started) < 2:
            sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
            started.append(subprocess.Popen(sleep, start_new_session=bool(started)))

    try:
        [outcome] = measure({"one": {}}, on_phase=start)
        assert outcome.finished
        assert [process.poll() for process in started] == [None, None]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_one_that_fits_not_even_alone_fails_and_the_others_do_not(measure):
    parts = measure({"small": {}, "large": {"mebibytes": 700}}, memory_bytes=400 << 20)
    failed = {key: failure for part in parts for key, failure in part.failed.items()}
    assert {key: failure.status for key, failure in failed.items()} == {"large-a": "out_of_memory"}
    assert "more than the limit of 400 MiB" in failed["large-a"].reason
    assert [key for part in parts for key in part.finished] == ["small-a"]


def test_one_that_cannot_be_paused_is_measured_with_the_reference_alone(measure):
    parts = measure({"server": {}, "one": {}, "two": {}})
    together = [sorted(part.finished) for part in parts]
    assert ["server-a"] in together
    assert sorted(itertools.chain.from_iterable(together)) == ["one-a", "server-a", "two-a"]
    assert all(len(part.reference_times) for part in parts)


@pytest.mark.slow
def test_a_very_long_build_gets_a_part_of_its_own(measure, monkeypatch):
    monkeypatch.setattr(building, "_LONG_BUILD_SECONDS", 0.0)
    parts = measure({"one": {}, "two": {}, "three": {}})
    assert [len(part.finished) for part in parts] == [1, 1, 1]


@pytest.mark.slow
def test_one_that_outgrows_its_company_while_it_is_searched_is_measured_alone(measure):
    """It fits beside the others when it is built, and not when it has answered a few queries."""
    members = {"large": {"mebibytes": 150}, "other": {"mebibytes": 150}, "growing": {"growth": 15}}
    parts = measure(members, memory_bytes=560 << 20)
    assert sorted(key for part in parts for key in part.finished) == [
        "growing-a", "large-a", "other-a",
    ]  # fmt: skip
    assert ["growing-a"] in [sorted(part.finished) for part in parts]


@pytest.mark.slow
def test_members_that_failed_are_not_built_again_for_a_long_build(measure, monkeypatch):
    monkeypatch.setattr(building, "_LONG_BUILD_SECONDS", 0.0)
    parts = measure({"failing": {"mebibytes": -1}, "one": {}, "two": {}})
    failed = [key for part in parts for key in part.failed]
    assert failed == ["failing-a"]
    assert sorted(key for part in parts for key in part.finished) == ["one-a", "two-a"]


ODD_TEXTS = """\
        self.base = base
        import sys, types
        module = types.ModuleType("\\x1b[31mlibrary")
        module.__version__ = "\\ud800" + "v" * 50_000_000
        sys.modules[module.__name__] = module
        class Unspeakable(Exception):
            def __str__(self):
                raise ValueError
        if self.mebibytes == -2:
            raise RuntimeError("\\x1b[31m\\ud800" * 5_000_000)
        if self.mebibytes == -3:
            raise Unspeakable
"""


def test_texts_of_adapters_are_short_and_clean(measure, tmp_path):
    text = ADAPTER.replace("        self.base = base\n", ODD_TEXTS)
    text = text.replace("self.mebibytes < 0", "self.mebibytes == -1")
    (tmp_path / "algorithms" / "scan" / "adapter.py").write_text(text)
    [outcome] = measure({"fine": {}, "long": {"mebibytes": -2}, "mute": {"mebibytes": -3}})
    long, mute = outcome.failed["long-a"], outcome.failed["mute-a"]
    assert long.reason.startswith("RuntimeError: \ufffd[31m\ufffd")
    assert len(long.reason) <= 2000
    assert mute.reason == "Unspeakable: it cannot say what is wrong"
    assert {long.status, mute.status} == {"error"}
    versions = outcome.finished["fine-a"].facts.libraries["versions"]
    [version] = [version for name, version in versions.items() if "library" in name]
    assert "\ufffd[31mlibrary" in versions
    assert version == "\ufffd" + "v" * 95 + " ..."


COUNTING = """\
    def distance_computations(self, queries, k):
        if not self.mebibytes:
            assert queries.shape == (20, 8) and k == 5 and not queries.flags.writeable
        if self.mebibytes == 3:
            time.sleep(60)
        possible = len(queries) * len(self.base)
        return (possible, -1, 101 * possible, None, 2.5, True, None)[self.mebibytes]

    def index_bytes"""


def test_distance_computations_are_kept_for_one_query_and_impossible_ones_fail(measure, tmp_path):
    text = ADAPTER.replace("    def index_bytes", COUNTING)
    (tmp_path / "algorithms" / "scan" / "adapter.py").write_text(text)
    [outcome] = measure({str(n): {"mebibytes": n} for n in (0, 1, 2, 4, 5, 6)}, threads=2)
    compared = {key: one.facts.distance_computations for key, one in outcome.finished.items()}
    assert compared == {"0-a": 300.0, "6-a": None}
    reasons = {key: failure.reason for key, failure in outcome.failed.items()}
    assert reasons["1-a"].startswith("distance_computations() is -1, 0 to 600,000 can be")
    assert "is 606000, 0 to 600,000" in reasons["2-a"]
    assert "is 2.5, a whole number or None" in reasons["4-a"]
    assert "is True, a whole number or None" in reasons["5-a"]


@pytest.mark.slow
def test_a_count_that_hangs_is_ended_by_the_time_limit(measure, tmp_path):
    text = ADAPTER.replace("    def index_bytes", COUNTING)
    (tmp_path / "algorithms" / "scan" / "adapter.py").write_text(text)
    [outcome] = measure({"3": {"mebibytes": 3}, "0": {}}, timeout=5.0)
    assert list(outcome.finished) == ["0-a"]
    assert outcome.failed["3-a"].status == "timeout"


def test_few_queries_of_a_slow_setting_are_counted(measure, tmp_path, monkeypatch):
    """A second pass of a slow setting could reach its time limit."""
    from harness.running.executors import setting

    monkeypatch.setattr(setting, "_COUNTING_SECONDS", 0.1)
    told = """\
    def distance_computations(self, queries, k):
        return len(queries) ** 2

    def index_bytes"""
    adapter = tmp_path / "algorithms" / "scan" / "adapter.py"
    adapter.write_text(ADAPTER.replace("    def index_bytes", told))
    [outcome] = measure({"slow": {"sleep": 0.02}, "fast": {}})
    assert outcome.finished["slow-a"].facts.distance_computations <= 4
    assert outcome.finished["fast-a"].facts.distance_computations == 20


ODD_TABLES = """\
    def diagnostics(self):
        return {
            0: {},
            1: {"\\x1b[31m": {"loss": [1.0]}},
            2: {"a": {"loss" * 100: [1.0]}},
            3: {f"t{i}": {"loss": [1.0]} for i in range(2000)},
        }[self.mebibytes]

    def index_bytes"""


def test_odd_names_and_too_many_diagnostics_are_named_in_the_reason(measure, tmp_path):
    text = ADAPTER.replace("    def index_bytes", ODD_TABLES)
    (tmp_path / "algorithms" / "scan" / "adapter.py").write_text(text)
    [outcome] = measure({str(n): {"mebibytes": n} for n in range(4)})
    assert list(outcome.finished) == ["0-a"]
    reasons = {key: failure.reason for key, failure in outcome.failed.items()}
    assert (
        reasons["1-a"] == "ValueError: diagnostics: '\\x1b[31m' is no name for a table or a column"
    )
    assert "is no name for a table" in reasons["2-a"]
    assert "2,000 columns, at most 1,000" in reasons["3-a"]


def test_a_slow_setting_catches_up_with_what_its_turn_left(measure, monkeypatch):
    from harness.running.executors import rounds

    monkeypatch.setattr(rounds, "_SLOW_TURN", 0.05)
    [outcome] = measure({"slow": {"sleep": 0.02}, "fast": {}})
    slow = outcome.finished["slow-a"]
    assert np.isfinite(slow.times).all()
    assert (slow.times >= 0.02).all()
    assert (slow.neighbors >= 0).all()
    np.testing.assert_array_equal(slow.neighbors, outcome.finished["fast-a"].neighbors)
    assert len(outcome.reference_times) == len(outcome.finished["fast-a"].times)


@pytest.mark.slow
def test_more_processors_than_allotted_are_told(measure, tmp_path):
    """Two threads that hash outside the interpreter's lock, in a block that allots one."""
    text = ADAPTER.replace("        self.base = base\n", HASHING)
    (tmp_path / "algorithms" / "scan" / "adapter.py").write_text(text)
    [outcome] = measure({"one": {"sleep": 0.02}, "two": {"sleep": 0.02}})
    facts = outcome.finished["one-a"].facts
    # On a busy machine they do not get what they ask for; then there is nothing to tell.
    told = any("processors while it was searched, 1 were allotted" in w for w in facts.warnings)
    assert told == (facts.processors_used > 1.5)
    assert facts.processors_used > 0.1


def test_search_seconds_leave_a_slow_setting_fewer_passes_spread_over_the_block(measure):
    [outcome] = measure(
        {"slow": {"sleep": 0.01}, "fast": {}}, search_seconds=0.3, least_seconds=0.1
    )
    slow, fast = (outcome.finished[key] for key in ("slow-a", "fast-a"))
    assert len(slow.times) < len(fast.times)
    assert slow.facts.repeats_asked == 2
    assert slow.cycles[-1] == fast.cycles[-1]


@pytest.fixture
def loaded(measure, monkeypatch):
    """Measure two members at 10,000 queries a second, and within a bound of p99."""
    for module in (blocks, load):
        monkeypatch.setattr(module, "LEAST_QUERIES", 40)

    def run(**more):
        loads = Load(1e4, None, 1e3), Load(None, 500.0, 1e3)
        [outcome] = measure({"one": {}, "two": {}}, ("a",), loads, mode="load", **more)
        assert outcome.failed == {}
        return outcome

    return run


def test_under_load_all_members_get_the_same_schedule(loaded):
    outcome = loaded()
    one, two = (outcome.finished[key] for key in ("one-a-0", "two-a-0"))
    assert one.load.arrivals_sha256 == two.load.arrivals_sha256
    count = load.WARM_UP_QUERIES + 20
    assert one.load.arrivals_sha256 == load.arrivals_sha256(count, outcome.order_seed, one.cycles)
    assert one.load.rates.tolist() == [1e4, 1e4]
    assert one.load.outcomes.shape == one.load.service.shape == one.times.shape == (2, 20)
    assert (one.times >= one.load.service - 1e-9).all()
    assert outcome.window == 20
    searched = outcome.finished["one-a-1"]
    assert len(searched.load.rates) == 2 * load.SEARCH_STEPS
    assert searched.load.rates[0] == searched.load.rates[1] < searched.load.rates[2]
    back = decoded(encoded(outcome)).finished["two-a-1"].load
    np.testing.assert_array_equal(back.rates, outcome.finished["two-a-1"].load.rates)
    np.testing.assert_array_equal(back.outcomes, outcome.finished["two-a-1"].load.outcomes)
    assert back.arrivals_sha256 == outcome.finished["two-a-1"].load.arrivals_sha256


def test_a_search_that_lacks_time_says_so(loaded):
    outcome = loaded(search_seconds=0.001)
    [warning] = outcome.finished["one-a-1"].facts.warnings
    assert warning.startswith("the search for the highest rate tried 0 of 16 rates")
    assert len(outcome.finished["one-a-0"].times) == 1
