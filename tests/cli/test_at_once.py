"""Two verbs at the same time in one folder: both end well, or one says why not."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import harness
from tests.forked import Forks

SUITE = """\
k: 5
datasets: small.hdf5
algorithms: exact
builds: 1
repeats: 1
least_seconds: 0
build_threads: 1
precision: off
"""
PAIRS = [
    ("run mine.yml", "run mine.yml", [0, 0]),
    ("data fetch small.hdf5 --k 7", "data fetch small.hdf5 --k 7", [0, 0]),
    ("publish site", "publish site", [0, 0]),
    ("plot --figure qps-recall", "plot --figure qps-recall", [0, 0]),
    ("export -o x.csv", "export -o x.csv", [0, 0]),
    ("data convert rows.npy x.fvecs", "data convert rows.npy x.fvecs", [0, 0]),
    ("new mine --out plugins", "new mine --out plugins", [0, 2]),
    ("data add mine rows.npy --metric l2 --holdout 9",) * 2 + ([0, 2],),
    ("run mine.yml --force", "export -o x.csv", [0, 0]),
]


@pytest.fixture
def here(tmp_path, small_hdf5):
    (tmp_path / "mine.yml").write_text(SUITE)
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).standard_normal((50, 8), dtype="f4"))
    return tmp_path


@pytest.mark.slow
def test_two_verbs_at_once(here, command, forks):
    with Forks() as others, ThreadPoolExecutor(2) as threads:
        for one, other, codes in PAIRS:
            verbs = (forks, *one.split()), (others, *other.split())
            both = [*threads.map(lambda verb: command.forked_from(*verb), verbs)]
            told = [done.stderr for done in both]
            assert not any("Traceback" in errors for errors in told), (one, told)
            found = sorted(done.returncode for done in both)
            # Of two that make a thing, the second may come when the first has made it.
            assert found in (codes, [0, 0]), (one, told)
    assert len(harness.load_results(here / "results")) == 1
    assert list(here.rglob("*.part")) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_leaves_nothing_that_the_next_run_does_not_remove(here, command, number):
    process = command.start("run", "mine.yml")
    time.sleep(2)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert command("run", "mine.yml").returncode == 0
    assert len(harness.load_results(here / "results")) == 1
    assert list(here.rglob("*.part")) == []
