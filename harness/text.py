"""Text from outside (adapters, plug-ins, files), made fit to be stored and shown; plurals."""

from __future__ import annotations

import re

REASON_CHARACTERS = 2000
"""How much of a reason is kept."""

_CUT = " ..."
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # but tab and line end


def clean(text: object, most: int = REASON_CHARACTERS) -> str:
    """Return text without control characters and lone surrogates, of at most so many characters.

    Line ends and tabs stay; escape sequences of terminals lose the character that makes them such.
    """
    raw = str(text)
    whole = raw if len(raw) <= most else raw[: most - len(_CUT)] + _CUT
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", whole)


def counted(count: int, one: str, more: str = "") -> str:
    """Return a number with its noun, such as "1 core" and "2 cores"; `more` is an odd plural."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, its kind if it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
