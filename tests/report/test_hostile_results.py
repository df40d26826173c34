"""Names inside the result files of strangers lead no verb out of the folder that it writes to."""

from __future__ import annotations

import json
import warnings

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import harness
from harness.cli.main import app
from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.results.identity import Machine, PointIdentity
from harness.results.point import Build, BuildFacts, PointHeader
from harness.results.store import ResultStore

NQ, K = 20, 10
NAMES = [
    "../../../escape", "/tmp/annharness-escape", "..", "a/b", "a\\b", "~root", "$(id)", "%2e%2e%2f",
    "-o", "a\nb", "\u202egnp.exe", "[/x] [link=file:///x]y[/link]", "</script><script>alert(1)",
    "=cmd|'/c calc'!A1", "\\input{/etc/passwd}", "[x](javascript:alert(1))", "$\\frac{$ _^{",
]  # fmt: skip
READING_VERBS = {
    "recommend": [],
    "csv": ["export", "-o", "out/x.csv"],
    "json": ["export", "-o", "out/x.json"],
    "tex": ["export", "-o", "out/x.tex"],
    "md": ["export", "-o", "out/x.md"],
    "theirs": ["export", "--to", "ann-benchmarks", "-o", "out/theirs"],
    "plot": ["plot", "-o", "out/plots", "-f", "svg", "--figure", "qps-recall"],
    "publish": ["publish", "out/site"],
    "compare": ["compare", "results", "results", "-o", "out/compared.md"],
    "history": ["history", "results", "results", "-o", "out/history.md"],
    "import": ["import", "results", "--results", "out/imported"],
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Give a store with a point whose names are changed by each test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))
    made = ResultStore(tmp_path / "results")
    header = header_of()
    made.add_build(header, build_of())
    true = Truth(np.tile(np.arange(K), (NQ, 1)), np.ones((NQ, K)))
    made.write_truth(header.identity, true)
    return made


def header_of(m=4):
    identity = PointIdentity(
        dataset="small", fingerprint="f" * 64, metric="euclidean", algorithm="scan",
        adapter_sha256="0", build={"M": m}, search={}, k=K, mode="single", threads=1,
        build_threads=1, machine=Machine("cpu", 2, 2**30), versions={},
    )  # fmt: skip
    return PointHeader(identity, "scan", "M=4", 1000, 8, NQ)


def build_of():
    times = np.random.default_rng(0).uniform(1e-3, 2e-3, (2, NQ))
    return Build(
        number=0, times=times, walls=times.sum(axis=1),
        neighbors=np.tile(np.arange(K), (1, NQ, 1)), distances=np.ones((1, NQ, K)),
        scales=np.ones((1, NQ, K), dtype=np.float32),
        facts=BuildFacts(build_seconds=1.0, index_bytes=1, measured_index_bytes=1,
                         prepare_seconds=0.0),
    )  # fmt: skip


def rename(store, changes, m=4):
    """Add a point and change what stands at these places of its header."""
    path = store.add_build(header_of(m), build_of())
    with h5py.File(path, "r+") as opened:
        own = opened["annharness"]
        header = json.loads(own.attrs["header"])
        for place, name in changes.items():
            inner = header
            *way, last = place.split(".")
            for key in way:
                inner = inner[key]
            inner[last] = name
        own.attrs["header"] = json.dumps(header)


def run(verb):
    done = CliRunner().invoke(app, READING_VERBS[verb] or [verb])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        assert isinstance(done.exception, UserError), done.exception
    return done.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("places", "names"),
    [(["label", "name", "identity.build.M"], NAMES), (["identity.machine.cpu"], NAMES[:3])],
    ids=["names", "machines"],
)
def test_odd_names_lead_nowhere(store, tmp_path, places, names):
    before = set(tmp_path.parent.iterdir())
    for number, name in enumerate(names):
        rename(store, dict.fromkeys(places, name), 100 + number)
    for verb in READING_VERBS:
        assert "\u202e" not in run(verb)
    assert {one.name for one in tmp_path.iterdir()} <= {"results", "out", "cache", "user-data"}
    assert set(tmp_path.parent.iterdir()) == before
    out = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert {file.suffix for file in out} >= {".html", ".csv", ".json", ".tex", ".md", ".svg"}
    for file in out:
        if file.suffix in (".html", ".csv", ".json", ".tex", ".md", ".svg"):
            text = file.read_text("utf-8")
            assert "\u202e" not in text
            assert file.suffix in (".csv", ".json") or "<script>alert" not in text
            assert file.suffix != ".tex" or "\\input{" not in text


@pytest.mark.parametrize("name", NAMES[:11], ids=ascii)
@pytest.mark.parametrize("key", ["dataset", "algorithm", "fingerprint", "k", "mode", "metric"])
def test_names_that_would_be_parts_of_paths_are_refused(store, key, name):
    rename(store, {f"identity.{key}": name})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert harness.load_results(store.root).empty
    assert len(caught) == 1


def test_a_folder_that_is_a_file_ends_no_export_in_a_traceback(store, tmp_path):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["export", "--to", "ann-benchmarks", "-o", "file"])
    assert isinstance(done.exception, UserError)


def test_a_file_that_is_no_result_says_what_it_lacks(store, tmp_path):
    (tmp_path / "theirs").mkdir()
    with h5py.File(tmp_path / "theirs" / "x.hdf5", "w") as file:
        file.attrs["dataset"] = "small"
    done = CliRunner().invoke(app, ["import", "theirs"])
    assert "lacks the attributes algo, name, count, batch_mode" in done.output


@pytest.mark.parametrize("machine", ["\x1b[31m", "x" * 1000])
def test_an_odd_name_for_a_machine_is_refused_at_once(store, machine):
    done = CliRunner().invoke(app, ["import", "results", "--machine", machine])
    assert isinstance(done.exception, UserError)
