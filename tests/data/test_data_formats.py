"""Every format: what is written reads back the same; what is broken is refused, within bounds."""

from __future__ import annotations

import gzip
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from harness.contracts import UserError, Vectors
from harness.data.converting import convert
from harness.data.formats import FORMATS, format_of, read_labels, read_vectors
from harness.data.formats.hdf5 import metric_of, read_truth
from harness.data.loading import open_file

FUZZ = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TABLES = sorted(name for name, one in FORMATS.items() if one.write)
TYPES = {
    "bvecs": "u1",
    "ivecs": "i4",
    "u8bin": "u1",
    "i8bin": "i1",
    "ibin": "i4",
}
NAMED = ("glove-text", "word2vec-text", "word2vec-binary", "parquet")


def values_of(name: str) -> st.SearchStrategy:
    dtype = np.dtype(TYPES.get(name, "f4"))
    if dtype.kind == "f":
        return npst.from_dtype(dtype, allow_nan=False, allow_infinity=False)
    return npst.from_dtype(dtype)


def write(name: str, path: Path, rows: np.ndarray, labels: list[str] | None = None) -> Path:
    writer = FORMATS[name].write
    assert writer is not None
    writer(path, Vectors(rows=rows, labels=labels))
    return path


def path_for(name: str, folder: Path) -> Path:
    return folder / f"rows{FORMATS[name].endings[0]}"


def sample(name: str, folder: Path, n: int = 20, d: int = 6) -> Path:
    rows = np.random.default_rng(0).integers(0, 100, (n, d)).astype(TYPES.get(name, "f4"))
    labels = [f"word{i}" for i in range(n)]
    return write(name, path_for(name, folder), rows, labels)


@pytest.mark.parametrize("name", TABLES)
@FUZZ
@given(data=st.data())
def test_round_trip(tmp_path: Path, name: str, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 9)))
    dtype = np.dtype(TYPES.get(name, "f4"))
    rows = data.draw(npst.arrays(dtype, shape, elements=values_of(name)))
    word = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs")), min_size=1, max_size=9)
    labels = data.draw(st.lists(word, min_size=shape[0], max_size=shape[0]))
    back = read_vectors(write(name, path_for(name, tmp_path), rows, labels), name)
    assert np.array_equal(np.asarray(back.rows), rows)
    if name in NAMED:
        assert back.labels is not None
        assert list(back.labels) == labels


