"""Processors of a worker, on machines that we have not: their topology is written into a folder."""

from __future__ import annotations

import os

import pytest

from harness.running.machine import cpus
from harness.running.machine.cpus import pin_all_threads, worker_cpus


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Set up a machine from the hardware threads of each core."""

    def build(*cores, allotted=None):
        for text, core in cores:
            for cpu in core:
                topology = tmp_path / f"cpu{cpu}" / "topology"
                topology.mkdir(parents=True)
                (topology / "thread_siblings_list").write_text(text + "\n")
        every = tuple(sorted(cpu for _, core in cores for cpu in core))
        monkeypatch.setattr(cpus, "_CPU", tmp_path)
        monkeypatch.setattr(cpus, "allotted_cpus", lambda: allotted or every)

    return build


def test_whole_cores_come_first_and_the_first_core_is_the_harnesss(machine):
    machine(("0,4", (0, 4)), ("1,5", (1, 5)), ("2,6", (2, 6)), ("3,7", (3, 7)))
    assert worker_cpus(1, 7) == (1,)
    assert worker_cpus(3, 7) == (1, 2, 3)
    assert worker_cpus(5, 7) == (1, 2, 3, 5, 6)
    assert worker_cpus(6, 7) == (1, 2, 3, 5, 6, 7)
    assert worker_cpus(7, 7) == (1, 2, 3, 4, 5, 6, 7)  # the sibling of the harness's own, last
    assert worker_cpus(8, 7) is None


def test_neighbouring_numbers_may_be_one_core(machine):
    machine(("0-1", (0, 1)), ("2-3", (2, 3)), ("4-5", (4, 5)))
    assert worker_cpus(2, 7) == (2, 4)
    assert worker_cpus(4, 7) == (2, 3, 4, 5)


def test_a_container_may_have_halves_of_cores(machine):
    machine(
        ("0,4", (0, 4)), ("1,5", (1, 5)), ("2,6", (2, 6)), ("3,7", (3, 7)), allotted=(2, 4, 5, 7)
    )
    assert worker_cpus(3, 7) == (4, 5, 7)


def test_where_there_are_few_all_of_a_block_share_them_and_the_next_has_others(machine):
    machine(("0", (0,)), ("1", (1,)), ("2", (2,)))
    assert [worker_cpus(1, block) for block in range(4)] == [(0,), (1,), (2,), (0,)]
    assert [worker_cpus(2, block) for block in range(3)] == [(0, 1), (1, 2), (0, 2)]
    assert worker_cpus(3, 0) is None


def test_an_unknown_topology_counts_every_processor_as_a_core(monkeypatch, tmp_path):
    monkeypatch.setattr(cpus, "_CPU", tmp_path)
    monkeypatch.setattr(cpus, "allotted_cpus", lambda: (0, 1, 2, 3))
    assert worker_cpus(2, 7) == (1, 2)


def test_pinning_binds_this_process():
    before = os.sched_getaffinity(0)
    try:
        pin_all_threads([min(before)])
        assert os.sched_getaffinity(0) == {min(before)}
        pin_all_threads(None)
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        pin_all_threads(sorted(before))
    assert os.sched_getaffinity(0) == before
