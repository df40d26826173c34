"""Showing stored results: figures and the static site."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from harness.api.arguments import (
    RESULTS,
    Folder,
    Names,
    SuiteLike,
    as_folders,
    as_names,
    as_numbers,
    as_prices,
    chosen_points,
)
from harness.contracts import UserError
from harness.files.paths import user_path

if TYPE_CHECKING:  # each function loads what it needs when it is called
    from harness.report.analysis.pricing import Prices
    from harness.report.plots.all_figures import Figures
    from harness.report.plots.style import StyleName
    from harness.report.quantities import Scale


def plot(
    suite: SuiteLike | None = None,
    *,
    figures: str | Sequence[str] = (),
    style: StyleName = "screen",
    x_scale: Scale | None = None,
    y_scale: Scale | None = None,
    recall: float | None = None,
    highlight: str | Sequence[str] = (),
    title: str | None = None,
    out: Folder | None = None,
    formats: str | Sequence[str] = ("png", "svg"),
    datasets: Names = (),
    algorithms: str | Sequence[str] = (),
    stale: bool = False,
    prices: Prices | float | None = None,
    results: Folder = RESULTS,
    plugins: Folder | Sequence[Folder] = (),
) -> Figures:
    """Draw figures of stored results.

    Parameters
    ----------
    figures
        Names such as "qps-recall", "all", or "Y:X" for two quantities; by default the usual four.
    style
        "screen", "paper" (one column) or "slide".
    x_scale, y_scale
        "linear", "log" or "error" for "qps-recall" and "Y:X"; by default chosen by the values.
    recall
        Recall of the figures of one recall.
    highlight
        Algorithms or labels to highlight; all others are drawn faintly.
    title
        Of every figure, instead of its own; "" leaves title and conditions out.
    out
        Folder to write the figures into; by default nothing is written.
    formats
        Of the files: "png", "svg", "pdf", "tex" (pgfplots, of figures of two quantities).
    suite, datasets, algorithms, stale, prices, results, plugins
        As for `recommend`.

    Returns
    -------
    Figures
        Matplotlib figures by name, shown inline in a notebook; their `paths` are the files written.

    Raises
    ------
    UserError
        As `recommend`, and for an unknown figure, format, style or scale.
    """
    from harness.report.analysis.limits import curves_named
    from harness.report.analysis.selecting import Selection, recalls_of
    from harness.report.plots.all_figures import draw_figures
    from harness.report.plots.figure import check_formats
    from harness.report.plots.style import StyleName
    from harness.report.quantities import Scale

    _require_choice("style", style, get_args(StyleName))
    for axis, scale in (("x_scale", x_scale), ("y_scale", y_scale)):
        _require_choice(axis, scale, (None, *get_args(Scale)))
    level = None if recall is None else recalls_of([recall])[0]
    check_formats(as_names(formats))
    names = (as_names(datasets), as_names(algorithms))
    selection = Selection(suite, *names, None, stale, as_prices(prices))
    table = chosen_points(results, plugins, selection)
    drawn = draw_figures(
        table,
        as_names(figures),
        style=style,
        stale=stale,
        x_scale=x_scale,
        y_scale=y_scale,
        recall=level,
        highlight=curves_named(table, as_names(highlight)),
        title=title,
    )
    if out is not None:
        drawn.save(user_path(out), as_names(formats))
    return drawn


def _require_choice(name: str, given: object, known: Sequence[object]) -> None:
    if given not in known:
        words = [repr(one) for one in known]
        raise UserError(f"wrong {name}", where=name, expected=", ".join(words), got=repr(given))


def publish(
    out: Folder,
    suite: SuiteLike | None = None,
    *,
    single_file: bool = False,
    recalls: float | Sequence[float] = (),
    highlight: str | Sequence[str] = (),
    title: str | None = None,
    commit_url: str | None = None,
    datasets: Names = (),
    algorithms: str | Sequence[str] = (),
    stale: bool = False,
    history: Folder | Sequence[Folder] = (),
    known_steps: Folder | None = None,
    prices: Prices | float | None = None,
    results: Folder = RESULTS,
    plugins: Folder | Sequence[Folder] = (),
) -> Path:
    """Write a static site of stored results; it needs no server and no network.

    Parameters
    ----------
    out
        Folder of the site, made if missing; with `single_file` the HTML file.
    recalls
        Recalls to recommend and compare at; by default .8, .9, .95 and .99.
    highlight
        As for `plot`.
    title
        Heading of the front page.
    commit_url
        Address of a commit of the harness, such as `https://github.com/you/repo/commit/{commit}`,
        for links on the page of the history.
    history
        Further results folders, such as one for each night, for the page of the history; it shows
        the stale points of `results` in any case.
    known_steps
        As for `harness.history`.
    suite, datasets, algorithms, stale, prices, results, plugins
        As for `recommend`.

    Returns
    -------
    Path
        The front page.

    Raises
    ------
    UserError
        As `recommend`, and if `out` cannot be written or `commit_url` is no address of commits.
    """
    from harness.registry.known_steps import read_known_steps
    from harness.report.analysis.describing import with_rows
    from harness.report.analysis.limits import Limits, curves_named
    from harness.report.analysis.selecting import (
        Selection,
        every_version,
        recalls_of,
        without_stale,
    )
    from harness.report.comparing.history import histories, with_known_steps
    from harness.report.site.content import USUAL, SiteChoices
    from harness.report.site.pages import write_site

    levels = recalls_of(as_numbers(recalls))
    limits = Limits(as_names(datasets), as_names(algorithms))
    names = (limits.datasets, limits.algorithms)
    selection = Selection(suite, *names, None, True, as_prices(prices))
    every = with_rows(chosen_points(results, plugins, selection))
    table = every.assign(stale=False) if stale else without_stale(every)  # shown like the others
    highlighted = curves_named(table, as_names(highlight))
    known = () if known_steps is None else read_known_steps(known_steps)
    found = histories([every, *every_version(as_folders(history), limits)])
    versions, _ = with_known_steps(found, known)
    choices = SiteChoices(levels, highlighted, title or USUAL.title, commit_url)
    folder = user_path(out)
    paths = write_site(table, folder, single_file=single_file, choices=choices, history=versions)
    return paths[0] if single_file else folder / "index.html"