@pytest.mark.parametrize("name", TABLES)
@FUZZ
@given(data=st.data())
def test_damaged_files_are_refused_or_read(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """Change, cut or fill a good file at random: rows or a UserError, never another exception."""
    content = bytearray(sample(name, tmp_path).read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    content = content[:cut] + data.draw(st.binary(max_size=20))
    path = tmp_path / f"damaged{FORMATS[name].endings[0]}"
    path.write_bytes(content)
    read_or_refuse(path, name)


@pytest.mark.parametrize("name", sorted(FORMATS))
@FUZZ
@given(content=st.binary(max_size=300))
def test_noise_is_refused_or_read(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / f"noise{(FORMATS[name].endings or ('',))[0]}"
    path.write_bytes(content)
    read_or_refuse(path, name)


def read_or_refuse(path: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(left out|is the file whole)")
        try:
            vectors = read_vectors(path, name)
        except UserError as error:
            assert error.where or error.expected  # noqa: PT017 - either outcome is right
        else:
            assert vectors.rows.nbytes < 1 << 20


@pytest.mark.parametrize("name", TABLES)
def test_truncations_are_refused(tmp_path: Path, name: str) -> None:
    content = sample(name, tmp_path).read_bytes()
    path = tmp_path / f"cut{FORMATS[name].endings[0]}"
    cuts = {0, 1, 3, 7, len(content) // 3 + 1, len(content) // 2 + 1, len(content) - 3}
    for length in cuts:
        if name == "glove-text" and content[:length].endswith(b"\n"):
            length -= 2  # cut at the end of a line it would be a whole, smaller file
        path.write_bytes(content[:length])
        if may_be_whole(name, content, length):
            with pytest.warns(UserWarning, match="is the file whole"):
                read_vectors(path, name)
        else:
            refuse_quietly(path, name)


def may_be_whole(name: str, content: bytes, length: int) -> bool:
    """A last number that is cut short is still a number: nobody can tell."""
    if name == "word2vec-text":  # says how many rows there are
        return length == len(content) - 3
    lines = [line.split() for line in content[:length].split(b"\n")]
    return name == "glove-text" and len(lines[-1]) == len(lines[0]) >= 2


def refuse_quietly(path: Path, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UserError):
            read_vectors(path, name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("fbin", struct.pack("<II", 4_000_000_000, 4_000_000_000) + bytes(64)),
        ("fbin", struct.pack("<II", 0, 8)),
        ("fbin", struct.pack("<II", 8, 0)),
        ("fvecs", struct.pack("<i", 2_000_000_000) + bytes(64)),
        ("fvecs", struct.pack("<i", -1) + bytes(64)),
        ("fvecs", struct.pack("<i", 0) * 16),
        ("fvecs", struct.pack("<i2f", 2, 1, 2) + struct.pack("<i2f", 3, 1, 2)),
        ("idx", struct.pack(">HBB3I", 0, 8, 3, 4_000_000_000, 28, 28) + bytes(64)),
        ("idx", struct.pack(">HBB", 0, 8, 200) + bytes(800)),
        ("idx", struct.pack(">HBB", 0, 99, 1) + bytes(8)),
        ("word2vec-binary", b"1000000000000 300\n" + bytes(64)),
        ("word2vec-binary", b"0 3\n"),
        ("word2vec-text", b"1000000000000 3\nthe 1 2 3\n"),
        ("word2vec-text", b"2 3\nthe 1 2 3\n"),
        ("glove-text", b""),
        ("glove-text", b"the\nof\nand\n"),
        ("glove-text", b"a 1 2 3\nb 1 2\nc 1 2 3\nd 1 2\n" * 50),
        ("glove-text", b"the 1 2 3\nof 1 2 x"),
        ("glove-text", bytes(20 << 20)),
        ("npy", b"\x93NUMPY\x01\x00F\x00{'descr':'<f4','fortran_order':False,'shape':(10**12,9)}"),
        ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(64)),
    ],
)
def test_hostile_headers_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = path_for(name, tmp_path)
    path.write_bytes(content)
    with pytest.raises(UserError):
        read_vectors(path, name)


def test_npy_headers_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.npy"
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 100)}
    with path.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        out.write(bytes(400))
    with pytest.raises(UserError, match="npy"):
        read_vectors(path, "npy")


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "executed",))

    path = tmp_path / "trap.npy"
    np.save(path, np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="npy"):
        read_vectors(path, "npy")
    assert not (tmp_path / "executed").exists()


def test_a_gzip_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.idx.gz"
    header = struct.pack(">HBB2I", 0, 0x0E, 2, 4_000_000_000, 4_000)
    path.write_bytes(gzip.compress(header + bytes(1 << 20)))
    with pytest.raises(UserError, match="IDX"):
        read_vectors(path, "idx")


def test_gzipped_idx_keeps_its_shape(tmp_path: Path) -> None:
    images = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    path = tmp_path / "images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 5, 4, 3) + images.tobytes()))
    assert format_of(path) == "idx"
    assert np.array_equal(read_vectors(path, "idx").rows, images.reshape(5, 12))


REAL_LIFE = (
    "the 0.418 -0.24968 1e-05\n"
    ". . . 1 2 3\n"
    "at name@domain.com 4 5 6\n"
    " 7 8 9\n"
    "a\u2028b 1.5 2.5 3.5\r\n"
    "c\u0085d -1 -2 -3\n"
    "\n"
    "<unk> 0.123456789012345678901234567890 1 2\n"
    "last +1 .5 5."
)


def check_real_life(vectors: Vectors) -> None:
    assert vectors.labels is not None
    assert list(vectors.labels) == [
        "the",
        ". . .",
        "at name@domain.com",
        "",
        "a\u2028b",
        "c\u0085d",
        "<unk>",
        "last",
    ]
    assert vectors.rows.dtype == np.float32
    assert vectors.rows[0].tolist() == np.float32([0.418, -0.24968, 1e-05]).tolist()
    assert vectors.rows[3].tolist() == [7, 8, 9]
    assert vectors.rows[7].tolist() == [1, 0.5, 5]


