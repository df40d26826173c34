"""Options that the commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.contracts import UserError

Results = Annotated[
    Path,
    typer.Option(
        "--results",
        envvar="ANNHARNESS_RESULTS",
        help="Folder of the stored results.",
        file_okay=True,
        show_default=True,
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugins",
        help="Folder with algorithms/NAME or datasets/NAME of your own; may be repeated.",
    ),
]
DEFAULT_RESULTS = Path("results")


def share_of(text: str, where: str) -> float:
    """Return a share given as `10%` or `0.1`.

    Raises
    ------
    UserError
        If it is none between 0 and 1.
    """
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UserError("not a share", where=where, expected="10% or 0.1", got=repr(text))
    return share
