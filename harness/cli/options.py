"""Options that the commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.contracts import UserError
from harness.contracts.paths import user_path

AS_PATH: Any = {"parser": user_path, "metavar": "PATH"}
"""How an option or an argument takes a path, so that odd ones are refused with the reason."""

Results = Annotated[
    Path,
    typer.Option(
        "--results",
        envvar="ANNHARNESS_RESULTS",
        help="Folder of the stored results.",
        **AS_PATH,
        show_default=True,
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugins",
        **AS_PATH,
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
