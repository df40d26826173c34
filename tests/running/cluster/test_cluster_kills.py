"""Runs whose workers, scheduler or own process are killed, on real processes of Dask."""

from __future__ import annotations

import signal

import pytest

from harness.running.processes.descendants import is_alive
from tests.clusters import SLOW_SUITE, table, wait_until

pytestmark = pytest.mark.cluster


def test_killed_workers_cost_nothing_but_time(slow, tmp_path, command, cluster):
    """One dies while it builds, one while it searches; a third continues."""
    slower = SLOW_SUITE.replace("{slow: }", "{slow: {build: {seconds: 4.0}}}")
    (tmp_path / "slow.yml").write_text(slower)
    for name in ("one", "two", "three"):
        cluster.worker(name)
        cluster.wait_for(name)
    process = command.start("run", *slow, "--builds", "1", "--cluster", cluster.address)
    for doing in ("building", "searching"):
        wait_until((tmp_path / doing).exists)
        (busy,) = cluster.busy()
        cluster.kill(busy)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert told.count("is gone") == 2
    assert [row[1:3] for row in table(tmp_path / "results")] == [("ok", 1)] * 2


def test_a_killed_scheduler_ends_the_run_and_the_next_goes_on(slow, tmp_path, command, cluster):
    cluster.worker("one")
    process = command.start("run", *slow, "--cluster", cluster.address)
    wait_until(lambda: bool(list((tmp_path / "results").rglob("*.hdf5"))))
    cluster.kill("scheduler")
    _, told = process.communicate(timeout=90)
    assert process.returncode == 2, told
    assert "the scheduler of the cluster is gone" in told
    assert "Traceback" not in told
    done = command("run", *slow, "--cluster", "local:1")
    assert done.returncode == 0, done.stderr
    assert [row[1:3] for row in table(tmp_path / "results")] == [("ok", 2)] * 2


def test_a_stopped_run_leaves_no_process_on_a_node(slow, tmp_path, command, cluster):
    cluster.worker("one")
    for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        process = command.start("run", *slow, "--cluster", cluster.address)
        wait_until(lambda: cluster.busy() == ["one"])
        processes = cluster.descendants("one")
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == status
        wait_until(lambda found=processes: not any(is_alive(one.pid) for one in found))
    done = command("run", *slow, "--builds", "1", "--cluster", cluster.address)
    assert done.returncode == 0, done.stderr


def test_a_worker_that_dies_takes_its_adapters_with_it(slow, tmp_path, command, cluster):
    cluster.worker("one")
    process = command.start("run", *slow, "--cluster", cluster.address)
    wait_until(lambda: cluster.busy() == ["one"])
    children = cluster.descendants("one")
    cluster.kill("one")
    try:
        wait_until(lambda: not any(is_alive(child.pid) for child in children))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
