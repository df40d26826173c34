"""What the doctor finds on machines that are told by a folder like /sys."""

from __future__ import annotations

import pytest

from harness.running.machine import cpus, doctor
from harness.running.machine import facts as machine


@pytest.fixture
def system(tmp_path, monkeypatch):
    """A machine of two processors; `system(file=text)` writes its files."""
    monkeypatch.setattr(machine, "_CPU", tmp_path / "cpu")
    monkeypatch.setattr(cpus, "_CPU", tmp_path / "cpu")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "_OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(machine, "allotted_cpus", lambda: (0, 1))
    machine.machine_provenance.cache_clear()

    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    yield write
    machine.machine_provenance.cache_clear()


def findings():
    return {finding.topic: finding for finding in doctor.diagnose().findings}


def test_every_processor_of_ours_must_have_the_governor(system):
    system("cpu/cpu0/cpufreq/scaling_governor", "performance")
    system("cpu/cpu1/cpufreq/scaling_governor", "powersave")
    found = findings()["governor"]
    assert (found.level, found.found) == ("warning", "performance, powersave")


@pytest.mark.parametrize(
    ("path", "text", "told"),
    [
        ("cpu/cpufreq/boost", "1", True),
        ("cpu/cpufreq/boost", "0", False),
        ("cpu/intel_pstate/no_turbo", "0", True),
        ("cpu/intel_pstate/no_turbo", "1", False),
    ],
)
def test_a_clock_that_may_rise_is_told(system, path, text, told):
    system(path, text)
    assert ("boost" in findings()) == told


def test_what_held_us_back_long_ago_is_a_note(system):
    system("cgroup/cpu.stat", "usage_usec 5\nnr_throttled 12")
    system("cpu/cpu1/thermal_throttle/core_throttle_count", "0")
    found = findings()
    assert found["quota"].level == "note"
    assert "12 times" in found["quota"].found
    assert found["heat"].level == "good"


def test_what_holds_us_back_now_is_a_warning(system, monkeypatch):
    system("cpu/cpu1/thermal_throttle/package_throttle_count", "3")
    noise = doctor._noise

    def hot():
        system("cpu/cpu1/thermal_throttle/package_throttle_count", "5")
        return noise()

    monkeypatch.setattr(doctor, "_noise", hot)
    found = findings()["heat"]
    assert found.level == "warning"
    assert "2 times while we looked" in found.found


@pytest.mark.parametrize("group", ["/", "/jobs/job_1"])
def test_free_memory_is_that_of_the_container_or_job(system, group):
    """Members were built beside each other until the kernel killed one of them."""
    whole = machine.free_memory_bytes()
    system("own", f"4:memory:/x\n0::{group if group == '/' else group + '/step_0'}")
    system(f"cgroup{group}/memory.max", str(300 << 20))
    system(f"cgroup{group}/memory.current", str(200 << 20))
    files = f"active_file {30 << 20}\ninactive_file {20 << 20}"
    system(f"cgroup{group}/memory.stat", f"anon 5\n{files}\nsock 0")
    assert machine.free_memory_bytes() == 150 << 20 < whole
    assert machine.usable_memory_bytes() == int(0.8 * (150 << 20))
    assert findings()["memory"].level == "warning"
    system(f"cgroup{group}/memory.max", "max")
    assert machine.free_memory_bytes() > 150 << 20


def test_a_busy_machine_is_seen_where_processors_have_other_numbers(monkeypatch):
    """`/proc/stat` of a container counts from 0: a machine at full load was graded as idle."""
    monkeypatch.setattr(doctor, "allotted_cpus", lambda: (12, 13))
    monkeypatch.setattr(doctor.psutil, "cpu_percent", lambda **how: [100.0, 90.0])
    assert findings()["load"].level == "unfit"


@pytest.mark.parametrize(
    ("siblings", "level", "told"),
    [
        (None, "note", "cannot be read"),  # was called one hardware thread
        ("0", "good", "one hardware thread"),
        ("0-3", "note", "4 hardware threads"),  # were called two
        ("0,16", "note", "2 hardware threads"),
    ],
)
def test_hardware_threads_are_counted_or_unknown(system, siblings, level, told):
    if siblings is not None:
        system("cpu/cpu0/topology/thread_siblings_list", siblings)
    found = findings()["SMT"]
    assert found.level == level
    assert told in found.found
