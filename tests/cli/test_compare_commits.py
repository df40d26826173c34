"""`annharness compare` of two commits: in one folder, in two, and what cannot be."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from harness.cli.commands.compare import compare
from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.results.identity import Machine, PointIdentity
from harness.results.point import Build, BuildFacts, PointHeader
from harness.results.store import ResultStore

app = Typer()
app.command()(compare)
OLD, NEW = "1234567" + "0" * 33, "7654321" + "0" * 33
NQ, K = 20, 10


def measured(folder, commit, seconds, *, source="0", builds=5, dirty=False):
    """Results of one point whose adapter's source is given."""
    identity = PointIdentity(
        dataset="small", fingerprint="f" * 64, metric="euclidean", algorithm="scan",
        adapter_sha256=source, build={}, search={}, k=K, mode="single", threads=1, build_threads=1,
        machine=Machine("cpu", 2, 2**30), versions={},
    )  # fmt: skip
    header = PointHeader(identity, "scan", "", 1000, 8, NQ)
    store = ResultStore(folder)
    store.write_truth(identity, Truth(np.tile(np.arange(K), (NQ, 1)), np.ones((NQ, K))))
    noise = np.random.default_rng(len(commit + source)).normal(1, 0.01, builds)
    for number in range(builds):
        times = np.full((1, NQ), seconds * noise[number])
        build = Build(
            number=number, times=times, walls=times.sum(axis=1),
            neighbors=np.tile(np.arange(K), (1, NQ, 1)), distances=np.ones((1, NQ, K)),
            scales=np.ones((1, NQ, K), dtype=np.float32),
            facts=BuildFacts(build_seconds=1.0, index_bytes=1000, measured_index_bytes=1000,
                             prepare_seconds=0.0),
            provenance={"source": {"commit": commit, "dirty": dirty},
                        "finished_at": f"2026-01-0{1 + int(source)}T00:00:00Z"},
        )  # fmt: skip
        store.add_build(header, build)
    return folder


def invoked(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


@pytest.fixture
def folder(tmp_path):
    """One folder in which the older commit's point is stale, and half as fast."""
    measured(tmp_path / "results", OLD, 2e-3)
    return measured(tmp_path / "results", NEW, 1e-3, source="1")


def test_two_commits_of_one_folder(folder, tmp_path):
    done = invoked("123456", "7654", "--results", folder, "-o", tmp_path / "c.json")
    assert "old: 1234567000, new: 7654321000" in done.stdout
    assert "faster" in done.stdout
    assert "slower" not in done.stdout
    status = invoked("7654", "123456", "--results", folder, "--fail-if-slower", "10%").exit_code
    assert status == 1


def test_a_commit_of_each_of_two_folders(folder, tmp_path):
    other = measured(tmp_path / "other", OLD, 1e-3)
    measured(tmp_path / "other", NEW, 1e-3, source="1")
    assert "equal within 5 %" in invoked(f"{folder}@7654", f"{other}@1234").stdout
    assert "faster" in invoked(f"{folder}@1234", other).stdout


def test_a_revision_of_git_names_a_commit(folder, tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    clone.mkdir()
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-C", str(clone)]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    measured(folder, head.stdout.strip(), 1e-3, source="2")
    monkeypatch.chdir(clone)
    assert "equal within 5 %" in invoked("765432", "HEAD", "--results", folder).stdout


def test_uncommitted_changes_are_told(folder):
    measured(folder, NEW, 1e-3, source="2", dirty=True)
    with pytest.warns(UserWarning, match="1 points measured with uncommitted changes"):
        invoked("1234", "7654", "--results", folder)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ("scan", "1234", "different kinds"),
        ("1234", "deadbeef", "no results of 'deadbeef'"),
        ("1234", "--help", "no results"),
        ("1234", "$(touch x)", "no results"),
        ("1234", "", "no results"),
        ("nowhere@1234", "1234", "no results of 'nowhere@1234'"),
    ],
)
def test_what_is_no_side_is_told(folder, a, b, words):
    with pytest.raises(UserError, match=words.replace("(", r"\(")):
        invoked("--results", folder, "--", a, b)


def test_a_prefix_of_two_commits_is_refused(folder):
    measured(folder, replace_digits(OLD), 1e-3, source="2")
    with pytest.raises(UserError, match="several commits"):
        invoked("1234", "7654", "--results", folder)


def replace_digits(commit):
    return commit[:7] + "9" * 33


def test_an_empty_folder_names_what_it_lacks(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="none stored"):
        invoked("1234", "7654", "--results", tmp_path / "none")
