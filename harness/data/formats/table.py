"""The formats by name and by the ending of file names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts import UserError, Vectors
from harness.data.formats.hdf5 import read_hdf5
from harness.data.formats.idx import read_idx, write_idx
from harness.data.formats.npy import read_npy

Options = Mapping[str, Any]
Reader = Callable[[Path, Options], Vectors]
Writer = Callable[[Path, Vectors], None]


@dataclass(frozen=True)
class Format:
    """A way to keep vectors in a file. `write` is None where only reading makes sense."""

    name: str
    endings: tuple[str, ...]
    read: Reader
    write: Writer | None = None


def _plain(read: Callable[[Path], Vectors]) -> Reader:
    return lambda path, options: read(path)


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("hdf5", (".hdf5", ".h5"), _plain(read_hdf5)),
        Format("idx", ("-ubyte", "-ubyte.gz", ".idx", ".idx.gz"), _plain(read_idx), write_idx),
        Format("npy", (".npy",), _plain(read_npy)),
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


def format_of(path: Path) -> str | None:
    """Return the name of the format that the file's name tells, None if it tells none."""
    name = path.name.lower()
    matches = [
        (len(ending), one.name)
        for one in FORMATS.values()
        for ending in one.endings
        if name.endswith(ending)
    ]
    return max(matches)[1] if matches else None
