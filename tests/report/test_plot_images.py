"""Figures against kept pictures, so that a broken plot is noticed.

`ANNHARNESS_UPDATE_REFERENCES=1 pytest tests/report/test_plot_images.py` draws the kept pictures
anew: look at them before they are committed.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from harness.report.analysis.curves import styles_of
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.plots.all_figures import MAKERS
from harness.report.plots.style import quiet_fonts, settings
from tests.report.filtered_rows import with_filters

REFERENCES = Path(__file__).parent / "references"
TOLERANCE = 0.02
"""Root mean square of the difference of blurred grey values between 0 and 1."""


def drawn(table, name):
    """A figure of the table as a small grey picture."""
    (group,) = comparison_groups(prepare(table), under_load=name == "load")
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings("screen"))
        figure = MAKERS[name](group, styles_of([group]))
        stream = io.BytesIO()
        with quiet_fonts():
            figure.savefig(stream, dpi=60, metadata={"Software": None})
    return Image.open(stream).convert("L")


def blurred(image):
    """Grey values between 0 and 1, averaged over blocks of 3 x 3 pixels."""
    values = np.asarray(image, dtype=np.float64) / 255
    height, width = (size - size % 3 for size in values.shape)
    return values[:height, :width].reshape(height // 3, 3, width // 3, 3).mean(axis=(1, 3))


def difference(one, other):
    first, second = blurred(one), blurred(other)
    if first.shape != second.shape:
        return 1.0
    return float(np.sqrt(np.mean((first - second) ** 2)))


@pytest.mark.parametrize("name", MAKERS)
def test_figure_looks_as_it_did(table_maker, under_load, name):
    table = table_maker(k=100 if "1-at-n" in name else 10)
    table = {"load": under_load, "filtered": with_filters}.get(name, lambda same: same)(table)
    image = drawn(table, name)
    kept = REFERENCES / f"{name}.png"
    if os.environ.get("ANNHARNESS_UPDATE_REFERENCES"):
        kept.parent.mkdir(exist_ok=True)
        image.save(kept, optimize=True)
    assert kept.is_file(), "no kept picture; see the top of this file"
    assert difference(image, Image.open(kept)) < TOLERANCE


def test_a_missing_curve_a_linear_axis_and_a_lost_title_are_noticed(table, monkeypatch):
    kept = Image.open(REFERENCES / "qps-recall.png")
    without = table[table["algorithm"] != "faiss-pq"]
    assert difference(drawn(without, "qps-recall"), kept) > TOLERANCE
    assert difference(drawn(table.assign(dataset=" "), "qps-recall"), kept) > TOLERANCE
    monkeypatch.setattr("harness.report.plots.tradeoff.choose_scale", lambda *_: "linear")
    assert difference(drawn(table, "qps-recall"), kept) > TOLERANCE
