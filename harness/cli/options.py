"""Options that every verb shares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
