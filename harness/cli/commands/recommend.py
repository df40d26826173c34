"""`annharness recommend`: which index is the fastest at a recall?"""

from __future__ import annotations

from typing import Annotated

import typer

from harness import api
from harness.cli.options import (
    DEFAULT_RESULTS,
    Algorithms,
    Datasets,
    MaxBytes,
    Plugins,
    Price,
    Results,
    Stale,
    Suite,
)
from harness.cli.progress import shown_work
from harness.cli.terminal import Terminal
from harness.errors import UserError

_NOTHING_REACHED = 1


def recommend(
    suite: Suite = None,
    recall: Annotated[
        list[float] | None,
        typer.Option(
            "--recall", help="The recall that you need; may be repeated. Default: .8, .9, .95, .99."
        ),
    ] = None,
    max_bytes: MaxBytes = None,
    highest_recall: Annotated[
        bool,
        typer.Option(
            "--highest-recall", help="Instead, the highest recall, of the best point of each curve."
        ),
    ] = False,
    dataset: Datasets = None,
    algorithm: Algorithms = None,
    stale: Stale = False,
    price: Price = None,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Print the fastest stored index at a recall; nothing is measured.

    It reaches the recall on the tuning queries and, with confidence, on the held-out queries. Below
    it are the algorithms that are equal within 5 %, and those that are undecided, with what would
    decide. The exit status is 1 if no point reaches any of the recalls.

    With --highest-recall and --max-bytes it says instead which code is the best for your memory.

    Examples:

      annharness recommend --recall .95

      annharness recommend demo --recall .9 --max-bytes 300 -d glove-50-10k --price 0.34

      annharness recommend demo --highest-recall --max-bytes 25
    """
    from harness.report.analysis.pricing import prices_of
    from harness.report.export.printing import print_highest_recalls, print_recommendations

    if highest_recall:
        _refuse_unheard(recall, price)
        with shown_work("reading results"):
            best = api.highest_recall(
                suite,
                max_bytes=max_bytes,
                datasets=dataset or (),
                algorithms=algorithm or (),
                stale=stale,
                results=results,
                plugins=plugins or (),
            )
        print_highest_recalls(Terminal(), best.points, best.max_bytes)
        return
    with shown_work("reading results"):
        found = api.recommend(
            suite,
            recalls=recall or (),
            max_bytes=max_bytes,
            datasets=dataset or (),
            algorithms=algorithm or (),
            stale=stale,
            prices=prices_of(price or ()),
            results=results,
            plugins=plugins or (),
        )
    if not print_recommendations(Terminal(), found.points, found.recalls, found.max_bytes):
        raise typer.Exit(_NOTHING_REACHED)


def _refuse_unheard(recall: list[float] | None, price: list[str] | None) -> None:
    for name, given in (("--recall", recall), ("--price", price)):
        if given:
            raise UserError(
                f"{name} has no meaning beside --highest-recall",
                hint=f"leave one of them out: {name} is for the fastest index at a recall",
            )
