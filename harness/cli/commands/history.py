"""`annharness history`: the same points over commits and library versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from harness import api
from harness.cli.options import AS_PATH, DEFAULT_RESULTS, Algorithms, Datasets, KnownSteps, Results
from harness.cli.progress import shown_work
from harness.cli.terminal import Terminal, say
from harness.contracts import UserError
from harness.text import counted

if TYPE_CHECKING:
    from harness.report.comparing.history import PointHistory

_COLOURS = {"faster": "green", "slower": "red", "known": "dim"}
_FAILED = 1
_LEFT_OUT = ("dataset", "k", "steps")  # told above and below the table
_WIDE = 100


def history(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            **AS_PATH, help="Results folders, such as one for each night. Default: --results."
        ),
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", help="Use only the newest N states of each point.")
    ] = None,
    steps: Annotated[
        bool, typer.Option("--steps", help="Only points whose speed changed by a step.")
    ] = False,
    known_steps: KnownSteps = None,
    fail_if_slower: Annotated[
        bool,
        typer.Option("--fail-if-slower", help="Exit 1 if a step shown is slower and not known."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", **AS_PATH, help="Write the history to a file: .json or .md."),
    ] = None,
    dataset: Datasets = None,
    algorithm: Algorithms = None,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """Show the speed of the same points over commits and library versions, and its steps.

    A point has several states if it was measured again after a change of its adapter, of a library
    or of the harness: stale points of one folder, or those of several folders. Each state is
    compared with the one before, the newest also with the first. A step is a change whose interval
    excludes 1; intervals are corrected for all changes of one dataset and machine.

    Examples:

      annharness history

      annharness history nights/* --last 30 --steps

      annharness history -a hnswlib -o history.json

      annharness history nights/* --known-steps known.yml --fail-if-slower
    """
    from harness.files.replacing import write_text
    from harness.report.comparing.history import to_json, to_markdown

    writers = {".json": to_json, ".md": to_markdown}
    if out is not None and out.suffix not in writers:
        raise UserError(f"no history ends in {out.suffix!r}", expected=", ".join(writers))
    with shown_work("reading results and comparing states"):
        shown = api.history(
            folders or results,
            last=last,
            datasets=dataset or (),
            algorithms=algorithm or (),
            known_steps=known_steps,
        )
    every = shown.found
    for one in shown.unmatched:
        say(f"note: {one.origin}: no step shown fits this entry", to_errors=True)
    found = [one for one in every if one.steps or not steps]
    if out is not None:
        write_text(out, writers[out.suffix](found))
    if not every:
        say("every point was measured in one state only")
    elif not found:
        say(f"no step in the speed of {counted(len(every), 'point')}")
    _print(found)
    if fail_if_slower and any(step.kind == "slower" for one in found for step in one.steps):
        raise typer.Exit(_FAILED)


def _print(found: Sequence[PointHistory]) -> None:
    from harness.report.comparing.history import caption

    console = Terminal()
    for title, group in groupby(found, key=lambda one: one.group):
        points = list(group)
        console.print(f"[bold]{escape(title)}[/]", highlight=False)
        console.print(_table(points, console.width))
        for line, colour in _step_lines(points):
            console.print(escape(line), style=colour, highlight=False)
        console.print(f"[dim]{caption(points)}[/]\n", highlight=False)


def _table(found: Sequence[PointHistory], width: int) -> Table:
    """A row for each point, and one for each of its steps; below 100 columns without the days."""
    from harness.report.comparing.history import summary_row

    left_out = {*_LEFT_OUT, *(() if width >= _WIDE else ("states", "from", "to"))}
    headings = [name for name in summary_row(found[0]) if name not in left_out]
    table = Table(box=None, pad_edge=False)
    for name in headings:
        right = name in ("states", "QPS")
        ratio = name == "newest over first"
        table.add_column(name, justify="right" if right else "left", no_wrap=ratio)
    for one in found:
        row = summary_row(one)
        table.add_row(
            *(escape(row[name]) for name in headings), style=_COLOURS.get(one.overall.verdict, "")
        )
    return table


def _step_lines(found: Sequence[PointHistory]) -> Iterator[tuple[str, str]]:
    """A line for each step, with its colour."""
    from harness.report.comparing.history import step_words

    for one in found:
        for step in one.steps:
            name = f"{one.curve} {one.parameters}".strip()
            yield f"step of {name}, {step_words(step)}", _COLOURS[step.kind]
