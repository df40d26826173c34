"""Files are there whole or not at all; what killed writers leave goes with the next write."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.files.replacing import replacing, write_text, written_hdf5, written_whole
from harness.files.temporary import remove_abandoned, temporary_folder


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/null")])
def test_what_is_no_file_is_not_replaced(tmp_path, make):
    path = tmp_path / "odd"
    make(path)
    before = path.lstat().st_ino
    with pytest.raises(UserError, match="no regular file"):
        write_text(path, "x")
    assert path.lstat().st_ino == before
    assert list(tmp_path.iterdir()) == [path]


def test_folders_of_any_depth_and_permissions_are_removed(tmp_path):
    """Deeper than recursion goes, and than a path may be long."""
    here = Path.cwd()
    with temporary_folder(tmp_path, "deep") as folder:
        os.chdir(folder)
        try:
            for _ in range(1500):
                Path("in").mkdir()
                Path("file").touch()
                os.chdir("in")
        finally:
            os.chdir(here)
        (folder / "shut" / "inner").mkdir(parents=True)
        (folder / "root").symlink_to("/")
        for path in (folder / "shut" / "inner", folder / "shut", folder):
            path.chmod(0)
    assert list(tmp_path.iterdir()) == []


WRITE = """
import sys, time
from pathlib import Path
from harness.files.replacing import written_hdf5
from harness.files.replacing import replacing
from harness.files.temporary import temporary_folder
path = Path(sys.argv[2])
if sys.argv[1] == "file":
    with replacing(path) as temporary:
        temporary.write_text("half")
        print("writing", flush=True)
        sys.stdin.read()
        temporary.write_text("whole")
elif sys.argv[1] == "hdf5":
    with written_hdf5(path) as file:
        file["half"] = [1]
        print("writing", flush=True)
        sys.stdin.read()
else:
    with temporary_folder(path.parent, path.stem) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("half")
        print("writing", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path):
    """Start another process that is in the midst of writing; its input's end lets it go on."""
    started = []

    def start(how, path=tmp_path / "data.bin"):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, how, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout.readline() == b"writing\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path):
    """Write as another call of the command does, which knows nothing of this process."""
    code = "import sys; from pathlib import Path; from harness.files.replacing import write_text"
    code += "; write_text(Path(sys.argv[1]), 'other')"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


@pytest.mark.parametrize("how", ["file", "hdf5", "folder"])
def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path, writer, how):
    process = writer(how)
    assert len(names(tmp_path)) == (2 if how == "folder" else 1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    write(tmp_path / "other.txt")
    assert names(tmp_path) == ["other.txt"]


@pytest.mark.parametrize("how", ["file", "hdf5", "folder"])
def test_a_writer_that_lives_is_not_robbed(tmp_path, writer, how):
    process = writer(how)
    write(tmp_path / "other.txt")
    process.communicate()
    assert process.returncode == 0
    assert names(tmp_path) == sorted(["other.txt"] + ([] if how == "folder" else ["data.bin"]))


@pytest.mark.parametrize(
    ("days", "is_left"), [(0, True), (2, False)], ids=["written just now", "for two days"]
)
def test_files_of_other_machines_stay_for_a_day(tmp_path, writer, days, is_left):
    """Their locks may not be seen from here."""
    process = writer("file")
    process.kill()
    process.wait()
    (left,) = tmp_path.iterdir()
    other = left.with_name(re.sub("-annharness-[0-9a-f]{8}-", "-annharness-00000000-", left.name))
    left.rename(other)
    then = time.time() - days * 86_400
    os.utime(other, (then, then))
    remove_abandoned(tmp_path)
    assert other.exists() == is_left


@pytest.mark.parametrize(("days", "is_left"), [(0, True), (2, False)])
def test_without_locks_files_stay_for_a_day(tmp_path, writer, monkeypatch, days, is_left):
    process = writer("file")
    (left,) = tmp_path.iterdir()
    process.kill()
    process.wait()
    then = time.time() - days * 86_400
    os.utime(left, (then, then))

    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_text(tmp_path / "other.txt", "other")
    assert left.exists() == is_left


def test_files_of_others_are_left_alone(tmp_path):
    kept = [".notes.part", ".small-abc.part", ".data.swp", "a-annharness-00000000-1.part"]
    for name in kept:
        (tmp_path / name).write_text("kept")
    (tmp_path / f".x-annharness-00000000-{'0' * 16}.part").symlink_to(tmp_path / kept[0])
    remove_abandoned(tmp_path)
    assert set(kept) < set(names(tmp_path))
    assert len(names(tmp_path)) == len(kept) + 1


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "data.txt"
    path.write_text("before")
    with pytest.raises(FileNotFoundError), replacing(path) as temporary:
        temporary.write_bytes(b"half" + (tmp_path / "missing").read_bytes())
    assert names(tmp_path) == ["data.txt"]
    assert path.read_text() == "before"


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"), written_whole(tmp_path / "file" / "x"):
        pass


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o022, 0o002])
def test_modes_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "text", "text")
        with written_hdf5(tmp_path / "hdf5") as file:
            file["x"] = [1]
        with replacing(tmp_path / "private", mode=0o600) as temporary:
            assert temporary.stat().st_mode & 0o077 == 0
        with temporary_folder(tmp_path, "folder") as folder:
            assert folder.stat().st_mode & 0o077 == 0
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in Path(tmp_path).iterdir()}
    public = 0o666 & ~umask
    assert modes == {"text": public, "hdf5": public, "private": 0o600 & ~umask}
