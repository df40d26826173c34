"""Bombs, full disks and kills: bounded memory, a clear error, nothing left behind."""

from __future__ import annotations

import gzip
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition, QuerySplit, Source
from harness.data.formats import read_vectors
from harness.data.formats.archives import extract_member
from harness.data.loading import open_definition, open_file


def run_python(code: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own; it prints its peak memory in MiB at the end."""
    wrapped = textwrap.dedent(code) + textwrap.dedent(
        """
        # not ru_maxrss, which begins with the size of the process that started this one
        peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
        print("peak", int(peak[0].split()[1]) // 1024)
        """
    )
    return subprocess.run(
        [sys.executable, "-c", wrapped], capture_output=True, text=True, timeout=120
    )


def peak_of(done: subprocess.CompletedProcess[str]) -> int:
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.mark.parametrize("kind", ["gz", "zip"])
@pytest.mark.parametrize("line", ["", "a" + 60 * " 1" + "\n"], ids=["zeros", "rows"])
def test_a_text_bomb_is_refused_in_little_memory(
    tmp_path: Path, cache: Path, kind: str, line: str
) -> None:
    path = tmp_path / f"bomb.{kind}"
    text = line.encode() or bytes(8)
    chunk = text * ((1 << 20) // len(text))
    if kind == "gz":
        with gzip.open(path, "wb", compresslevel=6) as out:
            for _ in range(60):
                out.write(chunk)
    else:
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("bomb.txt", "w") as member,
        ):
            for _ in range(60):
                member.write(chunk)
    done = run_python(
        f"""
        from pathlib import Path
        from harness.contracts import UserError
        from harness.data.formats import read_vectors
        try:
            read_vectors(Path({str(path)!r}), "glove-text")
        except UserError as error:
            print(error.what)
        else:
            raise SystemExit("it was read")
        """,
        cache,
    )
    assert peak_of(done) < 600


def test_a_compressed_hdf5_bomb_is_refused(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "bomb.hdf5"
    with h5py.File(path, "w") as file:
        table = file.create_dataset(
            "train", (10**9, 1000), "f4", chunks=(10_000, 1000), compression="gzip"
        )
        table[:10_000] = 0
        file["test"] = np.ones((3, 1000), "f4")
    with pytest.raises(UserError, match=r"cannot be used|not enough memory"):
        open_file(path, "angular")


def test_a_member_longer_than_declared_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lies.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.npy", bytes(100_000))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (500).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UserError, match="archive is broken"):
        extract_member(path, "rows.npy", tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


def test_a_huge_member_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "huge.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.npy", bytes(100_000))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (0xFFFF_FFF0).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"archive is broken|disk space"):
        extract_member(path, "rows.npy", tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"!<arch>\n", b"\x1f\x8b\x08", b"\0" * 600]
)
def test_broken_archives_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(UserError):
        extract_member(path, "rows.npy", tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


def test_a_link_in_a_tar_leads_nowhere(tmp_path: Path) -> None:
    import tarfile

    path = tmp_path / "links.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        link = tarfile.TarInfo("rows.npy")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(UserError, match="no regular file"):
        extract_member(path, "rows.npy", tmp_path / "out.npy")


def test_a_full_disk_leaves_nothing(cache: Path) -> None:
    # A limit on the size of files fails writes as a full disk does.
    done = run_python(
        """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        from harness.contracts import UserError
        from harness.data.loading import open_definition
        from harness.registry.registry import load_registry
        try:
            open_definition(load_registry().dataset("glove-50-10k"))
        except UserError as error:
            print(error.what)
        else:
            raise SystemExit("it was written")
        """,
        cache,
    )
    assert "cannot write the file" in done.stdout, done.stderr
    left = [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


def test_glove_text_from_a_zip_placed_by_hand(tmp_path: Path, cache: Path) -> None:
    with zipfile.ZipFile(tmp_path / "glove.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("two.txt", "".join(f"w{i} {i} 1\n" for i in range(40)))
        archive.writestr("three.txt", "".join(f"w{i} {i} 1 2\n" for i in range(40)))
    source = Source("file", "glove-text", path="glove.zip", member="three.txt")
    split = QuerySplit("first", first=30)
    definition = DatasetDefinition(
        "words", "", "", "angular", 3, 30, split, (source,), tmp_path, "x:1"
    )
    dataset = open_definition(definition)
    assert dataset.labels is not None
    assert list(dataset.labels.queries) == [f"w{i}" for i in range(30, 40)]
    assert dataset.queries[:, 0].tolist() == list(range(30, 40))
    assert not list(cache.glob("downloads/.unpacked*"))


@pytest.mark.parametrize("count", [5, None])
def test_queries_drawn_from_the_rest(tmp_path: Path, count: int | None) -> None:
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    np.save(tmp_path / "rows.npy", rows)
    source = Source("file", "npy", path="rows.npy")
    split = QuerySplit("first", first=12, count=count, seed=9)
    definition = DatasetDefinition(
        "rows", "", "", "euclidean", 2, 12, split, (source,), tmp_path, "x:1"
    )
    dataset = open_definition(definition)
    assert np.array_equal(dataset.base, rows[:12])
    drawn = np.arange(8) if count is None else np.random.default_rng(9).choice(8, 5, replace=False)
    assert np.array_equal(dataset.queries, rows[12 + drawn])


def test_an_entry_that_promises_other_rows_is_refused(tmp_path: Path, cache: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((20, 2)))
    source = Source("file", "npy", path="rows.npy")
    for base, dimension in ((13, 2), (12, 3)):
        definition = DatasetDefinition(
            "rows",
            "",
            "",
            "euclidean",
            dimension,
            base,
            QuerySplit("first", first=12),
            (source,),
            tmp_path,
            "config.yml:7",
        )
        with pytest.raises(UserError, match="what the entry says") as caught:
            open_definition(definition)
        assert caught.value.where == "config.yml:7"
    assert not list(cache.glob("datasets/*"))


def test_a_loader_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "datasets" / "own_rows"
    folder.mkdir(parents=True)
    (folder / "rows.bin").write_bytes(np.arange(60, dtype="<f8").tobytes())
    (folder / "loader.py").write_text(
        "import numpy as np\n"
        "from harness.contracts import Vectors\n"
        "def load(path, options):\n"
        "    return Vectors(rows=np.fromfile(path, '<f8').reshape(-1, options['d']))\n"
    )
    (folder / "config.yml").write_text(
        "own-rows:\n  about: Own.\n  licence: own\n  metric: euclidean\n"
        "  dimension: 3\n  base: 15\n"
        "  queries: {draw: random, count: 5}\n  loader: 'loader:load'\n  sources:\n"
        "    - {kind: bundled, path: rows.bin, format: loader, options: {d: 3}}\n"
    )
    from harness.registry.registry import load_registry

    dataset = open_definition(load_registry([tmp_path]).dataset("own-rows"))
    assert dataset.base.shape == (15, 3)


def test_labels_stay_with_their_rows(tmp_path: Path) -> None:
    lines = [f"w{i} {i} {i * i}" for i in range(50)]
    (tmp_path / "rows.txt").write_text("\n".join(lines) + "\n")
    source = Source("file", "glove-text", path="rows.txt")
    split = QuerySplit("random", count=10, seed=2)
    definition = DatasetDefinition(
        "rows", "", "", "euclidean", 2, 40, split, (source,), tmp_path, "x:1"
    )
    dataset = open_definition(definition)
    assert dataset.labels is not None
    for words, rows in (
        (dataset.labels.base, dataset.base),
        (dataset.labels.queries, dataset.queries),
    ):
        assert list(words) == [f"w{int(value)}" for value in rows[:, 0]]


def test_vectors_of_many_kinds_of_numbers(tmp_path: Path) -> None:
    rows = np.asfortranarray(np.arange(24).reshape(8, 3))
    for dtype in ("f2", ">f8", "i2", "u1"):
        np.save(tmp_path / "rows.npy", rows.astype(dtype))
        assert np.array_equal(read_vectors(tmp_path / "rows.npy", "npy").rows, rows)
