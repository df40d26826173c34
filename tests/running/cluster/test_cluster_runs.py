"""Runs on a real scheduler and real workers of Dask, all on this machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import harness
from harness.running.cluster.cluster_file import read_cluster
from harness.running.cluster.starting import connected
from tests.clusters import MEASURING, PROGRAMS, of_this_run, table, wait_until

pytestmark = pytest.mark.cluster


def test_a_local_cluster_finds_what_this_machine_finds(suite, tmp_path, command):
    here = command("run", suite, "--results", "here")
    there = command("run", suite, "--results", "there", "--cluster", "local:2")
    assert here.returncode == there.returncode == 1
    assert "measuring on 2 nodes of 1 machine" in there.stderr
    assert "block 1 of 2" in there.stderr
    assert table(tmp_path / "here") == table(tmp_path / "there")
    again = command("run", suite, "--results", "there", "--cluster", "local:1")
    assert "0 builds to run" in again.stderr
    assert of_this_run(tmp_path) == []


def test_an_error_of_the_run_is_not_taken_for_one_of_the_connection(cluster):
    with (
        pytest.raises(BrokenPipeError),
        connected(read_cluster(cluster.address)),
    ):
        raise BrokenPipeError


def test_nodes_that_would_measure_something_else_are_refused(
    suite, tmp_path, command, cluster, tmp_path_factory
):
    """Another commit of the harness, Dask as it comes, and a machine that was not asked for."""
    other = tmp_path_factory.mktemp("other-commit")
    root = Path(harness.__file__).parent
    shutil.copytree(root, other / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root.parent / "algorithms", other / "algorithms")
    with (other / "harness" / "text.py").open("a") as file:
        file.write("\nanother_commit = True\n")
    cluster.worker("older", PYTHONPATH=str(other))
    cluster.worker("plain", "distributed.cli.dask_worker")
    cluster.wait_for("older")
    cluster.wait_for("plain")
    head = f"scheduler: {cluster.address}\nwait: 1\n"
    (tmp_path / "c.yml").write_text(head)
    done = command("run", suite, "-a", "exact", "--cluster", "c.yml")
    assert done.returncode == 2, done.stderr
    assert "node older is not used: another annharness" in done.stderr
    assert "node plain is not used: Dask disturbs measurements" in done.stderr
    assert "no node of the cluster can measure" in done.stderr
    assert not (tmp_path / "results").exists()

    cluster.worker("good")
    cluster.wait_for("good")
    (tmp_path / "c.yml").write_text(f"{head}machine: {{cores: 4096}}\n")
    done = command("run", suite, "-a", "exact", "--cluster", "c.yml")
    assert done.returncode == 2, done.stderr
    assert "node good is not used: another machine" in done.stderr


def test_a_scheduler_that_is_not_there_is_told(suite, command):
    done = command("run", suite, "--cluster", "tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert "the scheduler does not answer" in done.stderr
    assert "Traceback" not in done.stderr


SBATCH = """\
#!/bin/sh
cp "$1" "$JOBS/job.sh"
setsid sh "$JOBS/job.sh" > "$JOBS/log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """\
#!/bin/sh
echo "$1" >> "$JOBS/cancelled"
kill -- "-$1"
setsid sh -c "sleep 20; kill -9 -- -$1" > /dev/null 2>&1 &  # as Slurm does after its KillWait
"""


def test_a_batch_system_gives_nodes_and_takes_them_back(suite, tmp_path, command, tmp_path_factory):
    """Stand-ins for Slurm's commands run the job here; who ignores a signal is killed later."""
    jobs = tmp_path_factory.mktemp("jobs")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (jobs / name).write_text(text)
        (jobs / name).chmod(0o755)
    run = f"{sys.executable} -m harness run mine.yml -a exact --builds 1"
    (tmp_path / "c.yml").write_text(
        "slurm: {nodes: 1, queue: bench, account: us, interface: lo, before: [export MARK=1],"
        " directives: [--constraint=milan]}\n"
        f"walltime: 01:00:00\nscratch: {tmp_path}/my disk\nshared: {tmp_path}/shared\n"
    )
    done = command.raw(["sh", "-c", f"PATH={jobs}:$PATH JOBS={jobs} exec {run} --cluster c.yml"])
    assert done.returncode == 0, done.stdout + done.stderr + (jobs / "log").read_text()
    script = (jobs / "job.sh").read_text()
    for expected in (
        "#SBATCH -p bench",
        "#SBATCH -A us",
        "#SBATCH -t 01:00:00",
        "#SBATCH --exclusive",
        "#SBATCH --constraint=milan",
        "export MARK=1",
        f"export ANNHARNESS_SCRATCH='{tmp_path}/my disk'",
        f"{PROGRAMS} worker tcp://127.0.0.1:",
    ):
        assert expected in script
    assert [row[1:3] for row in table(tmp_path / "results")] == [("ok", 1)] * 2
    assert list((tmp_path / "my disk" / "annharness" / "staged").glob("*.hdf5"))
    wait_until((jobs / "cancelled").exists)
    wait_until(lambda: of_this_run(tmp_path) == [])


SSH = """\
#!/bin/sh
while [ "$1" != "--" ]; do shift; done
case "$2" in
  nowhere) echo "ssh: cannot resolve $2" >&2; exit 255 ;;
esac
exec sh -c "$3"
"""


@pytest.fixture
def by_ssh(suite, tmp_path, tmp_path_factory, command):
    """Return the arguments of a run on hosts; a stand-in for `ssh` runs here what is for there."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "ssh").write_text(SSH)
    (folder / "ssh").chmod(0o755)
    command.find_first_in(folder)

    def arguments(*hosts):
        (tmp_path / "c.yml").write_text(
            f"ssh: {{hosts: [{', '.join(hosts)}], interface: lo}}\n"
            f"scratch: {tmp_path}/scratch\nshared: {tmp_path}/shared\n"
        )
        return ("run", suite, "--builds", "1", "--cluster", "c.yml")

    return arguments


def test_hosts_by_ssh_measure_and_one_that_is_not_there_is_left_out(tmp_path, command, by_ssh):
    done = command(*by_ssh("bench1", "nowhere"))
    assert done.returncode == 1, done.stdout + done.stderr  # of the suite, one index fails
    assert "nowhere is left out, no worker started: ssh: cannot resolve nowhere" in done.stderr
    assert "measuring on 1 node" in done.stderr
    assert list((tmp_path / "scratch" / "annharness" / "staged").glob("*.hdf5"))
    done = command(*by_ssh("nowhere", "bench1"))
    assert done.returncode == 2
    assert "the scheduler did not start: ssh: cannot resolve nowhere" in done.stderr
    wait_until(lambda: of_this_run(tmp_path) == [])


def test_programs_on_hosts_end_when_the_run_is_killed(tmp_path, command, by_ssh):
    """Dask's own start by SSH leaves them there for ever."""
    run = command.start(*by_ssh("bench1"))
    wait_until(
        lambda: any(MEASURING in process.info["cmdline"] for process in of_this_run(tmp_path))
    )
    run.kill()
    run.communicate()
    wait_until(lambda: of_this_run(tmp_path) == [])
