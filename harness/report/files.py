"""Writing of report files: whole or not at all, into folders that are created."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.contracts import UserError
from harness.whole_files import replacing


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place at once.

    Raises
    ------
    UserError
        If the folder cannot be made or written, or the disk is full.
    """
    try:
        with replacing(path) as temporary:
            write(temporary)
    except OSError as error:
        raise UserError(
            "cannot write a file", where=str(path), got=str(error), hint="another folder or disk"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with newlines as they are, whole or not at all."""
    write_whole(path, lambda temporary: temporary.write_bytes(text.encode("utf-8")))
