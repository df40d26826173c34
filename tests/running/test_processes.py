"""Descendants are found by either way of looking, and a started tree is ended to the last."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.running.processes import descendants as family
from harness.running.processes.descendants import descendants_of, is_alive
from harness.running.processes.tree import ProcessTree, end_strays

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def parent_and_child():
    process = subprocess.Popen([sys.executable, "-S", "-c", PARENT], stdout=subprocess.PIPE)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    yield process.pid, child
    os.kill(child, 9)
    process.kill()
    process.communicate()


def test_children_and_grandchildren_are_found(parent_and_child):
    parent, child = parent_and_child
    assert {parent, child} <= {*descendants_of(os.getpid())}
    assert descendants_of(parent) == [child]
    assert descendants_of(child) == []
    assert is_alive(child)


def test_the_kernels_list_of_children_gives_the_same(parent_and_child, monkeypatch, tmp_path):
    parent, child = parent_and_child
    for pid, children in ((parent, f"{child} "), (child, "")):
        task = tmp_path / str(pid) / "task" / str(pid)
        task.mkdir(parents=True)
        (task / "children").write_text(children)
    monkeypatch.setattr(family, "_PROC", str(tmp_path))
    monkeypatch.setattr(family, "_kernel_lists_children", lambda: True)
    assert descendants_of(parent) == [child]
    assert descendants_of(2**22 + 1) == []


def test_a_zombie_and_nobody_are_not_alive():
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    deadline = time.monotonic() + 20
    while is_alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(process.pid)
    process.wait()
    assert not is_alive(process.pid)


def test_what_was_started_before_is_not_touched(parent_and_child, tmp_path):
    parent, child = parent_and_child
    tree = ProcessTree([sys.executable, "-S", "-c", PARENT], tmp_path, os.environ)
    assert tree.process.stdout is not None
    grandchild = int(tree.process.stdout.readline())
    assert grandchild in tree.pids() or grandchild in descendants_of(tree.process.pid)
    assert tree.end() == 1
    assert not is_alive(grandchild)
    assert tree.exit_code is not None
    assert is_alive(parent)
    assert is_alive(child)
    tree.process.stdout.close()


WATCHER = """
import os, sys, time
from pathlib import Path
from harness.running.processes.tree import ProcessTree
tree = ProcessTree([sys.executable, "-S", "-c", sys.argv[1]], Path.cwd(), os.environ)
sys.stdout.write(tree.process.stdout.readline().decode())
sys.stdout.flush()
time.sleep(60)
"""
HIDING = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        for name in list(os.environ):
            os.unsetenv(name)
        time.sleep(60)
    os._exit(0)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no reaper of orphans")
def test_a_daemonised_grandchild_ends_though_its_watcher_was_killed(tmp_path):
    command = [sys.executable, "-c", WATCHER, HIDING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) as watcher:
        assert watcher.stdout is not None
        daemon = int(watcher.stdout.readline())
        tree = descendants_of(watcher.pid)
        assert daemon in tree
        watcher.kill()
        watcher.wait()
        deadline = time.monotonic() + 20
        while any(map(is_alive, tree)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(map(is_alive, tree))


STRAY = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    told = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    os.execve(sys.executable, [sys.executable, "-S", "-c", told], {})
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no reaper of orphans")
def test_only_what_has_lost_its_supervisor_is_a_stray(parent_and_child, tmp_path):
    parent, child = parent_and_child
    lost, kept = (
        ProcessTree([sys.executable, "-S", "-c", program], tmp_path, os.environ)
        for program in (STRAY, PARENT)
    )
    daemon, other = (int(tree.process.stdout.readline()) for tree in (lost, kept))
    members = lost.members()
    assert daemon in members
    lost.process.kill()
    lost.process.wait()
    lost.end()
    end_strays()
    deadline = time.monotonic() + 20
    while any(map(is_alive, members)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_alive, members))
    assert all(map(is_alive, (parent, child, other)))
    kept.end()
    for tree in (lost, kept):
        tree.process.stdout.close()


@pytest.mark.parametrize(
    ("program", "code"),
    [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 11)", -11),
     ("import os; os.kill(os.getpid(), 9)", -9)],
)  # fmt: skip
def test_a_tree_leaves_as_its_program_does(tmp_path, program, code):
    tree = ProcessTree([sys.executable, "-S", "-c", program], tmp_path, os.environ)
    tree.process.communicate(timeout=60)
    assert tree.exit_code == code
    assert tree.end() == 0


BUSY = """
import subprocess, sys
loop = "while True: pass"
subprocess.Popen([sys.executable, "-S", "-c", loop])
print("there", flush=True)
while True:
    pass
"""


def cpu_seconds(pids):
    used = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's accounts are read from /proc")
def test_a_paused_tree_uses_no_processor_time_and_a_resumed_one_does(tmp_path):
    tree = ProcessTree([sys.executable, "-S", "-c", BUSY], tmp_path, os.environ)
    assert tree.process.stdout is not None
    tree.process.stdout.readline()
    members = tree.members()
    assert len(members) == 2
    tree.pause()
    before = cpu_seconds(members)
    time.sleep(0.3)
    assert cpu_seconds(members) == before
    assert tree.is_paused
    tree.resume()
    deadline = time.monotonic() + 20
    while cpu_seconds(members) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert cpu_seconds(members) > before
    tree.pause()
    assert tree.end() == 1  # a paused tree ends as any other
    assert not any(map(is_alive, members))
    tree.process.stdout.close()


ENDED_THREAD = """
import threading, time
def work():
    while time.thread_time() < 0.2:
        pass
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("there", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="by a clock of Linux")
def test_the_time_of_a_thread_that_has_ended_counts(tmp_path):
    tree = ProcessTree([sys.executable, "-S", "-c", ENDED_THREAD], tmp_path, os.environ)
    assert tree.process.stdout is not None
    tree.process.stdout.readline()
    tree.pause()
    assert 0.2 <= tree.processor_seconds() < 5
    assert tree.end() == 0
    tree.process.stdout.close()


TELLING = """\
import resource
def main(channel):
    print(resource.getrlimit(resource.RLIMIT_DATA))
"""
WORKER = """\
import os, resource, socket
from harness.running.worker.entry import main
os.environ["ANNHARNESS_PARENT"] = str(os.getppid())
resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))
end = socket.socket().detach()
main({"program": "telling", "channel": end, "memory_bytes": 8 << 30, "cpus": None})
"""


def test_a_worker_keeps_a_lower_limit_of_its_user(tmp_path):
    """Only root may raise one: with `ulimit -d`, every run ended in a traceback."""
    (tmp_path / "telling.py").write_text(TELLING)
    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str((3 << 30, 3 << 30)), done.stderr
