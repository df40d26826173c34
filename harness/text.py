"""Text from outside (adapters, plug-ins, files), made fit to be stored and shown; plurals."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
"""An object as JSON and YAML know it: texts, numbers, truth values, null, lists and objects."""

REASON_CHARACTERS = 2000
"""How much of a reason is kept, and how long any text of a registry file may be."""

MOST_VALUES = 100_000
"""How many texts, numbers, lists and mappings plain data may hold."""

_MOST_DEPTH = 16
_LARGEST_NUMBER = 2**1000  # float64 still holds it
_CUT = " ..."
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.S)  # to the end if it is never closed
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line end
    "\u2028\u2029"  # further ends of lines
    "\u202a-\u202e\u2066-\u2069"  # these change the order in which other text is shown
    "\ud800-\udfff\ufffe\uffff]"  # no characters: UTF-8 does not know them, or XML
)


def clean(text: object, most: int = REASON_CHARACTERS) -> str:
    """Return text without control characters and lone surrogates, of at most so many characters.

    Line ends and tabs stay; escape sequences of terminals lose the character that makes them such.
    """
    raw = str(text)
    whole = raw if len(raw) <= most else raw[: most - len(_CUT)] + _CUT
    return _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", whole)


def is_clean(text: str, most: int = REASON_CHARACTERS) -> bool:
    """Whether `clean` would leave a text as it is."""
    return len(text) <= most and _HARMFUL.search(text) is None


def plain(data: Any, most: int = REASON_CHARACTERS, *, values: int = MOST_VALUES) -> Any:
    """Return data as JSON and YAML know them, with clean texts of at most so many characters.

    Raises
    ------
    ValueError
        If they are nested too deeply, of too many values, hold a number that no float64 holds, or
        something else than texts, numbers, lists and mappings.
    """
    left = values

    def walk(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > _MOST_DEPTH or left < 0:
            raise ValueError(f"more than {_MOST_DEPTH} levels or {values:,} values")
        if isinstance(value, str):
            return clean(value, most)
        if isinstance(value, Mapping):
            return {walk(name, depth + 1): walk(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [walk(item, depth + 1) for item in value]
        if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
            raise ValueError("a number that no float64 holds")
        if value is not None and not isinstance(value, int | float):
            raise ValueError(f"a value of the type {type(value).__name__}")
        return value

    return walk(data, 0)


def plain_json(text: str, most: int = REASON_CHARACTERS, *, values: int = MOST_VALUES) -> Any:
    """Return what JSON from outside says, as `plain` does.

    Text of more values than may be is refused before it is parsed, which would take seconds and
    hundreds of MB where a few bytes are an object each.

    Raises
    ------
    ValueError
        As `plain`, or if it is no JSON.
    """
    if _separators(text) > values and _separators(_STRING.sub("", text)) > values:
        raise ValueError(f"more than {_MOST_DEPTH} levels or {values:,} values")
    try:
        return plain(json.loads(text), most, values=values)
    except RecursionError:
        raise ValueError(f"more than {_MOST_DEPTH} levels") from None


def _separators(text: str) -> int:
    """At most as many as there are values."""
    return sum(map(text.count, ",[{"))


def told(error: BaseException) -> str:
    """Return the kind and the message of an exception, clean and short, whatever it says."""
    try:
        message = str(error)
    except Exception:
        message = "it cannot say what is wrong"
    return clean(f"{type(error).__name__}: {message}").strip().removesuffix(":")


def one_line(text: object, most: int = REASON_CHARACTERS) -> str:
    """Return clean text in one line: each run of spaces, tabs and line ends is one space."""
    return " ".join(clean(text, most).split())


def counted(count: int, one: str, more: str = "") -> str:
    """Return a number with its noun, such as "1 core" and "2 cores"; `more` is an odd plural."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def percent(share: float) -> str:
    """Return a share such as "5%", "12.5%" or "0.04%"."""
    return f"{100 * share:.3g}%" if share < 9.995 else f"{share:.0%}"


def first_of(names: Sequence[str], most: int) -> str:
    """Return names in one line, such as "a, b and 3 more" of which `most` are 2."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, its kind if it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
