"""All figures of a table, drawn, shown or written to a folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from harness.contracts import UserError
from harness.files.replacing import write_text
from harness.report.analysis.curves import styles_of
from harness.report.analysis.points import ComparisonGroup, comparison_groups, known, prepare
from harness.report.curve_styles import CurveStyle
from harness.report.plots.bars import at_recall, build_costs
from harness.report.plots.by_selectivity import by_selectivity
from harness.report.plots.figure import PGF, check_formats, inline_image, save
from harness.report.plots.latency_under_load import latency_under_load
from harness.report.plots.query_curves import (
    latency_distribution,
    recall_by_difficulty,
    recall_curves,
)
from harness.report.plots.style import StyleName, settings
from harness.report.plots.tradeoff import Choices, tradeoff, tradeoff_source
from harness.report.plots.training import training_loss
from harness.report.quantities import Scale, quantity

Maker = Callable[[ComparisonGroup, Mapping[str, CurveStyle]], Figure | None]


@dataclass(frozen=True)
class _Pair:
    """Makes the figure of two quantities, or its source for pgfplots."""

    x: str
    y: str
    choices: Choices | None = None

    def __call__(self, group: ComparisonGroup, styles: Mapping[str, CurveStyle]) -> Figure:
        return tradeoff(group, styles, self.x, self.y, self.choices)

    def source(self, group: ComparisonGroup, styles: Mapping[str, CurveStyle]) -> str:
        return tradeoff_source(group, styles, self.x, self.y, self.choices)


# A group without a finished point gets only the first figure, which names the failures.
MAKERS: dict[str, Maker] = {
    "qps-recall": _Pair("recall", "qps"),
    "recall-1-at-n": recall_curves,
    "build-costs": build_costs,
    "training-loss": training_loss,
    "at-recall": at_recall,
    "recall-bytes": _Pair("bytes_per_vector", "recall"),
    "recall-distortion": _Pair("distortion", "recall", Choices(codes_only=True)),
    "latency": latency_distribution,
    "difficulty": recall_by_difficulty,
    "filtered": by_selectivity,
    "load": latency_under_load,
}
USUAL = ("qps-recall", "recall-1-at-n", "build-costs", "training-loss", "filtered", "load")
AT_ONE_RECALL: dict[str, Callable[..., Figure | None]] = {
    "build-costs": build_costs,
    "at-recall": at_recall,
    "latency": latency_distribution,
    "difficulty": recall_by_difficulty,
    "filtered": by_selectivity,
}
_OF_QUERIES = ("latency", "difficulty")
_OF_THE_BUILD = ("build-costs", "training-loss")
_LEAST_K_FOR_CURVES = 10


def makers(
    names: Sequence[str] | None,
    x_scale: Scale | None = None,
    y_scale: Scale | None = None,
    recall: float | None = None,
) -> dict[str, Maker]:
    """Return the makers of these figures; `all` is every figure, None the usual ones.

    A name `Y:X` of two quantities is a figure of Y against X. The scales apply to such figures and
    to `qps-recall`; None chooses by the values. `recall` applies to the figures of one recall, of
    which `at-recall` is added if none is named.

    Raises
    ------
    UserError
        If there is no such figure or quantity.
    """
    scales = Choices(x_scale, y_scale)
    chosen: dict[str, Maker] = {}
    for name in names or USUAL:
        if name == "all":
            chosen |= MAKERS
        elif ":" in name:
            y, x = name.split(":", 1)
            chosen[f"{quantity(y).column}-{quantity(x).column}"] = _Pair(x, y, scales)
        elif name == "qps-recall":
            chosen[name] = _Pair("recall", "qps", scales)
        elif name in MAKERS:
            chosen[name] = MAKERS[name]
        else:
            raise UserError(
                f"no figure is called {name!r}",
                expected=", ".join((*MAKERS, "all", "or Y:X for two quantities")),
            )
    if recall is None:
        return chosen
    at_this = {name: partial(maker, level=recall) for name, maker in AT_ONE_RECALL.items()}
    if not any(name in at_this for name in names or ()):
        chosen["at-recall"] = at_recall
    return {name: at_this.get(name, maker) for name, maker in chosen.items()}


class Figures(dict[str, Figure]):
    """Figures by name, drawn in one style; a notebook shows them inline.

    Attributes
    ----------
    paths
        The files written so far.
    sources
        Make the source for pgfplots of figures of two quantities, by name.
    """

    def __init__(self, style: StyleName) -> None:
        super().__init__()
        self._style = style
        self.paths: list[Path] = []
        self.sources: dict[str, Callable[[], str]] = {}

    def save(self, out: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
        """Write every figure to a folder, made if missing, and return the paths.

        As `tex` only the figures of two quantities are written.

        Raises
        ------
        UserError
            If a format is none of `png`, `svg`, `pdf` and `tex`, or the folder cannot be written.
        """
        check_formats(formats)
        drawn = [name for name in formats if name != PGF]
        with _only(self._style):
            written = [path for name in self for path in save(self[name], out / name, drawn)]
        for name, source in self.sources.items() if PGF in formats else ():
            written.append(out / f"{name}.{PGF}")
            write_text(written[-1], source())
        if self and not written:
            warnings.warn(
                "nothing is written: as tex there are only figures of two quantities, such as "
                "qps-recall",
                stacklevel=2,
            )
        self.paths += written
        return written

    def _repr_html_(self) -> str:
        with _only(self._style):
            return "\n".join(map(inline_image, self.values()))


def draw_figures(
    table: pd.DataFrame,
    names: Sequence[str] | None = None,
    *,
    style: StyleName = "screen",
    stale: bool = False,
    x_scale: Scale | None = None,
    y_scale: Scale | None = None,
    recall: float | None = None,
    highlight: Collection[str] = (),
    title: str | None = None,
) -> Figures:
    """Draw every figure that the table has points for; nothing is written.

    Parameters
    ----------
    table
        As from `harness.load_results`.
    names
        Which figures: keys of `MAKERS`, `all`, or `Y:X` for two quantities; the usual by default.
    style
        `screen`, `paper` (one column) or `slide`.
    stale
        Draw stale points as well.
    x_scale, y_scale
        `linear`, `log` or `error` for the axes of `qps-recall` and `Y:X`; chosen by the values if
        None.
    recall
        The recall of the figures of one recall; by default one that the most curves reach.
    highlight
        Names of curves: all others are grey.
    title
        Of every figure, instead of its own; "" leaves title and conditions out.

    Raises
    ------
    UserError
        If there is no such figure or quantity.

    Warns
    -----
    UserWarning
        Of figures that are named and that the table has no points for.
    """
    chosen = makers(names, x_scale, y_scale, recall)
    drawn = Figures(style)
    with _only(style):
        drawn |= figures(
            table, chosen, stale=stale, highlight=highlight, title=title, sources=drawn.sources
        )
    missing = [name for name in chosen if not any(one.endswith(f"-{name}") for one in drawn)]
    _warn_of_missing(table, missing, are_named="all" not in (names or ("all",)))
    return drawn


def _warn_of_missing(table: pd.DataFrame, missing: Sequence[str], *, are_named: bool) -> None:
    """Warn of figures that are not drawn, with the reason; of most only if they were named."""
    measured = table[table["status"] == "ok"]
    if len(measured) and not measured["has_answers"].any():
        reason = (
            "No point has the answers and times of its queries: "
            "merge a whole package, or measure the points here"
        )
        _warn_of([name for name in missing if name in _OF_QUERIES], reason)
        missing = [name for name in missing if name not in _OF_QUERIES]
    _warn_of(missing if are_named else (), "No point has what they show, or reaches the recall")


def _warn_of(names: Sequence[str], reason: str) -> None:
    if names:
        warnings.warn(f"not drawn: {', '.join(names)}. {reason}", stacklevel=4)


@contextmanager
def _only(style: StyleName) -> Iterator[None]:
    """Use the settings of a style and no others for the duration of the `with` statement."""
    with mpl.rc_context():
        mpl.rcdefaults()  # a user's own matplotlibrc must not change published figures
        mpl.rcParams.update(settings(style))
        yield


def figures(
    table: pd.DataFrame,
    makers: Mapping[str, Maker],
    *,
    stale: bool = False,
    highlight: Collection[str] = (),
    title: str | None = None,
    sources: dict[str, Callable[[], str]] | None = None,
) -> Iterator[tuple[str, Figure]]:
    """Yield the name and the figure of each picture of a table, in the current style.

    What makes those of two quantities as source for pgfplots is added to `sources`.
    """
    prepared = prepare(table, stale=stale)
    if prepared.empty:
        return
    found = [
        replace(group, heading=title)
        for under_load in (False, True)
        for group in comparison_groups(prepared, under_load=under_load)
    ]
    styles = styles_of(found, highlight)
    drawn: set[tuple[object, ...]] = set()
    for group in found:
        for name, maker in makers.items():
            if _subject(group, name) in drawn or not _fits(group, name):
                continue
            if (figure := maker(group, styles)) is not None:
                drawn.add(_subject(group, name))
                if sources is not None and isinstance(maker, _Pair):
                    sources[f"{group.slug}-{name}"] = partial(maker.source, group, styles)
                yield f"{group.slug}-{name}", figure


def _subject(group: ComparisonGroup, name: str) -> tuple[object, ...]:
    """The subject of a figure: figures of builds are the same for every k and drawn once."""
    asked = () if name in _OF_THE_BUILD else (group.k, group.mode, group.threads)
    return (name, group.dataset, group.machine, *asked)


def _fits(group: ComparisonGroup, name: str) -> bool:
    """Whether a group has the data of a figure; a group of failures gets the first figure only."""
    if group.is_under_load or name == "load":
        return group.is_under_load and name == "load" and len(group.points) > 0
    if group.points.empty:
        return name == "qps-recall" and len(group.failures) > 0
    if name in ("recall-bytes", "recall-distortion"):
        column = {"recall-bytes": "bytes_per_vector", "recall-distortion": "distortion"}[name]
        return len(known(group.points, "recall", column)) > 0
    return name != "recall-1-at-n" or group.k >= _LEAST_K_FOR_CURVES
