"""Where rows come from: the sources of an entry, tried in order."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.contracts import UserError, Vectors
from harness.contracts.definitions import DatasetDefinition, Source
from harness.data.cached import file_state
from harness.data.formats import read_vectors
from harness.data.progress import Progress
from harness.data.words import Words


def obtain(definition: DatasetDefinition, progress: Progress) -> tuple[Vectors, Source]:
    """Return the rows from the first source that can be had, and which it was.

    Raises
    ------
    UserError
        If none can, with the reason for each.
    """
    reasons = []
    for source in definition.sources:
        try:
            return _read(source, definition, progress), source
        except UserError as error:
            reasons.append(error)
    if len(reasons) == 1:
        raise reasons[0]
    tried = "\n".join(reason.describe() for reason in reasons)
    raise UserError(f"no source of {definition.name} can be had\n{tried}", where=definition.origin)


def source_state(source: Source, folder: Path) -> dict[str, Any]:
    """Return what tells whether rows cached from this source are still the same."""
    facts = dataclasses.asdict(source)
    if source.kind in ("bundled", "file") and source.sha256 is None:
        path = folder / (source.path or "")
        facts["state"] = file_state(path) if path.exists() else None
    return facts


def _read(source: Source, definition: DatasetDefinition, progress: Progress) -> Vectors:
    path = definition.folder / Path(source.path or "").expanduser()
    if not path.is_file():
        raise UserError("there is no such file", where=str(path))
    verify(path, source, progress)
    vectors = read_vectors(path, source.format)
    labels = source.options.get("labels")
    if labels is None:
        return vectors
    return dataclasses.replace(vectors, labels=read_words(path.parent / str(labels)))


def verify(path: Path, source: Source, progress: Progress) -> None:
    """Check the size and hash of a file against its source's, as far as they are known.

    Raises
    ------
    UserError
        If they differ.
    """
    size = path.stat().st_size
    if source.bytes is not None and size != source.bytes:
        raise UserError(
            "the file has another size than recorded",
            where=str(path),
            expected=f"{source.bytes:,} bytes",
            got=f"{size:,} bytes",
        )
    if source.sha256 is not None:
        got = sha256_of(path, progress)
        if got != source.sha256:
            raise UserError(
                "the file has another sha256 than recorded",
                where=str(path),
                expected=source.sha256,
                got=got,
            )


def sha256_of(path: Path, progress: Progress) -> str:
    """Return the sha256 (hex) of a file."""
    digest = hashlib.sha256()
    size, done = path.stat().st_size, 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            done += len(chunk)
            progress(f"hashing {path.name}", done, size)
    return digest.hexdigest()


def read_words(path: Path) -> Sequence[str]:
    """Read one name per line; only a line feed ends a line, whatever else Unicode calls one."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"cannot read the labels: {error.strerror}", where=str(path)) from error
    if lines and not lines[-1]:
        lines.pop()
    return Words.pack(line.decode("utf-8", "surrogateescape") for line in lines)
