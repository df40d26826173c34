"""Texts of intervals, verdicts and sizes, the same in the terminal, tables and pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import exp, floor, isfinite, log, log10

from harness.measures.interval import LEVEL
from harness.measures.verdicts import LEAST_BUILDS, Ratio, verdict_of, verdict_words
from harness.report.quantities import Unit, human
from harness.results.table.columns import Row

UNKNOWN = f"interval unknown: needs {LEAST_BUILDS} builds"

_MARKS = {
    "within one build": "†",
    "between builds, by the reference": "‡",
    "between builds, not side by side": "§",
}
_NOTES = {
    "within one build": f"† within one build: ask for {LEAST_BUILDS} builds or more",
    "between builds, by the reference": "‡ measured in different blocks, linked by the reference",
    "between builds, not side by side": "§ builds that were not measured side by side",
    "unknown": UNKNOWN,
}
_STATED = "\N{PILCROW SIGN}"
_FACTOR = "\N{MULTIPLICATION SIGN}/÷"
_WIDE = 0.5  # half-widths from here on are told as a factor
_MOST_DECIMALS = 17


def mark(scope: object) -> str:
    """Return the mark to print after an interval that is not one between builds."""
    return _MARKS.get(str(scope), "")


def notes(scopes: Iterable[object]) -> list[str]:
    """Return the meaning of the marks of these scopes, each once."""
    found = set(map(str, scopes))
    return [note for scope, note in _NOTES.items() if scope in found]


def stated_mark(has_answers: object) -> str:
    """Return the mark of a recall that cannot be computed anew, "" of others."""
    return "" if has_answers else _STATED


def stated_notes(have_answers: Iterable[bool]) -> list[str]:
    """Return the meaning of that mark if some points came without their answers."""
    note = f"{_STATED} without the answers: recall and latency are as their sender states"
    return [] if all(have_answers) else [note]


def ratio_text(ratio: Ratio) -> str:
    """Return such as "0.46 [0.35, 0.61]"; with the mark of its scope, without an unknown interval.

    It has enough digits for the printed interval to give the same verdict.
    """
    least = 2 if not 0 < ratio.value < 1 else 1 - floor(log10(ratio.value))
    decimals = min(max(least, 2), _MOST_DECIMALS)
    if not (isfinite(ratio.low) and isfinite(ratio.high)):
        return f"{ratio.value:.{decimals}f}"
    while decimals < _MOST_DECIMALS and not _agrees(ratio, decimals):
        decimals += 1
    value, low, high = (f"{x:.{decimals}f}" for x in (ratio.value, ratio.low, ratio.high))
    return f"{value} [{low}, {high}]{mark(ratio.scope)}"


def difference_text(value: float, low: float, high: float) -> str:
    """Return such as "+0.030 [+0.012, +0.048]", with enough digits to keep bounds apart from 0."""
    if not (isfinite(low) and isfinite(high)):
        return f"{value:+.3f}"
    styles = (*(f"+.{decimals}f" for decimals in range(3, _MOST_DECIMALS)), "+.2g")
    signs = [_sign(bound) for bound in (low, high)]
    style = next(s for s in styles if [_sign(float(f"{b:{s}}")) for b in (low, high)] == signs)
    return f"{value:{style}} [{low:{style}}, {high:{style}}]"


def level_text(level: float) -> str:
    """Return a level of confidence such as "98.8 %", with two digits of what it lacks to 100."""
    decimals = max(1 - floor(log10(100 * (1 - level))), 0)
    return f"{100 * level:.{decimals}f}".rstrip("0").rstrip(".") + " %"


def corrected_text(level: float) -> str:
    """Return such as "98.8 % intervals, corrected for 4 comparisons"."""
    together = round((1 - LEVEL) / (1 - level))
    correction = f", corrected for {together} comparisons" if together > 1 else ""
    return f"{level_text(level)} intervals{correction}"


def interval_notes(ratios: Iterable[Ratio]) -> list[str]:
    """Return the levels of the intervals of ratios, and the meaning of their marks, each once."""
    found = list(ratios)
    levels = {one.level for one in found if isfinite(one.low)}
    return [*map(corrected_text, sorted(levels)), *notes(one.scope for one in found)]


def plus_minus(value: float, low: float, high: float) -> str:
    """Return half the width of an interval as a share of the value, such as "±3%"; "" if unknown.

    A wide interval is given as a factor on both sides, such as a factor of 2.5.
    """
    if not (isfinite(low) and isfinite(high) and low > 0):
        return ""
    half = log(high / low) / 2
    if half >= _WIDE:
        return f"{_FACTOR}{exp(half):.2g}" if exp(half) < 100 else f"{_FACTOR}100 or more"
    share = 100 * (high - low) / (2 * value)
    return f"±{share:.1g}%" if 0 < share < 0.95 else f"±{share:.0f}%"


def _agrees(ratio: Ratio, decimals: int) -> bool:
    """Whether the rounded interval gives the same verdict as the interval."""
    low, high = (float(f"{bound:.{decimals}f}") for bound in (ratio.low, ratio.high))
    rounded = replace(ratio, low=low, high=high, verdict=verdict_of(low, high))
    return verdict_words(rounded) == verdict_words(ratio)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


MEASURED = ("measured", "measured, below the rows")
"""The scopes of sizes that are growth of memory; see `harness.results.table.sizes`."""

_SIZE_MARKS = {"measured": "~", "measured, below the rows": "~?"}
_SIZE_NOTES = {
    "~": "~ size measured as growth of the process's memory, not computed",
    "?": "? measured size, but less than the rows alone: what was allocated before is not in it",
}


def size_mark(scope: object) -> str:
    """Return "~" for a measured size, "~?" for one that cannot hold the rows, else ""."""
    return _SIZE_MARKS.get(str(scope), "")


def size_text(row: Row, column: str = "bytes_per_vector", unit: Unit = "") -> str:
    """Return a size of a row of the table such as "213", "~213" or "~10.2?"."""
    mark = size_mark(row.get("size_scope"))
    return f"{mark[:1]}{human(row[column], unit)}{mark[1:]}"


def size_notes(scopes: Iterable[object]) -> list[str]:
    """Return the meaning of the marks of these scopes, each once."""
    found = "".join(map(size_mark, scopes))
    return [note for mark, note in _SIZE_NOTES.items() if mark in found]
