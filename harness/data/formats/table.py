"""The formats by name and by the ending of file names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import UserError, Vectors
from harness.contracts.definitions import Parameters
from harness.data.formats.binary import (
    bin_reader,
    bin_writer,
    read_idx,
    vecs_reader,
    vecs_writer,
    write_idx,
)
from harness.data.formats.csv_rows import read_csv
from harness.data.formats.hdf5 import read_hdf5
from harness.data.formats.jsonl import read_jsonl
from harness.data.formats.numpy_files import read_npy, read_npz, write_npy
from harness.data.formats.parquet import read_parquet, write_parquet
from harness.data.formats.synthetic import make_synthetic
from harness.data.formats.word_vectors import (
    read_text,
    read_word2vec,
    write_glove_text,
    write_word2vec,
    write_word2vec_text,
)

Reader = Callable[[Path, Parameters], Vectors]
"""Reads a file, with the options of its source.

It raises `UserError` for what is not in the format. It may map the file instead of reading it, and
asks `require_memory` before it makes an array of a size that the file states.
"""

Writer = Callable[[Path, Vectors], None]


@dataclass(frozen=True)
class Format:
    """A file format of vectors.

    `write` is None for formats that are only read, and for `hdf5`, which holds a whole dataset and
    is written by `harness.data.converting`. `has_columns`: `options["column"]` chooses among them.
    """

    name: str
    endings: tuple[str, ...]
    read: Reader
    write: Writer | None = None
    has_columns: bool = False


def _plain(read: Callable[[Path], Vectors]) -> Reader:
    return lambda path, options: read(path)


def _binary(kind: str, ending: str, code: str) -> Format:
    read, write = {"vecs": (vecs_reader, vecs_writer), "bin": (bin_reader, bin_writer)}[kind]
    return Format(ending, (f".{ending}",), _plain(read(code)), write(code))


_TEXT_ENDINGS = (".txt", ".txt.gz", ".txt.zip", ".zip")
_JSON_ENDINGS = (".jsonl", ".jsonl.gz", ".ndjson")
FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("hdf5", (".hdf5", ".h5"), _plain(read_hdf5)),
        Format("glove-text", _TEXT_ENDINGS, read_text, write_glove_text),
        Format("word2vec-text", (".vec", ".vec.gz"), read_text, write_word2vec_text),
        Format("word2vec-binary", (".w2v", ".word2vec"), _plain(read_word2vec), write_word2vec),
        _binary("vecs", "fvecs", "<f4"),
        _binary("vecs", "bvecs", "u1"),
        _binary("vecs", "ivecs", "<i4"),
        _binary("bin", "fbin", "<f4"),
        _binary("bin", "u8bin", "u1"),
        _binary("bin", "i8bin", "i1"),
        _binary("bin", "ibin", "<i4"),
        Format("npy", (".npy",), _plain(read_npy), write_npy),
        Format("parquet", (".parquet", ".pq"), read_parquet, write_parquet, True),
        Format("npz", (".npz",), read_npz, has_columns=True),
        Format("csv", (".csv",), read_csv, has_columns=True),
        Format("jsonl", _JSON_ENDINGS, read_jsonl, has_columns=True),
        Format("idx", ("-ubyte", "-ubyte.gz", ".idx", ".idx.gz"), _plain(read_idx), write_idx),
        Format("synthetic", (), make_synthetic),
    )
}


def format_named(name: str) -> Format:
    """Return a format by its name.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    if name not in FORMATS:
        raise UserError(f"unknown format {name!r}", expected="one of " + ", ".join(sorted(FORMATS)))
    return FORMATS[name]


def required_format(path: Path, named: str | None, hint: str) -> str:
    """Return the format named, or else the one that the ending of the file stands for.

    Raises
    ------
    UserError
        If neither tells one; `hint` says how to name it.
    """
    found = named or format_of(path)
    if found is None:
        raise UserError(
            "no format has the ending of this file",
            where=str(path),
            expected=", ".join(sorted(ending for f in FORMATS.values() for ending in f.endings)),
            hint=hint,
        )
    return found


def format_of(path: Path) -> str | None:
    """Return the format that the ending of a file's name stands for, None if it is unknown."""
    name = path.name.lower()
    matches = [
        (len(ending), one.name)
        for one in FORMATS.values()
        for ending in one.endings
        if name.endswith(ending)
    ]
    return max(matches)[1] if matches else None
