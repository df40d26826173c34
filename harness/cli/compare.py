"""`annharness compare`: is B faster than A?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.cli.options import DEFAULT_RESULTS, Results, share_of
from harness.contracts import UserError

if TYPE_CHECKING:
    from harness.report.compare import Comparison

_COLOURS = {"faster": "green", "slower": "red", "tied": ""}
_SLOWER = 1
_WIDE = 100


def compare(
    a: Annotated[
        str,
        typer.Argument(help="The old side: a results folder, a git commit, an algorithm or label."),
    ],
    b: Annotated[str, typer.Argument(help="The new side, likewise.")],
    recall: Annotated[
        list[float] | None, typer.Option("--recall", help="Recall to compare at; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it to a file: .json or .md.")
    ] = None,
    fail_if_slower: Annotated[
        str | None,
        typer.Option(
            "--fail-if-slower",
            metavar="SHARE",
            help="Exit 1 if B is significantly slower anywhere, by this share or more (10%).",
        ),
    ] = None,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """Compare the QPS of B with that of A at fixed recalls: ratio, 95 % interval, verdict.

    Two algorithms or labels of one results folder are compared build by build, as they ran next to
    each other. Folders and commits are compared curve by curve. A commit is that of the harness
    which measured, as each result records it: digits of its hash, or a revision that git knows here
    (main, HEAD~1). Its results are looked for in the results folder, stale ones among them, or in
    another folder by FOLDER@COMMIT. Verdicts are corrected for the number of comparisons (Holm).

    Examples:

      annharness compare pq anisotropic-pq

      annharness compare results-main results-branch --fail-if-slower 10%

      annharness compare HEAD~1 HEAD

      annharness compare old-results@1a2b3c4 results@5d6e7f8
    """
    from harness.report.compare import slower_than, to_json, to_markdown
    from harness.report.files import write_text

    share = share_of(fail_if_slower, "--fail-if-slower") if fail_if_slower is not None else None
    writers = {".json": to_json, ".md": to_markdown}
    if out is not None and out.suffix not in writers:
        raise UserError(f"no comparison ends in {out.suffix!r}", expected=", ".join(writers))
    found, title = _found(a, b, recall, results)
    if out is not None:
        write_text(out, writers[out.suffix](found))
    console = Console()
    console.print(_table(found, title, console.width))
    if share is not None and slower_than(found, share):
        raise typer.Exit(_SLOWER)


def _found(
    a: str, b: str, recall: list[float] | None, results: Path
) -> tuple[list[Comparison], str]:
    """The comparisons, and what stands above them where the curves do not name the sides."""
    from harness.cli.sides import sides_of
    from harness.report.compare import compare_curves, compare_tables
    from harness.report.fastest import LEVELS

    levels = sorted(recall) if recall else LEVELS
    if any(not 0 < level <= 1 for level in levels):
        raise UserError("a recall lies above 0 and at most at 1", where="--recall")
    old, new, shared = sides_of(a, b, results)
    if old.table is not None and new.table is not None:
        title = f"old: {old.name}, new: {new.name}"
        return compare_tables(old.table, new.table, levels), title
    assert shared is not None
    return compare_curves(shared, old.name, new.name, levels), ""


def _table(found: list[Comparison], title: str, width: int) -> Table:
    """The comparisons; below 100 columns without the QPS of both sides.

    Where the title tells the sides apart, both curves have one name, which stands there once.
    """
    from harness.report.compare import HEADINGS, cells

    table = Table(box=None, pad_edge=False, caption="ratio: new QPS over old, 95 % interval")
    table.title, table.title_justify = escape(title) or None, "left"
    left_out = {"new"} if title else set()
    left_out |= set() if width >= _WIDE else {"old QPS", "new QPS"}
    kept = [i for i, name in enumerate(HEADINGS) if name not in left_out]
    for heading in (HEADINGS[i] for i in kept):
        right = heading in ("k", "recall", "old QPS", "new QPS")
        words = "curve" if title and heading == "old" else heading
        table.add_column(words, justify="right" if right else "left", no_wrap=heading == "ratio")
    for one in found:
        texts = cells(one)
        table.add_row(*(escape(texts[i]) for i in kept), style=_COLOURS[one.verdict])
    return table
