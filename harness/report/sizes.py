"""Texts of index sizes, with marks for those that are measured and not computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.report.quantities import Unit, human

MEASURED = ("measured", "measured, below the rows")
"""The scopes of sizes that are growth of memory; see `harness.measures.sizes`."""

_MARKS = {"measured": "~", "measured, below the rows": "~?"}
_NOTES = {
    "~": "~ size measured as growth of the process's memory, not computed",
    "?": "? measured size, but less than the rows alone: what was allocated before is not in it",
}


def size_mark(scope: object) -> str:
    """Return "~" for a measured size, "~?" for one that cannot hold the rows, else ""."""
    return _MARKS.get(str(scope), "")


def size_text(row: Mapping[str, Any], column: str = "bytes_per_vector", unit: Unit = "") -> str:
    """Return a size of a row of the table such as "213", "~213" or "~10.2?"."""
    mark = size_mark(row.get("size_scope"))
    return f"{mark[:1]}{human(row[column], unit)}{mark[1:]}"


def size_notes(scopes: Iterable[object]) -> list[str]:
    """Return the meaning of the marks of these scopes, each once."""
    found = "".join(map(size_mark, scopes))
    return [note for mark, note in _NOTES.items() if mark in found]
