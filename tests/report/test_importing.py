"""Results of others are data: what their files say never becomes a path, or ends an import."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import harness
from harness.cli.main import app
from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.interop.ann_benchmarks import import_results, lay_out
from harness.results.store import ResultStore

NQ, K, N = 6, 3, 30


class Known:
    """The one dataset that is at hand."""

    name, metric, fingerprint = "small", "euclidean", "f" * 64
    base = np.random.default_rng(0).standard_normal((N, 4)).astype(np.float32)
    queries = base[:NQ] + np.float32(0.01)

    def truth(self, k):
        distances = np.linalg.norm(self.queries[:, None] - self.base, axis=2).astype(np.float64)
        ids = np.argsort(distances, axis=1)[:, :k]
        return Truth(ids, np.take_along_axis(distances, ids, axis=1))


def test_a_results_folder_is_not_imported_into_itself(imported, monkeypatch):
    _, store, _ = imported()
    monkeypatch.chdir(store.root.parent)
    for folder in ("results", "."):
        done = CliRunner().invoke(app, ["import", folder])
        assert "the results folder itself" in done.exception.describe()


FACTS = {
    "dataset": "small", "algo": "scan", "name": "scan(M=4)", "count": K, "batch_mode": False,
    "build_time": 1.0, "index_size": 10.0,
}  # fmt: skip


@pytest.fixture
def imported(tmp_path):
    """Write one of their files, changed, and import it; give the outcome and what is stored."""

    def take(*, times=None, ids=None, **facts):
        path = tmp_path / "theirs" / "results" / "small" / "a.hdf5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file["times"] = np.full(NQ, 1e-3) if times is None else times
            file["neighbors"] = Known().truth(K).ids if ids is None else ids
            for name, value in {**FACTS, **facts}.items():
                if value is not None:
                    file.attrs[name] = value
        asked = []

        def open_dataset(name):
            asked.append(name)
            return Known()

        store = ResultStore(tmp_path / "results")
        store.require_writable()
        (one,) = import_results(tmp_path / "theirs", store, open_dataset, "theirs")
        return one, store, asked

    return take


def test_a_sound_file_is_taken(imported):
    one, store, _ = imported()
    (row,) = harness.load_results(store.root).to_dict("records")
    assert (one.reason, row["recall@1"], row["index_bytes"]) == ("", 1.0, 10240.0)


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", ".", "a/b", "", "x" * 300])
def test_a_dataset_that_is_a_path_is_not_even_asked_for(imported, name):
    one, _, asked = imported(dataset=name)
    assert (one.path, asked) == (None, [])
    assert "no dataset can be called" in one.reason


@pytest.mark.parametrize("algo", ["../../../escape", "/tmp/escape", ".."])
def test_an_algorithm_that_is_a_path_stays_in_the_folder(imported, algo):
    one, store, _ = imported(algo=algo, name=f"{algo}(x)")
    assert one.path.resolve().is_relative_to(store.root.resolve())
    assert len(harness.load_results(store.root)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"count": "three"},
        {"count": -1},
        {"count": np.zeros(3)},
        {"algo": None},
        {"name": 5},
        {"build_time": "long"},
        {"algo": "\x1b[31mred"},
        {"times": np.zeros(NQ)},
        {"times": np.full(NQ, np.nan)},
        {"times": np.full((NQ, 1), 1e-3)},
        {"times": [b"a"] * NQ},
        {"ids": np.full((NQ, K), N)},
        {"ids": np.full((NQ, K), 0)},
        {"ids": np.full((NQ, K), 0.5)},
    ],
    ids=str,
)
def test_what_cannot_be_is_left_out_with_the_reason(imported, change):
    one, store, _ = imported(**change)
    if one.path is None:
        assert one.reason
    assert len(harness.load_results(store.root)) == (one.path is not None)


def test_two_results_of_one_name_are_not_taken_for_one(tmp_path, imported):
    """Adapters whose text leaves out a parameter give several settings the same name."""
    _, store, _ = imported()
    results = tmp_path / "theirs" / "results" / "small"
    shutil.copy(results / "a.hdf5", results / "b.hdf5")
    with h5py.File(results / "b.hdf5", "r+") as file:
        file["times"][...] = 1.0
    one, other = import_results(tmp_path / "theirs", store, lambda name: Known(), "theirs")
    assert (one.reason, other.path) == ("", None)
    assert "are those of" in other.reason
    assert harness.load_results(store.root)["qps"].tolist() == [pytest.approx(1000)]


def test_sizes_that_cannot_be_are_unknown(imported):
    _, store, _ = imported(build_time=-1.0, index_size=float("inf"))
    (row,) = harness.load_results(store.root).to_dict("records")
    assert np.isnan([row["build_seconds"], row["index_bytes"]]).all()


def test_distance_computations_are_of_one_query_and_exported_as_they_came(tmp_path, imported):
    _, store, _ = imported(dist_comps=20 * NQ * 3, run_count=3)
    table = harness.load_results(store.root)
    assert table["distance_computations"].tolist() == [20.0]
    [result, _] = lay_out(table, store.root, tmp_path / "back")
    with h5py.File(result) as file:
        asked = file.attrs["run_count"] * len(file["times"])
        assert file.attrs["dist_comps"] / asked == 20.0


@pytest.mark.parametrize(
    "facts", [{}, {"dist_comps": -1}, {"dist_comps": 1e40}, {"dist_comps": float("nan")}], ids=str
)
def test_distance_computations_that_cannot_be_are_unknown(tmp_path, imported, facts):
    _, store, _ = imported(**facts)
    table = harness.load_results(store.root)
    assert table["distance_computations"].isna().all()
    [result, _] = lay_out(table, store.root, tmp_path / "back")
    with h5py.File(result) as file:
        assert "dist_comps" not in file.attrs


def test_results_stay_as_they_are_whatever_is_done_with_what_is_laid_out(tmp_path, imported):
    _, store, _ = imported()
    table = harness.load_results(store.root)
    before = {path: path.read_bytes() for path in store.root.rglob("*.hdf5")}
    [result, _] = lay_out(table, store.root, tmp_path / "back")
    with h5py.File(result, "r+") as file:  # as their tools do
        file.create_group("metrics")
    with pytest.raises(UserError, match="the results folder itself"):
        lay_out(table, store.root, store.root.parent)
    assert {path: path.read_bytes() for path in store.root.rglob("*.hdf5")} == before


def test_what_is_for_other_tools_has_names_of_their_kind(tmp_path, imported, monkeypatch):
    imported()
    monkeypatch.chdir(tmp_path)
    for tool, written in (("ann-benchmarks", "for-ann-benchmarks/data"), ("bencher", "*.json")):
        CliRunner().invoke(app, ["export", "--to", tool], catch_exceptions=False)
        assert list(tmp_path.glob(written))


def test_their_dataset_may_be_damaged(tmp_path, monkeypatch, imported):
    imported()
    monkeypatch.setenv("ANNHARNESS_DATA", str(tmp_path / "cache"))
    folder = tmp_path / "theirs"
    (folder / "data").mkdir()
    (folder / "data" / "small.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    arguments = ["import", str(folder), "--results", str(tmp_path / "other")]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 1
    assert "left out" in done.stderr
