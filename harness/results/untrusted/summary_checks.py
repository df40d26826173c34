"""Checks of summaries: bounds of each figure, and figures that bind each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from harness.measures.choosing import split_queries
from harness.measures.filtering import CORRELATIONS, SELECTIVITIES, FilterClass
from harness.measures.load import MOST_LATE_SHARE
from harness.results.identity import PointIdentity
from harness.results.summary import (
    AMOUNTS,
    CURVES,
    CURVES_OF_FIRST,
    HIGHEST_RATES,
    LATENCIES,
    LOAD_SHARES,
    SHARES,
    SPLIT_RECALLS,
    BuildSummary,
    Summary,
)
from harness.text import Json

_MOST_LEVEL = 50.0  # of a logarithm of seconds
_MOST_CYCLES = 1 << 15  # their numbers are stored in 16 bits
_MOST_NUMBER = 1e12
_MOST_RATIO = 1e100  # with few builds, an interval can be very wide
_MOST = {"max_rate_qps_high": _MOST_RATIO}
_SAME = 1e-9  # of figures that are computed anew
_ORDERED = (
    ("held_out_recall_low", "held_out_recall", "held_out_recall_high"),
    ("p50_ms", "p95_ms", "p99_ms", "p999_ms"),
    ("max_rate_qps_low", "max_rate_qps", "max_rate_qps_high"),
)
_SHARES_ABOVE = {"p50_ms": 0.5, "p95_ms": 0.05, "p99_ms": 0.01, "p999_ms": 0.001}
_MOST_MEAN = 10.0  # times p999_ms: a thousandth of the queries would take all of the time
_LEAST_OF_TYPICAL, _MOST_OF_TYPICAL = 0.25, 100.0  # interruptions are in the mean latency alone
_CLASSES = {FilterClass(s, c).text for s in (0.0, *SELECTIVITIES) for c in CORRELATIONS}


def check_summary(summary: Summary) -> None:
    """Raise ValueError for impossible figures, or for some that contradict each other."""
    numbers = [build.number for build in summary.builds]
    _require(numbers == sorted(set(numbers)), "its builds are not in ascending order")
    for build in summary.builds:
        _check_build(build, summary.header.nq)
    _check_curves(summary)
    _check_numbers(summary)
    _check_split(summary)
    if "mean_ms" in summary.numbers:
        _check_latency(summary)
    _check_filters(summary)


def _check_build(build: BuildSummary, nq: int) -> None:
    where = f"build {build.number}"
    levels, reference = build.levels, build.reference_levels
    _require(abs(build.log_seconds) <= _MOST_LEVEL, f"{where}: impossible log_seconds")
    for each in (levels, reference):
        sized = each.ndim == 2 and 1 <= each.shape[1] <= nq and len(each) <= _MOST_CYCLES
        _require(sized, f"{where}: levels of the shape {each.shape} for {nq} queries")
        known = each[~np.isnan(each)]
        _require(bool((np.abs(known) <= _MOST_LEVEL).all()), f"{where}: impossible levels")
    widths = {each.shape[1] for each in (levels, reference) if len(each)}
    _require(len(widths) < 2, f"{where}: levels and reference_levels of other windows")
    _require(not np.isnan(reference).any(), f"{where}: unknown reference_levels")
    _require(bool(len(levels)) == bool(build.block), f"{where}: levels without a block, or none")
    if len(levels):
        unknown = np.isnan(levels)
        whole = bool((unknown.all(axis=1) == unknown.any(axis=1)).all())
        passes = int((~unknown.any(axis=1)).sum())
        told = f"{where}: levels of {passes} passes, expected {build.passes}"
        _require(whole and passes == build.passes, told)


def _check_curves(summary: Summary) -> None:
    k = summary.header.identity.k
    _require(summary.curves.keys() == {*CURVES, *CURVES_OF_FIRST}, "other curves than expected")
    for value, low, high in (CURVES, CURVES_OF_FIRST):
        curves = [summary.curves[name] for name in (low, value, high)]
        _require(all(curve.shape == (k,) for curve in curves), f"{value}: not of {k} figures")
        for figures in zip(*curves, strict=True):
            _require(figures[1] == figures[1], f"{value}: an unknown figure")
            _require_ordered(value, figures)
            _require_shares(value, figures)


def _check_numbers(summary: Summary) -> None:
    numbers = summary.numbers
    expected, possible = _columns_of(summary.header.identity)
    if numbers.get("late_start_share", 0.0) > MOST_LATE_SHARE:  # no rate counts then
        possible -= {*HIGHEST_RATES}
    _require(numbers.keys() <= possible, "other numbers than expected")
    for name, number in numbers.items():
        most = 1 if name in SHARES else _MOST.get(name, _MOST_NUMBER)
        _require(not (number < 0 or number > most), f"{name}: not from 0 to {most:g}")
    for name in expected:
        _require(not math.isnan(numbers.get(name, math.nan)), f"{name}: not known")
    for names in _ORDERED:
        _require_ordered(names[0], [numbers.get(name, math.nan) for name in names])


def _columns_of(identity: PointIdentity) -> tuple[set[str], set[str]]:
    """The numbers that every point of such a key has, and those that it can have."""
    load = identity.load
    expected, possible = {*SPLIT_RECALLS}, {*SHARES, *AMOUNTS}
    if load is None:
        expected |= {*LATENCIES}
        possible -= {*LOAD_SHARES, "achieved_qps", *HIGHEST_RATES}
    elif load.rate is not None:
        expected |= {*LATENCIES, *LOAD_SHARES, "achieved_qps"}
        possible -= {*HIGHEST_RATES}
    else:
        expected |= {*LOAD_SHARES}
        possible -= {*LATENCIES, "achieved_qps"}
    return expected, possible if identity.is_filtered else possible - {"filter_seconds"}


def _check_split(summary: Summary) -> None:
    """Recall is the mean of that of the tuning and the held-out queries, by their numbers."""
    parts = split_queries(summary.header.nq)
    recalls = [summary.numbers[name] for name in SPLIT_RECALLS]
    mean = float(np.average(recalls, weights=[len(part) for part in parts]))
    same = math.isclose(mean, summary.curves["recall_curve"][-1], rel_tol=_SAME, abs_tol=_SAME)
    _require(same, "tuning_recall and held_out_recall: their mean is not the recall")


def _check_latency(summary: Summary) -> None:
    """Compare the mean latency with its percentiles, and with the speed of the builds."""
    numbers, identity = summary.numbers, summary.header.identity
    mean = numbers["mean_ms"]
    for name, share in _SHARES_ABOVE.items():  # that share of the queries took as long, or longer
        _require(mean * (1 + _SAME) >= share * numbers[name], f"{name}: too large for mean_ms")
    _require(mean <= _MOST_MEAN * numbers["p999_ms"], "p999_ms: too small for mean_ms")
    if identity.load is not None:
        return
    clients = identity.threads if identity.mode == "single" else 1
    own = [1e3 * clients * math.exp(build.typical_log_seconds) for build in summary.builds]
    _require(mean <= _MOST_OF_TYPICAL * max(own), "mean_ms: too large for the speed of its builds")
    # Where queries are not timed one by one, much of the time may be in none of them.
    least = _LEAST_OF_TYPICAL if identity.mode == "single" and clients == 1 else 0.0
    _require(mean >= least * min(own), "mean_ms: too small for the speed of its builds")


def _check_filters(summary: Summary) -> None:
    header, found = summary.header, summary.by_filter
    if not found:
        return
    _require(header.identity.is_filtered, "by_filter: its queries have no filters")
    for name, one in found.items():
        _require(name in _CLASSES, "by_filter: no class of filters")
        _require(one["queries"] >= 1 and one["below_k"] <= one["queries"], "by_filter: its counts")
        _check_class(one)
    _require(sum(one["queries"] for one in found.values()) == header.nq, "by_filter: its queries")
    mean = sum(one["queries"] * one["recall"][0] for one in found.values()) / header.nq
    same = math.isclose(mean, summary.curves["recall_curve"][-1], rel_tol=_SAME, abs_tol=_SAME)
    _require(same, "by_filter: the mean of its recall is not the recall")


def _check_class(one: Json) -> None:
    for name in ("recall", "relative_speed"):
        value, low, high = one[name]
        _require(value == value, f"by_filter, {name}: not known")
        _require_ordered(f"by_filter, {name}", (low, value, high))
    _require_shares("by_filter, recall", one["recall"])
    known = [ratio for ratio in one["relative_speed"] if ratio == ratio]
    sound = all(1 / _MOST_RATIO <= ratio <= _MOST_RATIO for ratio in known)
    _require(sound, "by_filter, relative_speed: impossible")


def _require_shares(name: str, values: Sequence[float]) -> None:
    _require(all(0 <= v <= 1 for v in values if v == v), f"{name}: not from 0 to 1")


def _require_ordered(name: str, values: Sequence[float]) -> None:
    known = [value for value in values if value == value]
    ordered = all(b >= a - _SAME for a, b in pairwise(known))
    _require(ordered, f"{name}: figures that do not ascend")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