def test_text_as_in_real_life(tmp_path: Path) -> None:
    plain = tmp_path / "glove.txt"
    plain.write_text(REAL_LIFE, encoding="utf-8", newline="")
    with pytest.warns(UserWarning, match="is the file whole"):
        check_real_life(read_vectors(plain, "glove-text"))
    packed = tmp_path / "glove.txt.gz"
    packed.write_bytes(gzip.compress(REAL_LIFE.encode() + b"\n"))
    check_real_life(read_vectors(packed, "glove-text"))
    archive = tmp_path / "glove.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("glove.2d.txt", "x 1 2\ny 3 4\n")
        out.writestr("glove.3d.txt", REAL_LIFE + "\n")
    check_real_life(read_vectors(archive, "glove-text", {"member": "glove.3d.txt"}))
    with pytest.raises(UserError, match="several files"):
        read_vectors(archive, "glove-text")


def test_a_few_broken_lines_are_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    lines = [f"word{i} 1 2 3" for i in range(50)]
    lines[7] = "short 1 2"
    lines[30] = "long 1.5 2.5 3.5 4.5"
    path.write_text("\n".join(lines) + "\n")
    with pytest.warns(UserWarning, match="number 8, 31"):
        vectors = read_vectors(path, "glove-text")
    assert len(vectors.rows) == 48
    assert vectors.labels is not None
    assert "word8" in vectors.labels


@FUZZ
@given(
    values=st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False, width=64).map(repr),
            st.decimals(allow_nan=False, allow_infinity=False, places=6).map(str),
            st.from_regex(
                r"[-+]?[0-9]{1,25}(\.[0-9]{0,25})?([eE][-+]?[0-9]{1,2})?", fullmatch=True
            ),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_numbers_are_read_as_python_reads_them(tmp_path: Path, values: list[str]) -> None:
    path = tmp_path / "one.txt"
    path.write_text("word " + " ".join(values) + "\n")
    with np.errstate(over="ignore"):
        expected = np.array([float(value) for value in values]).astype(np.float32)
    assert np.array_equal(read_vectors(path, "glove-text").rows[0], expected)


def test_parquet_lists_must_agree(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def refused(column: pa.Array, match: str) -> None:
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.table({"v": column}), path)
        with pytest.raises(UserError, match=match):
            read_vectors(path, "parquet")

    refused(pa.array([[1.0, 2.0], [1.0]]), "lists of")
    refused(pa.array([[1.0, 2.0], None]), "nulls")
    refused(pa.array([[1.0, None]]), "nulls")
    refused(pa.array([["a"]]), "no column holds vectors")
    refused(pa.array([1.0, 2.0]), "no column holds vectors")
    refused(pa.array([], pa.list_(pa.float32())), "no rows|lists of")


