"""Names: which are allowed, and the nearest known one to a mistyped one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from harness.contracts import UserError

ENTRY_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
"""What users type: algorithms, datasets, suites."""

_MOST_CHARACTERS = 100


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known names, or all of them if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(repr(candidate) for candidate in near) + "?"
    if not names:
        return "none is known here"
    shown = ", ".join(names[:20])
    return f"known: {shown}" + (f", ... ({len(names)} in all)" if len(names) > 20 else "")


def check_entry_name(name: str, place: str) -> None:
    """Raise a `UserError` unless the name is one that users can type."""
    if not ENTRY_NAME.fullmatch(name) or len(name) > _MOST_CHARACTERS:
        raise UserError(
            f"an entry cannot be called {name!r}",
            where=place,
            expected=f"at most {_MOST_CHARACTERS} lower-case letters, digits, dots and hyphens, a "
            "letter or digit first",
        )
