"""Text for terminals that do not take every character: what they lack is spelled in ASCII."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

_HANDLER = "annharness.spelled"
_SPELLED = {
    "±": "+/-",
    "\N{MULTIPLICATION SIGN}": "x",
    "÷": ":",
    "µ": "u",
    "·": "-",
    "…": "...",
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
