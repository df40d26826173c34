"""Printing to the terminal: all text is cleaned, so that none of it can control the terminal."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from harness.text import clean, is_clean

_LINE_CHARACTERS = 10_000
_MOST_CELLS = 9999  # of a width or a height
_SIZES = ("COLUMNS", "LINES")
_WIDTH_OF_FILES = 160  # where no terminal says how wide it is


class Terminal(Console):
    """A console that shows control characters of texts, of whatever origin, as a mark.

    It leaves `:cat:` in names of files as it is.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(emoji=False, **settings)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of what is to be shown; those that control the terminal are ours."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or is_clean(text, len(text)):
                yield segment
            else:
                yield Segment(clean(text, len(text)), style)


def terminal() -> Terminal:
    """Return a terminal that prints texts as they are; wide where nothing says how wide it is."""
    unknown = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Terminal(markup=False, highlight=False, width=_WIDTH_OF_FILES if unknown else None)


def say(text: object, *, to_errors: bool = False) -> None:
    """Print a line that holds text from outside, such as the name of a file.

    Where standard error takes nothing, nobody can be told: that changes nothing else.
    """
    stream = sys.stderr if to_errors else sys.stdout
    try:
        print(clean(text, _LINE_CHARACTERS), file=stream, flush=to_errors)
    except OSError:
        if not to_errors:
            raise
        drop_output(stream)


def drop_output(stream: TextIO) -> None:
    """Let a stream that takes nothing lead to nowhere, so that it can be closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def drop_odd_sizes() -> None:
    """Take sizes of the terminal out of the environment that none has: rich lays out any."""
    for name in _SIZES:
        text = os.environ.get(name, "")
        whole = text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_CELLS))
        if not (whole and int(text) > 0):
            os.environ.pop(name, None)


_HANDLER = "annharness.spelled"
_SPELLED = {
    "±": "+/-",
    "\N{MULTIPLICATION SIGN}": "x",
    "÷": ":",
    "µ": "u",
    "·": "-",
    "…": "...",
    "→": "->",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "†": "*",
    "‡": "**",
    "§": "***",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{REPLACEMENT CHARACTER}": "?",
}


def spell_what_cannot_be_printed() -> None:
    """Let standard output and error take any text, whatever their encoding."""
    codecs.register_error(_HANDLER, _spell)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelled, error.object[error.start : error.end])), error.end


def _spelled(character: str) -> str:
    """An accent is left out; what has no like in ASCII is given by its number."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return _SPELLED.get(character) or plain or ascii(character)[1:-1]
