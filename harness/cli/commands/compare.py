"""`annharness compare`: is B faster than A?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness import api
from harness.cli.options import AS_PATH, DEFAULT_RESULTS, Results, complete_algorithms, share_of
from harness.cli.progress import shown_work
from harness.cli.terminal import Terminal, say
from harness.contracts import UserError

if TYPE_CHECKING:
    from harness.report.comparing.comparison import Comparison


_COLOURS = {"faster": "green", "slower": "red"}
_FAILED = 1
_WIDE = 100
_CURVES = ("old", "new")
_FIGURES = ("recall", "old QPS", "new QPS", "ratio", "verdict")


def compare(
    a: Annotated[
        str,
        typer.Argument(
            help="The old side: a results folder, git commit, algorithm, label or machine:NAME.",
            autocompletion=complete_algorithms,
        ),
    ],
    b: Annotated[
        str,
        typer.Argument(help="The new side, of the same kinds.", autocompletion=complete_algorithms),
    ],
    recall: Annotated[
        list[float] | None, typer.Option("--recall", help="Recall to compare at; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", **AS_PATH, help="Write the comparison to a file: .json or .md."
        ),
    ] = None,
    fail_if_slower: Annotated[
        str | None,
        typer.Option(
            "--fail-if-slower",
            metavar="SHARE",
            help="Exit 1 if B is slower anywhere by this share (10%); warn if that is undecided.",
        ),
    ] = None,
    fail_if_undecided: Annotated[
        bool,
        typer.Option(
            "--fail-if-undecided",
            help="With --fail-if-slower: exit 1 also if that is undecided.",
        ),
    ] = False,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """Compare the QPS of B with that of A at fixed recalls: ratio, interval, verdict.

    The verdict is faster, slower, equal within 5 %, or undecided, with the number of builds that
    would decide. It comes from the printed interval, which is corrected for the number of
    comparisons. Builds that were measured side by side in one block are paired; others are linked
    through the reference index of their blocks.

    Folders and commits are compared curve by curve. A commit is that of the harness that measured,
    as each result records it. Give digits of its hash, or a revision that git knows in the current
    folder (main, HEAD~1). Its results, including stale ones, are read from the results folder, or
    from another one with FOLDER@COMMIT.

    Machines are compared curve by curve as well, by the QPS as measured. Give each as `machine:`
    and a part of its name.

    Examples:

      annharness compare pq anisotropic-pq

      annharness compare machine:EPYC machine:Xeon

      annharness compare results-main results-branch --fail-if-slower 10%

      annharness compare HEAD~1 HEAD

      annharness compare old-results@1a2b3c4 results@5d6e7f8
    """
    from harness.files.replacing import write_text
    from harness.report.comparing.comparison import to_json, to_markdown

    share = share_of(fail_if_slower, "--fail-if-slower") if fail_if_slower is not None else None
    if fail_if_undecided and share is None:
        raise UserError(
            "--fail-if-undecided needs --fail-if-slower",
            where="--fail-if-undecided",
            hint="--fail-if-slower 10%",
        )
    writers = {".json": to_json, ".md": to_markdown}
    if out is not None and out.suffix not in writers:
        raise UserError(f"no comparison ends in {out.suffix!r}", expected=", ".join(writers))
    with shown_work("reading results"):
        compared = api.compare(a, b, recalls=recall or (), results=results)
    found = compared.found
    if out is not None:
        write_text(out, writers[out.suffix](found))
    console = Terminal()
    console.print(_table(found, compared.title, console.width))
    if share is not None and _gate(found, share, fail_if_undecided):
        raise typer.Exit(_FAILED)


def _gate(found: Sequence[Comparison], share: float, fail_if_undecided: bool) -> bool:
    """Whether to fail: slower by the share at any recall, or undecided. Warn if undecided."""
    from harness.report.comparing.comparison import slower_than, table_rows, undecided_about

    undecided = undecided_about(found, share)
    for row in table_rows(undecided):
        say(
            f"could not decide whether {row['new']} is slower by {100 * share:g} % or more: "
            f"{row['dataset']}, k = {row['k']}, recall {row['recall']}: ratio {row['ratio']}, "
            f"{row['verdict']}",
            to_errors=True,
        )
    return bool(slower_than(found, share)) or (fail_if_undecided and bool(undecided))


def _table(found: Sequence[Comparison], title: str, width: int) -> Group:
    """The comparisons, a table for each dataset and conditions; what all rows share is on top.

    If the title names the sides, both curves have the same name, which is shown once. Below 100
    columns the QPS of both sides are left out. No name is cut: it may be all that tells two apart.
    """
    from harness.report.comparing.comparison import caption, table_rows

    rows = table_rows(found)
    left_out = {"new"} if title else set()
    left_out |= set() if width >= _WIDE else {"old QPS", "new QPS"}
    headings = [name for name in rows[0] if name not in left_out]
    words = {"old": "curve"} if title else {}

    def told(names: Sequence[str], row: Mapping[str, str]) -> str:
        return ", ".join(f"{words.get(name, name)}: {row[name]}" for name in names)

    common = [n for n in headings if n not in _FIGURES and len({row[n] for row in rows}) == 1]
    conditions = [n for n in headings if n not in (*_FIGURES, *_CURVES, *common)]
    shown = [name for name in headings if name not in (*common, *conditions)]
    parts: list[RenderableType] = [
        Text(", ".join(filter(None, [title, told(common, rows[0])])), "italic")
    ]
    for heading, group in groupby(rows, key=partial(told, conditions)):
        table = Table(box=None, pad_edge=False)
        for name in shown:
            right = name in ("recall", "old QPS", "new QPS")
            table.add_column(
                words.get(name, name),
                justify="right" if right else "left",
                no_wrap=name == "ratio",
                overflow="fold",
            )
        for row in group:
            style = _COLOURS.get(row["verdict"].split()[0], "")
            table.add_row(*(escape(row[name]) for name in shown), style=style)
        parts += [Text(f"\n{heading}", "bold"), table] if heading else [table]
    return Group(*parts, Text(caption(found), "italic"))
