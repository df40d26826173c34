"""The exception for mistakes that the user can correct, and the hint at a mistyped name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from harness.text import clean

_LINE_CHARACTERS = 500


class UserError(Exception):
    """Bad input, with what the user needs to correct it. No traceback is shown; exit status 2.

    Parameters
    ----------
    what
        What is wrong, in one sentence without a full stop.
    where
        The file and line, the option or the array.
    expected, got
        What was expected, and what came instead.
    hint
        What to do next.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.got = got
        self.hint = hint
        super().__init__(self.describe())

    def describe(self) -> str:
        """Return the whole message, one fact a line, without control characters."""
        facts = {
            "where": self.where,
            "expected": self.expected,
            "got": self.got,
            "try": self.hint,
        }
        lines = [clean(line, _LINE_CHARACTERS) for line in self.what.split("\n")]
        lines += [f"  {name + ':':<10}{clean(fact)}" for name, fact in facts.items() if fact]
        return "\n".join(lines)


class BrokenFile(UserError):
    """A file is damaged, cut short, of another format, or other than its hash says."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known names, or all of them if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    near = [one for one in names if one.lower() == name.lower()] or near
    if near:
        return "did you mean " + " or ".join(repr(candidate) for candidate in near) + "?"
    if not names:
        return "none is known here"
    shown = ", ".join(names[:20])
    return f"known: {shown}" + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
