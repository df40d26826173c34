"""Sizes and hashes of source files, checked if known; an unknown hash is recorded when fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.contracts.definitions import Source
from harness.data.cache.folder import cache_lock, cache_subfolder
from harness.errors import BrokenFile
from harness.files.hashes import sha256_of
from harness.files.progress import Progress, silent
from harness.files.replacing import written_whole


def verify(
    path: Path, source: Source, progress: Progress = silent, *, is_recorded: bool = False
) -> None:
    """Check the size and hash of a file against its source's, as far as they are known.

    Parameters
    ----------
    path, source, progress
        The file, what it is of, and whom to tell.
    is_recorded
        Whether the hash is that of the first fetch; the publisher may have changed the file since.

    Raises
    ------
    BrokenFile
        If they differ.
    """
    size = path.stat().st_size
    if source.bytes is not None and size != source.bytes:
        raise BrokenFile(
            "the file has another size than recorded",
            where=str(path),
            expected=f"{source.bytes:,} bytes",
            got=f"{size:,} bytes",
        )
    if source.sha256 is not None:
        got = sha256_of(path, progress)
        if got != source.sha256:
            raise BrokenFile(
                "the file has another sha256 than recorded",
                where=str(path),
                expected=source.sha256,
                got=got,
                hint=_of_change(source) if is_recorded else None,
            )


def _of_change(source: Source) -> str:
    return (
        "if its publisher changed the file, state the new sha256: in the entry, or remove "
        f"the record {_key(source)!r} from {_record_path()}"
    )


def with_recorded(source: Source) -> Source:
    """Return the source with the hash that its first fetch recorded, if any did."""
    if source.sha256 is not None or source.kind not in ("package", "url"):
        return source
    known = _records().get(_key(source))
    if known is None:
        return source
    return replace(source, sha256=str(known["sha256"]))


def record(source: Source, path: Path, progress: Progress = silent) -> None:
    """Record the hash of a file that was read, unless its source states it."""
    if source.sha256 is not None or source.kind not in ("package", "url"):
        return
    entry = {"sha256": sha256_of(path, progress)}
    with cache_lock("recorded-hashes"):
        records = {**_records(), _key(source): entry}
        with written_whole(_record_path()) as temporary:
            temporary.write_text(json.dumps(records, indent=1, sort_keys=True), encoding="utf-8")


def _record_path() -> Path:
    return cache_subfolder("records") / "sha256.json"


def _records() -> Mapping[str, dict[str, str]]:
    try:
        records = json.loads(_record_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return records if isinstance(records, dict) else {}


def _key(source: Source) -> str:
    return " ".join(part for part in (source.package or source.url, source.member) if part)
