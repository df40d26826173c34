"""Pipes, sockets, devices, folders and links where a verb expects something else."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import harness
from harness.cli.main import app
from harness.contracts import UserError

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


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with a dataset, rows, a suite, its results and its cache."""
    folder = tmp_path_factory.mktemp("measured")
    rng = np.random.default_rng(3)
    with h5py.File(folder / "small.hdf5", "w") as file:
        file["train"] = rng.standard_normal((200, 8)).astype(np.float32)
        file["test"] = rng.standard_normal((20, 8)).astype(np.float32)
        file.attrs["distance"] = "euclidean"
    np.save(folder / "rows.npy", rng.standard_normal((50, 8)).astype(np.float32))
    (folder / "mine.yml").write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ANNHARNESS_DATA", str(folder / "cache"))
        assert not harness.run("mine.yml", progress=False).summary.failures
    return folder


@pytest.fixture
def here(measured, tmp_path, monkeypatch):
    """Give a copy of that folder, as the current one."""
    folder = tmp_path / "here"
    shutil.copytree(measured, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ANNHARNESS_DATA", str(folder / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "user-data"))
    return folder


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


PUT = {
    "pipe": os.mkfifo,
    "socket": a_socket,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/null"),
    "loop": lambda path: path.symlink_to(path.name),
    "dangling": lambda path: path.symlink_to("nowhere/at/all"),
    "file": Path.touch,
}
KINDS = {"device": "a device", "loop": "a link", "dangling": "a link"}
ATTACKS = [
    # what is put, and where; the verb; the words of the message
    ("pipe", "results", "recommend", "a pipe"),
    ("socket", "results", "plot", "a socket"),
    ("dangling", "results", "recommend", "a link that leads to nothing"),
    ("loop", "results", "run mine.yml", "a link that leads to nothing"),
    ("file", "results", "publish site", "a file"),
    ("file", "results/.locks", "run mine.yml --force", "cannot lock the results folder"),
    ("pipe", "results/.locks", "run mine.yml --force", "cannot lock the results folder"),
    ("pipe", "s.yml", "run s.yml", "a pipe"),
    ("socket", "s.yml", "show s.yml", "a socket"),
    ("folder", "s.yml", "plot s.yml", "a folder"),
    ("device", "s.yml", "run s.yml", "a device"),
    ("pipe", "d.hdf5", "run mine.yml -d d.hdf5", "a pipe"),
    ("folder", "d.hdf5", "data info d.hdf5", "a folder"),
    ("socket", "d.hdf5", "data verify d.hdf5", "a socket"),
    ("device", "d.hdf5", "run mine.yml -d d.hdf5 --dry-run", "a device"),
    ("pipe", "r.npy", "data add mine r.npy --metric l2", "a pipe"),
    ("device", "r.npy", "data add mine r.npy --metric l2", "a device"),
    ("loop", "r.npy", "data add mine r.npy --metric l2", "a link that leads to nothing"),
    ("file", "user-data", "data add mine rows.npy --metric l2 --holdout 9", "Not a directory"),
    ("pipe", "r.npy", "data convert r.npy x.npy", "a pipe"),
    ("pipe", "x.npy", "data convert rows.npy x.npy", "a pipe"),
    ("device", "x.npy", "data convert rows.npy x.npy", "a device"),
    ("folder", "x.npy.gz", "data convert rows.npy x.npy.gz", "a folder"),
    ("socket", "x.hdf5", "data convert small.hdf5 x.hdf5", "a socket"),
    ("pipe", "x.csv", "export -o x.csv", "a pipe"),
    ("device", "x.parquet", "export -o x.parquet", "a device"),
    ("folder", "x.tex", "export -o x.tex", "a folder"),
    ("file", "x", "export -o x/y.csv", "its folder is a file"),
    ("file", "x", "export --to ann-benchmarks -o x", "Not a directory"),
    ("file", "x", "plot -o x --figure qps-recall", "its folder is a file"),
    ("pipe", "x", "publish x", "the site is a folder"),
    ("pipe", "x.html", "publish x.html --single-file", "a pipe"),
    ("folder", "x.md", "compare results results -o x.md", "a folder"),
    ("file", "x", "new mine --out x", "Not a directory"),
    ("pipe", "x", "run mine.yml --plugins x", "a pipe"),
    ("file", "x", "list --plugins x", "a file"),
    ("pipe", "x", "import x", "no such folder"),
    ("file", "cache", "data fetch small.hdf5", "cannot make the cache folder"),
    ("file", "cache", "data clean --all", "cannot make the cache folder"),
    ("folder", "cache/files/SMALL", "run mine.yml", "a folder"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "place", "verb", "words"), ATTACKS, ids=[f"{a[0]}-{a[2]}" for a in ATTACKS]
)
def test_what_is_in_the_way_is_named_and_stays(here, kind, place, verb, words):
    if "SMALL" in place:
        place = next((here / "cache" / "files").glob("small-*.hdf5")).relative_to(here)
    path = here / place
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    PUT[kind](path)
    before = path.lstat()
    done = CliRunner().invoke(app, verb.split())
    assert isinstance(done.exception, UserError), (done.output, done.exception)
    assert words in done.exception.describe()
    assert "free some space" not in done.exception.describe()
    after = path.lstat()
    assert (stat.S_IFMT(after.st_mode), after.st_ino) == (
        stat.S_IFMT(before.st_mode),
        before.st_ino,
    )
    assert list(here.rglob("*.part")) == []


def test_a_truth_that_is_no_file_gives_way(here):
    path = next(here.glob("results/*/5/truth-*.npz"))
    path.unlink()
    path.mkdir()
    with pytest.warns(UserWarning, match="set aside a broken result"):
        done = CliRunner().invoke(app, ["run", "mine.yml"])
    assert done.exit_code == 0, done.output
    assert path.is_file()


def test_results_that_lie_behind_a_link_are_found(here):
    shutil.move(here / "results", here / "elsewhere")
    (here / "results").symlink_to("elsewhere")
    (next((here / "elsewhere").glob("small-*")) / "again").symlink_to(here / "elsewhere")
    assert len(harness.load_results(here / "results")) == 1


@pytest.mark.parametrize("how", ["folder", "item"])
def test_cleaning_removes_no_more_than_links_to_elsewhere(here, how):
    kept = here / "kept"
    kept.mkdir()
    (kept / "precious").write_bytes(bytes(2 * 10**6))
    downloads = here / "cache" / "downloads"
    downloads.mkdir()
    (downloads / "link").symlink_to(kept if how == "folder" else kept / "precious")
    done = CliRunner().invoke(app, ["data", "clean", "--all"])
    assert "freed 0.0 MB" in done.output
    assert not (downloads / "link").is_symlink()
    assert (kept / "precious").is_file()


def test_what_is_left_over_in_the_future_is_left_over(here):
    left = here / "cache" / "files" / "archive.part"
    left.touch()
    os.utime(left, (2**32, 2**32))
    assert CliRunner().invoke(app, ["data", "clean"]).exit_code == 0
    assert not left.exists()
