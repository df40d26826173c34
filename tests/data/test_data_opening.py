"""Opening a dataset by definition or by path: what is mapped, what is refused, what is left."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition, QuerySplit, Source
from harness.data import loading
from harness.data.cache.cached import open_cached
from harness.data.loading import cached_path, open_definition, open_file, shape_of_file
from harness.registry.registry import load_registry


def refused(path: Path, cache: Path, match: str, metric: str | None = None) -> UserError:
    """Open a bad file; it must be refused and leave nothing in the cache."""
    with pytest.raises(UserError, match=match) as caught:
        open_file(path, metric)  # type: ignore[arg-type]
    kept = [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert kept == []
    assert len(caught.value.describe().splitlines()) <= 8
    return caught.value


def test_what_is_said_of_the_queries_makes_no_other_dataset() -> None:
    entry = load_registry().dataset("glove-50-10k")
    said = replace(entry, query_distribution="other", about="Other words.")
    assert loading.recipe_of(said) == loading.recipe_of(entry)


def test_bundled_sample_is_as_in_the_source() -> None:
    dataset = open_definition(load_registry().dataset("glove-50-10k"))
    assert dataset.base.shape == (10_000, 50)
    assert dataset.queries.shape == (1_000, 50)
    assert dataset.metric == "angular"
    assert dataset.labels is not None
    assert list(dataset.labels.base[:5]) == ["the", ",", ".", "of", "to"]
    assert dataset.labels.queries[0] == "pawk"
    assert dataset.base[0, :3].tolist() == np.float32([0.418, 0.24968, -0.41242]).tolist()
    assert np.allclose(np.linalg.norm(dataset.search_base, axis=1), 1, atol=1e-6)
    assert dataset.fingerprint.startswith("eca2e2ab")


def test_arrays_are_read_only_maps(make_hdf5) -> None:
    dataset = open_file(make_hdf5())
    for rows in (dataset.base, dataset.queries, dataset.search_base, dataset.search_queries):
        assert not rows.flags.writeable
        assert rows.flags.c_contiguous
        assert rows.dtype == np.float32
        with pytest.raises(ValueError):
            rows[0, 0] = 1


def test_the_shape_of_a_packed_file_is_known_without_its_rows(make_hdf5) -> None:
    rows = np.zeros((200_000, 50), np.float32)
    path = make_hdf5(train=rows, test=rows[:30], compression="gzip", distance="euclidean")
    tracemalloc.start()
    shape = shape_of_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shape == ("euclidean", 200_000, 50, 30)
    assert peak < rows.nbytes / 10


@pytest.mark.parametrize(
    "parts",
    [
        {"test": None},
        {"distance": None},
        {"distance": "hamming"},
        {"point_type": "bit"},
        {"train": np.ones(5, np.float32)},
        {"test": np.ones((1, 8), np.float32)},
        {"test": np.ones((3, 7), np.float32)},
    ],
    ids=str,
)
def test_a_file_without_a_shape_is_refused_as_when_it_is_opened(make_hdf5, parts) -> None:
    path = make_hdf5(**parts)
    with pytest.raises(UserError) as asked:
        shape_of_file(path)
    with pytest.raises(UserError) as opened:
        open_file(path)
    assert asked.value.describe() == opened.value.describe()


def test_a_fitting_file_is_used_in_place(make_hdf5, cache: Path) -> None:
    path = make_hdf5(distance="euclidean")
    before = path.read_bytes()
    dataset = open_file(path)
    with h5py.File(dataset.path) as file:
        assert "train" not in file
    with h5py.File(path) as file:
        assert np.array_equal(dataset.base, file["train"][...])
    assert path.read_bytes() == before
    assert dataset.name == f"mine-{dataset.fingerprint[:8]}"


@pytest.mark.parametrize("dtype", ["f8", "f2", "u1", "i4", ">f4"])
def test_other_types_are_copied_exactly(make_hdf5, rng: np.random.Generator, dtype: str) -> None:
    rows = rng.integers(0, 100, (60, 5)).astype(dtype)
    dataset = open_file(make_hdf5(train=rows, test=rows[:4], distance="euclidean"))
    assert np.array_equal(dataset.base, rows.astype("f4"))
    with h5py.File(dataset.path) as file:
        assert file["train"].chunks is None


def test_compressed_and_plain_are_one_dataset(make_hdf5) -> None:
    plain = open_file(make_hdf5("plain.hdf5"))
    with h5py.File(plain.path) as cached:
        rows_file = cached["annharness"].attrs["rows_file"]
    with h5py.File(rows_file) as source:
        train, test = source["train"][...], source["test"][...]
    packed = open_file(make_hdf5("packed.hdf5", compression="gzip", train=train, test=test))
    assert packed.fingerprint == plain.fingerprint
    assert packed.name != plain.name


def test_unit_rows_are_not_kept_twice(make_hdf5, rng: np.random.Generator) -> None:
    rows = rng.standard_normal((50, 6))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    dataset = open_file(make_hdf5(train=rows, test=rows[:5]))
    assert dataset.search_base is dataset.base


def test_metric_is_part_of_the_identity(make_hdf5) -> None:
    path = make_hdf5()
    names = {open_file(path, metric).name for metric in ("angular", "euclidean", "inner_product")}
    assert len(names) == 3


def test_a_changed_file_is_noticed(make_hdf5, rng: np.random.Generator) -> None:
    path = make_hdf5()
    old = open_file(path)
    make_hdf5(train=rng.standard_normal((30, 8)).astype(np.float32))
    os.utime(path, ns=(1, 1))
    with pytest.raises(UserError, match="changed since"):
        open_cached(old.path)
    assert len(open_file(path).base) == 30


@pytest.mark.parametrize(
    "changed", ["rows.npy", "asked.npy", "words.txt", "downloads", "loader.py"]
)
def test_an_entry_is_made_again_when_a_file_of_it_changes(
    tmp_path: Path, cache: Path, changed: str
) -> None:
    rows = np.eye(6, dtype=np.float32)
    for name in ("rows.npy", "asked.npy"):
        np.save(tmp_path / name, rows)
    (tmp_path / "words.txt").write_text("\n".join("abcdef"))
    (tmp_path / "loader.py").write_text("# read by nothing here")
    options = {"queries": "asked.npy", "labels": "words.txt"}
    path = tmp_path / changed
    if changed == "downloads":
        path = cache / "downloads" / "placed.npy"
        path.parent.mkdir(parents=True)
        np.save(path, rows)
        options["queries"] = path.name
    source = Source("file", "npy", path="rows.npy", options=options)
    entry = DatasetDefinition(
        "mine", "", "", "euclidean", 6, 6, QuerySplit("file"), (source,), tmp_path, "x:1",
        loader="loader:load",
    )  # fmt: skip
    open_definition(entry)
    assert cached_path(entry) is not None
    path.write_bytes(path.read_bytes() + b"\nlimit = 3\n")
    assert cached_path(entry) is None


@pytest.fixture
def loaded(tmp_path: Path) -> DatasetDefinition:
    """An entry with a loader of its own."""
    np.save(tmp_path / "rows.npy", np.eye(6, dtype=np.float32))
    (tmp_path / "loader.py").write_text("limit = 2\n")
    source = Source("file", "npy", path="rows.npy")
    return DatasetDefinition(
        "mine", "", "", "euclidean", 6, 4, QuerySplit("first", first=4), (source,), tmp_path,
        "x:1", loader="loader:load",
    )  # fmt: skip


def test_comments_and_tests_of_a_loader_make_no_other_dataset(loaded: DatasetDefinition) -> None:
    open_definition(loaded)
    (loaded.folder / "loader.py").write_text("# Two are enough.\nlimit = 2\n")
    (loaded.folder / "test_loader.py").write_text("def test_limit(): pass\n")
    assert cached_path(loaded) is not None


def test_a_dataset_that_version_0_1_cached_stays(loaded: DatasetDefinition) -> None:
    path = open_definition(loaded).path
    with h5py.File(path, "r+") as file:
        file["annharness"].attrs["made_from"] = loading.recipe_of(loaded, with_code=False)
    made = path.stat().st_ino
    assert open_definition(loaded).path.stat().st_ino == made


def test_nan_is_named_by_row(make_hdf5, cache: Path) -> None:
    rows = np.ones((50, 4), np.float32)
    rows[17, 2] = np.nan
    error = refused(make_hdf5(train=rows, test=rows[:2]), cache, "not finite")
    assert "row 17" in (error.where or "")


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        ({"test": None}, "no dataset 'test'"),
        ({"train": None}, "no dataset 'train'"),
        ({"train": np.empty((0, 8), "f4")}, "too few"),
        ({"test": np.ones((1, 8), "f4")}, "too few queries"),
        ({"test": np.ones((5, 7), "f4")}, "differ in dimension"),
        ({"train": np.full((5, 8), np.inf, "f4")}, "not finite"),
        ({"train": np.full((5, 8), 1e300)}, "not finite"),
        ({"train": np.ones(7, "f4")}, "not a table"),
        ({"train": np.empty((9, 0), "f4"), "test": np.empty((9, 0), "f4")}, "no dimensions"),
        ({"train": np.ones((5, 8), "c8")}, "not real numbers"),
        ({"train": np.array([[b"a"] * 8])}, "not real numbers"),
        ({"point_type": "bit"}, "point_type"),
        ({"distance": "hamming"}, "metric of the file"),
        ({"distance": None}, "does not state its metric"),
        ({"type": "sparse"}, "dense"),
    ],
)
def test_bad_hdf5_is_refused(make_hdf5, cache: Path, parts: dict, match: str) -> None:
    refused(make_hdf5(**parts), cache, match)


def test_links_and_foreign_storage_are_refused(tmp_path: Path, make_hdf5, cache: Path) -> None:
    secret = make_hdf5("secret.hdf5")
    linked = tmp_path / "linked.hdf5"
    with h5py.File(linked, "w") as file:
        file["train"] = h5py.ExternalLink(str(secret), "train")
        file["test"] = h5py.SoftLink("/train")
    refused(linked, cache, "cannot be used", "angular")
    external = tmp_path / "external.hdf5"
    with h5py.File(external, "w") as file:
        outside = [(str(secret), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("train", (10, 4), "f4", external=outside)
        file["test"] = np.ones((3, 4), "f4")
    refused(external, cache, "cannot be used", "angular")
    virtual = tmp_path / "virtual.hdf5"
    with h5py.File(virtual, "w") as file:
        layout = h5py.VirtualLayout((200, 8), "f4")
        layout[:] = h5py.VirtualSource(str(secret), "train", (200, 8))
        file.create_virtual_dataset("train", layout)
        file["test"] = np.ones((3, 8), "f4")
    refused(virtual, cache, "cannot be used", "angular")


def test_rows_that_are_only_claimed_are_refused(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "huge.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("train", (10**12, 100), "f4", chunks=(1000, 100))
        file["test"] = np.ones((3, 100), "f4")
    refused(path, cache, "cannot be used", "angular")


def test_a_truncated_file_is_refused(make_hdf5, cache: Path) -> None:
    path = make_hdf5()
    content = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(content[: int(len(content) * share)])
        refused(path, cache, "cannot|no dataset")


def test_a_missing_file_and_another_kind(tmp_path: Path, cache: Path) -> None:
    refused(tmp_path / "none.hdf5", cache, "no such file")
    np.save(tmp_path / "rows.npy", np.ones((3, 3)))
    error = refused(tmp_path / "rows.npy", cache, "base and queries")
    assert "--holdout" in (error.hint or "")


def test_a_read_only_cache_is_told(
    make_hdf5, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("ANNHARNESS_DATA", str(blocked / "cache"))
    with pytest.raises(UserError, match="cache folder"):
        open_file(make_hdf5())


def test_opening_needs_little(make_hdf5) -> None:
    dataset = open_file(make_hdf5())
    heavy = ["pandas", "scipy", "faiss", "numba", "pyarrow", "sklearn", "rich", "pooch"]
    code = (
        "import sys; from pathlib import Path; from harness.data.cache.cached import open_cached;"
        f"open_cached(Path({str(dataset.path)!r}));"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_that_another_run_cached_meanwhile_is_not_written_again(
    tmp_path, write_small_hdf5, monkeypatch
):
    """Writing it again changed the file under the run that had begun to use it."""
    path = write_small_hdf5(tmp_path / "small.hdf5", "angular")
    lock, first = loading.cache_lock, []

    @contextmanager
    def after_another(name):
        monkeypatch.setattr(loading, "cache_lock", lock)
        first.append(open_file(path))
        with lock(name):
            yield

    monkeypatch.setattr(loading, "cache_lock", after_another)
    second = open_file(path)
    first[0].require_unchanged()
    assert second.path == first[0].path
