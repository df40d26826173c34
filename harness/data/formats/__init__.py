"""Readers and writers of vector files."""

from __future__ import annotations

from pathlib import Path

from harness.contracts import UserError, Vectors
from harness.contracts.definitions import Parameters
from harness.data.formats.table import FORMATS, format_named, format_of
from harness.files.paths import require_file

__all__ = ["FORMATS", "format_named", "format_of", "read_vectors"]


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
