"""Readers and writers of vector files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.contracts import UserError, Vectors
from harness.data.formats.table import FORMATS, format_named, format_of

__all__ = ["FORMATS", "format_named", "format_of", "read_vectors"]


def read_vectors(path: Path, format_name: str, options: Mapping[str, Any] | None = None) -> Vectors:
    """Read a file in a named format.

    Raises
    ------
    UserError
        If the format is not known or the file is not in it.
    """
    chosen = format_named(format_name)
    if not path.is_file():
        raise UserError("there is no such file", where=str(path))
    try:
        return chosen.read(path, options or {})
    except (OSError, MemoryError) as error:
        got = str(error) or type(error).__name__
        raise UserError("cannot read the file", where=str(path), got=got) from error
