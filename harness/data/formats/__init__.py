"""Readers and writers of vector files, and of the names of rows beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contracts import UserError, Vectors
from harness.contracts.definitions import Parameters
from harness.data.formats.parquet import read_words
from harness.data.formats.table import FORMATS, format_named, format_of, required_format
from harness.data.words import Words
from harness.files.paths import require_file

__all__ = ["FORMATS", "format_named", "format_of", "read_labels", "read_vectors", "required_format"]


def read_vectors(path: Path, format_name: str, options: Parameters | None = None) -> Vectors:
    """Read a file in a named format.

    Raises
    ------
    UserError
        If the format is not known or the file is not in it.
    """
    chosen = format_named(format_name)
    require_file(path)
    try:
        return chosen.read(path, options or {})
    except (OSError, MemoryError) as error:
        got = str(error) or type(error).__name__
        raise UserError("cannot read the file", where=str(path), got=got) from error


def read_labels(path: Path) -> Sequence[str]:
    """Read the names of rows.

    Only a line feed ends a line of text, not other line separators of Unicode. In a Parquet file,
    the names are the first column of texts.

    Raises
    ------
    UserError
        If the file cannot be read or holds no names.
    """
    try:
        return read_words(path) if format_of(path) == "parquet" else _of_text(path)
    except OSError as error:
        raise UserError(f"cannot read the labels: {error}", where=str(path)) from error


def _of_text(path: Path) -> Words:
    lines = path.read_bytes().split(b"\n")
    if not lines[-1]:
        lines.pop()
    return Words.pack(line.decode("utf-8", "surrogateescape") for line in lines)
