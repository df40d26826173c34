"""Marks beside fetched files that were not read yet: what has none may be placed by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.contracts import UserError
from harness.data.cache.cached import file_state


def mark(whole: Path, place: Path) -> None:
    """Mark a fetched file or folder, which is moved to `place` next."""
    _mark_of(place).write_text(_state(whole), encoding="utf-8")


def is_marked(place: Path) -> bool:
    """Whether this was fetched, not read yet, and not replaced since."""
    try:
        return _mark_of(place).read_text(encoding="utf-8") == _state(place)
    except (OSError, UserError):
        return False


def unmark(place: Path) -> None:
    """Remove the mark, if there is one."""
    _mark_of(place).unlink(missing_ok=True)


def moved_aside(place: Path) -> Path:
    """Move a marked file or folder away, so that the next run fetches it again."""
    aside = place.with_name(f".{place.name}.refused")
    shutil.rmtree(aside, ignore_errors=True)
    place.replace(aside)
    unmark(place)
    return aside


def _mark_of(place: Path) -> Path:
    # Its name begins with no dot: `annharness data clean` removes it with the downloads only.
    return place.with_name(f"{place.name}.fetched")


def _state(place: Path) -> str:
    return " ".join(file_state(path) for path in sorted(place.glob("*")) or [place])
