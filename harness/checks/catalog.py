"""All checks, in the order in which they are run and shown."""

from __future__ import annotations

from pathlib import Path

CHECKS = (
    "builds",
    "ids-valid",
    "base-not-written",
    "arguments-kept",
    "answers-stay",
    "read-only-inputs",
    "strided-inputs",
    "float64-inputs",
    "single-equals-batch",
    "k-one",
    "k-all",
    "k-beyond",
    "nearest-first",
    "settings-take-turns",
    "same-seed",
    "query-order",
    "twice-in-one-process",
    "fresh-process",
    "threads",
    "index-bytes",
    "diagnostics",
    "unknown-parameter",
    "bad-parameters",
    "recall",  # of each metric
    "group-builds",  # of each group
)


def files_of_checks() -> set[str]:
    """Return the names of the checks that have a file, to hold against `CHECKS`."""
    folder = Path(__file__).parent / "promises"
    return {path.stem.replace("_", "-") for path in folder.glob("*.py") if path.stem[0] != "_"}
