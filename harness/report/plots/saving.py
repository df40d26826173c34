"""Writing of figures: atomic, and the same bytes for the same figure."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.contracts import UserError
from harness.files.replacing import written_whole

FORMATS = ("png", "svg", "pdf")

# Creation dates and versions would make equal figures differ.
_NAMELESS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "annharness"},
    "pdf": {"CreationDate": None, "Creator": "annharness", "Producer": None},
}


def check_formats(formats: Sequence[str]) -> None:
    """Raise a UserError that names the first format figures cannot be written in."""
    for name in formats:
        if name not in FORMATS:
            raise UserError(f"figures cannot be written as {name!r}", expected=", ".join(FORMATS))


def save(figure: Figure, stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write a figure as `stem.FORMAT` for each format and return the paths."""
    paths = [stem.with_name(f"{stem.name}.{name}") for name in formats]
    for path, kind in zip(paths, formats, strict=True):
        with written_whole(path) as temporary:
            _draw(figure, kind, temporary)
    return paths


@contextmanager
def quiet_fonts() -> Iterator[None]:
    """Suppress warnings about characters that the font lacks, which are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _draw(figure: Figure, kind: str, path: Path) -> None:
    # Matplotlib reads these settings when it draws.
    settings = mpl.rc_context({"svg.hashsalt": "annharness", "text.parse_math": False})
    with settings, quiet_fonts():
        figure.savefig(path, format=kind, metadata=_NAMELESS[kind])
