"""Row names beside the vectors: a text file with one per line, or a column of a Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.contracts import UserError
from harness.data.formats.parquet import read_words
from harness.data.words import Words


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
        return read_words(path) if path.suffix == ".parquet" else _of_text(path)
    except OSError as error:
        raise UserError(f"cannot read the labels: {error}", where=str(path)) from error


def _of_text(path: Path) -> Words:
    lines = path.read_bytes().split(b"\n")
    if not lines[-1]:
        lines.pop()
    return Words.pack(line.decode("utf-8", "surrogateescape") for line in lines)
