"""The door to the terminal: no text that is shown there can control it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from harness.text import clean, is_clean

_LINE_CHARACTERS = 10_000
_MOST_CELLS = 9999  # of a width or a height
_SIZES = ("COLUMNS", "LINES")


class Terminal(Console):
    """A console that shows control characters of texts, of whatever origin, as a mark."""

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


def say(text: object, *, to_errors: bool = False) -> None:
    """Print a line that holds text from outside, such as the name of a file."""
    print(
        clean(text, _LINE_CHARACTERS), file=sys.stderr if to_errors else sys.stdout, flush=to_errors
    )


def drop_odd_sizes() -> None:
    """Take sizes of the terminal out of the environment that none has: rich lays out any."""
    for name in _SIZES:
        text = os.environ.get(name, "")
        whole = text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_CELLS))
        if not (whole and int(text) > 0):
            os.environ.pop(name, None)