def test_parquet_column_by_name_and_fixed_lists(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6, dtype=np.float64)), 2)
    table = pa.table({"other": pa.array([[1], [2], [3]]), "v": rows, "w": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    vectors = read_vectors(tmp_path / "rows.parquet", "parquet", {"column": "v"})
    assert vectors.rows.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert list(vectors.labels or ()) == ["a", "b", "c"]


def damaged_text(tmp_path: Path, old: bytes, new: bytes) -> Path:
    """A sound Parquet file, some bytes of whose texts are replaced."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "text.parquet"
    table = pa.table({"the words": ["first word", "second word"], "v": [[1.0], [2.0]]})
    pq.write_table(table, path, compression="none", use_dictionary=False, store_schema=False)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize("old", [b"second", b"the words"])
@pytest.mark.parametrize("read", [lambda path: read_vectors(path, "parquet"), read_labels])
def test_parquet_text_that_is_no_utf8_is_refused(
    tmp_path: Path, read: Callable[[Path], object], old: bytes
) -> None:
    path = damaged_text(tmp_path, old, b"\xb2" * len(old))
    with pytest.raises(UserError, match=r"cannot read the Parquet file(?s:.*)text\.parquet"):
        read(path)


@pytest.mark.parametrize("name", ["names.pq", "NAMES.PARQUET"])
def test_names_are_read_from_parquet_by_any_of_its_endings(tmp_path: Path, name: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"names": ["one", "two"]}), tmp_path / name)
    assert list(read_labels(tmp_path / name)) == ["one", "two"]


def test_parquet_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    column = pa.array([[1.0], [2.0]])
    pq.write_table(pa.table([column, column], names=["v", "v"]), tmp_path / "twice.parquet")
    for options in ({}, {"column": "v"}):
        with pytest.raises(UserError, match="which column"):
            read_vectors(tmp_path / "twice.parquet", "parquet", options)


@pytest.mark.parametrize("name", ["distance", "point_type", "type"])
def test_hdf5_attribute_that_is_no_word_is_not_read(
    make_hdf5: Callable[..., Path], name: str
) -> None:
    path = make_hdf5(**{name: ["dense"] * 500})
    with pytest.raises(UserError, match=f"attribute {name}"):
        open_file(path)


def test_hdf5_names_that_are_no_text_are_refused(make_hdf5: Callable[..., Path]) -> None:
    path = make_hdf5(train=None, distance="chebyshev")
    with h5py.File(path, "a") as file:
        file[b"\xff\xfe"] = np.zeros(3)
    path.write_bytes(path.read_bytes().replace(b"chebyshev", b"cheby\x1bh\xdev"))
    with pytest.raises(UserError, match="no dataset 'train'"):
        read_vectors(path, "hdf5")
    with pytest.raises(
        UserError, match="cheby\N{REPLACEMENT CHARACTER}h\N{REPLACEMENT CHARACTER}v"
    ):
        metric_of(path)


def test_hdf5_neighbours_kept_elsewhere_are_not_read(make_hdf5: Callable[..., Path]) -> None:
    path = make_hdf5()
    with h5py.File(path, "a") as file:
        file["neighbors"] = h5py.ExternalLink("elsewhere.hdf5", "/neighbors")
    with pytest.raises(UserError, match="leads elsewhere"):
        read_truth(path)


@pytest.mark.parametrize("name", ["bvecs", "u8bin", "i8bin", "ibin", "ivecs"])
def test_lossy_writing_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="do not fit"):
        write(name, path_for(name, tmp_path), np.array([[0.5, 1e12]], np.float32))


def test_unknown_format_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown format"):
        read_vectors(tmp_path / "x", "mat")
    for name in FORMATS:
        with pytest.raises(UserError, match="no such file"):
            read_vectors(tmp_path / "missing", name)


@pytest.mark.parametrize(("ending", "name"), [("fvecs", "fvecs"), ("txt.gz", "glove-text")])
def test_convert_there_and_back(tmp_path: Path, ending: str, name: str) -> None:
    rows = np.random.default_rng(1).standard_normal((30, 4)).astype(np.float32)
    np.save(tmp_path / "a.npy", rows)
    convert(tmp_path / "a.npy", tmp_path / f"b.{ending}")
    convert(tmp_path / f"b.{ending}", tmp_path / "c.npy")
    assert np.array_equal(np.load(tmp_path / "c.npy"), rows)
    assert format_of(tmp_path / f"b.{ending}") == name
    assert len(list(tmp_path.iterdir())) == 3


def test_hdf5_is_not_packed(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((30, 4), np.float32))
    with pytest.raises(UserError, match="HDF5 files are not packed"):
        convert(tmp_path / "a.npy", tmp_path / "a.hdf5.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_converted_hdf5_is_a_dataset(tmp_path: Path, make_hdf5) -> None:
    import h5py

    from harness.contracts.definitions import QuerySplit

    rows = np.random.default_rng(1).standard_normal((130, 4)).astype(np.float32)
    np.save(tmp_path / "a.npy", rows)
    how = QuerySplit("random", count=10, seed=3)
    convert(tmp_path / "a.npy", tmp_path / "a.hdf5", how=how, metric="euclidean")
    dataset = open_file(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert sorted(file) == ["distances", "neighbors", "test", "train"]
        assert file.attrs["distance"] == "euclidean"
        assert np.array_equal(file["neighbors"][...], dataset.truth(100).ids)
    convert(tmp_path / "a.hdf5", tmp_path / "q.fbin", part="queries")
    assert np.array_equal(read_vectors(tmp_path / "q.fbin", "fbin").rows, dataset.queries)


def test_failed_conversions_leave_nothing(tmp_path: Path) -> None:
    rows = np.ones((5, 3), np.float32)
    rows[2, 1] = 0.5
    np.save(tmp_path / "a.npy", rows)
    before = sorted(tmp_path.iterdir())
    for target in ("b.bvecs", "b.hdf5", "b.unknown", "none/b.fbin", "a.npy"):
        with pytest.raises(UserError):
            convert(tmp_path / "a.npy", tmp_path / target)
    assert sorted(tmp_path.iterdir()) == before


def test_an_npy_header_that_ends_in_mid_statement_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.npy"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), \0\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UserError, match=r"cannot read the \.npy file"):
        read_vectors(path, "npy")
