"""Colours, markers and dashes: curves that appear together can be told apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.analysis.curves import styles_of
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.curve_styles import COLOURS, curve_styles

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
# Ottosson 2020: linear RGB to Oklab, times 100.
LMS = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
       [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
LAB = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
       [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip


def linear(colour):
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    return 100 * np.cbrt(np.clip(rgb, 0, 1) @ np.transpose(LMS)) @ np.transpose(LAB)


def contrast(colour, ground):
    light = [linear(c) @ [0.2126, 0.7152, 0.0722] + 0.05 for c in (colour, ground)]
    return max(light) / min(light)


@pytest.mark.parametrize(
    ("eyes", "least"), [("normal", 15), *((e, 6.5) for e in EYES if e != "normal")]
)
def test_colours_are_far_apart(eyes, least):
    seen = {c: oklab(linear(c) @ np.transpose(EYES[eyes])) for c in (*COLOURS, "#000000")}
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) >= least, (one, other)


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_are_seen_on_white_and_on_the_dark_page(colour):
    assert contrast(colour, "#ffffff") > 2.1
    assert contrast(colour, "#14171a") > 2.1


def test_peers_have_colours_markers_and_symbols_of_their_own():
    """Of the eleven, three were blue, two orange and two pink."""
    peers = ["anisotropic-pq", "exact", "faiss-ivf-pq-fs", "hnswlib", "ngt", "rabitq-ivf",
             "rabitq-symqg", "scann-soar", "scann-tree", "svs", "usearch"]  # fmt: skip
    found = curve_styles(peers, [peers]).values()
    for channel in ("colour", "marker", "symbol"):
        assert len({getattr(style, channel) for style in found}) == len(peers)


def test_looks_stay_and_differ():
    many = ["pq", "exact", *(f"algorithm-{i}" for i in range(50))]
    chosen = curve_styles(many)
    assert len({(style.colour, style.marker) for style in chosen.values()}) == len(many)
    assert curve_styles(["pq"])["pq"] == chosen["pq"]
    assert curve_styles(reversed(many)) == chosen


names = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=len(COLOURS))


@given(names, st.lists(st.text(min_size=1, max_size=8), max_size=60))
def test_as_many_as_there_are_colours_never_share_one(group, others):
    found = curve_styles([*others, *group], [group])
    assert len({found[name].colour for name in group}) == len(group)
    assert len({(style.colour, style.marker) for style in found.values()}) == len(found)


def test_curves_that_a_chart_shows_differ_in_colour(table_maker):
    (group,) = comparison_groups(prepare(table_maker(extra=[f"other-{i}" for i in range(30)])))
    found = styles_of([group])
    shown = group.ranking.shown
    assert len({found[name].colour for name in shown}) == len(shown) >= 8


def test_curves_of_a_figure_that_chooses_otherwise_differ_in_colour(table_maker):
    """Recall 1@N, for one, shows curves that are too slow for a chart of the speed."""
    others = [f"other-{i}" for i in range(len(COLOURS) - 4)]
    (group,) = comparison_groups(prepare(table_maker(extra=others)))
    every = group.ranking.every
    assert len(group.ranking.shown) < len(every) <= len(COLOURS)
    found = styles_of([group])
    assert len({found[name].colour for name in every}) == len(every)


def test_curves_of_the_suite_paper_differ_in_colour():
    """A first palette gave `scann` and `scann-style-pq` one pink."""
    paper = ["anisotropic-pq", "faiss-opq", "faiss-pq", "pq", "scann", "scann-style-pq"]
    styles = curve_styles(paper, [paper])
    seen = {name: oklab(linear(style.colour)) for name, style in styles.items()}
    for one, other in combinations(paper, 2):
        assert np.linalg.norm(seen[one] - seen[other]) >= 15, (one, other)
