"""Figures: what is drawn, what is said, and that nothing breaks them."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from matplotlib.transforms import Bbox
from rich.console import Console

from harness.contracts import UserError
from harness.report.analysis.curves import styles_of
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import recommendations
from harness.report.analysis.under_load import settings_under_load
from harness.report.curve_styles import curve_styles
from harness.report.export.printing import print_frontiers
from harness.report.plots.all_figures import MAKERS, draw_figures, figures, makers
from harness.report.plots.figure import new_figure
from harness.report.plots.labels import NamedCurve, label_curves
from harness.report.plots.style import FAINT, wrapped
from harness.report.plots.tradeoff import Choices, tradeoff
from harness.report.quantities import QUANTITIES, human, quantity
from tests.report.filtered_rows import with_filters

pytestmark = pytest.mark.usefixtures("screen_style")

NASTY = (
    '<script>alert("x")</script> ../../etc $\\frac{1}$ {0} \u202eright-to-left \U0001f600 '
    + "n" * 300
)


def only_group(table):
    (group,) = comparison_groups(prepare(table))
    return group


def texts(figure):
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts]
        found += [axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()]
    return "\n".join(found)


def draw(table, x="recall", y="qps", choices=None):
    group = only_group(table)
    return tradeoff(group, styles_of([group]), x, y, choices)


def test_writes_png_and_svg_that_are_the_same_every_time(table, tmp_path):
    names = ["qps-recall", "build-costs"]
    first = draw_figures(table, names).save(tmp_path / "a")
    second = draw_figures(table, names).save(tmp_path / "b")
    assert [path.name for path in first] == [path.name for path in second]
    assert {path.suffix for path in first} == {".png", ".svg"}
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_usual_figures_and_their_conditions(table_maker):
    found = dict(figures(with_filters(table_maker(k=100)), makers(None)))
    assert set(found) == {f"glove-50-10k-k100-{name}" for name in makers(None) if name != "load"}
    for figure in found.values():
        for words in ("glove-50-10k", "k = 100", "1 thread", "AMD EPYC, 2 cores"):
            assert words in texts(figure)


def test_the_figure_of_filters_is_for_queries_with_filters(table_maker):
    names = [name for name, _ in figures(table_maker(), makers(None))]
    assert not any("filtered" in name for name in names)
    (name,) = (n for n, _ in figures(with_filters(table_maker()), makers(["filtered"])))
    assert name == "glove-50-10k-k10-filtered"


@pytest.mark.parametrize(("k", "drawn"), [(5, False), (10, True)])
def test_recall_1_at_n_needs_some_ranks(table_maker, k, drawn):
    names = [name for name, _ in figures(table_maker(k=k), makers(None))]
    assert any("recall-1" in name for name in names) == drawn


def test_every_curve_is_named_once_and_in_the_algorithms_colour(table):
    (axes,) = draw(table).axes
    names = [text for text in axes.texts if text.get_text() in set(table["algorithm"])]
    assert sorted(t.get_text() for t in names) == ["anisotropic-pq", "exact", "faiss-pq", "pq"]
    for text in names:
        assert text.get_color() == curve_styles(table["algorithm"])[text.get_text()].colour


def test_names_cover_no_other_name_and_stay_inside(table_maker):
    figure = draw(table_maker(extra=["hnswlib", "scann"]))
    (axes,) = figure.axes
    figure.canvas.draw()
    names = set(table_maker(extra=["hnswlib", "scann"])["algorithm"])
    boxes = [t.get_window_extent() for t in axes.texts if t.get_text() in names]
    assert len(boxes) == 6
    for i, box in enumerate(boxes):
        assert axes.bbox.padded(1).containsx(box.x0)
        assert axes.bbox.padded(1).containsx(box.x1)
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_names_leave_error_bars_free():
    """A bar, drawn above the curve's end, went through the name that stood there."""
    figure = new_figure()
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    x, y = np.array([0.3, 0.7]), np.array([0.5, 0.5])
    wide, high = np.array([[0.25], [0.25]]), np.array([[0.4], [0.4]])
    for at in (0, 1):
        axes.errorbar(x[at], y[at], xerr=wide, yerr=high, fmt="none")
    label_curves(axes, [NamedCurve("a curve", "#000000", x, y)])
    box = axes.texts[0].get_window_extent()
    for at in (0, 1):
        left, middle = axes.transData.transform((x[at] - 0.25, y[at]))
        right, _ = axes.transData.transform((x[at] + 0.25, y[at]))
        across, low = axes.transData.transform((x[at], y[at] - 0.4))
        _, top = axes.transData.transform((x[at], y[at] + 0.4))
        assert not box.overlaps(Bbox([[left, middle - 1], [right, middle + 1]]))
        assert not box.overlaps(Bbox([[across - 1, low], [across + 1, top]]))


def test_frontier_is_drawn_and_dominated_points_stand_behind(table):
    (axes,) = draw(table).axes
    blue = curve_styles(table["algorithm"])["pq"].colour
    lines = [line for line in axes.lines if line.get_color() == blue]
    joined = [line for line in lines if line.get_linestyle() == "-"]
    x, y = joined[0].get_data()
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) < 0).all()


def test_axes_hold_every_point_and_their_direction(table):
    (axes,) = draw(table, "p99_ms", "recall").axes
    assert "less is better" in axes.get_xlabel()
    assert "more is better" in axes.get_ylabel()
    low, high = axes.get_xlim()
    times = table.loc[table["in_answers"], "p99_ms"]
    assert low < times.min() < times.max() < high


def test_scales_are_chosen_and_can_be_overridden(table):
    (axes,) = draw(table).axes
    assert axes.get_yscale() == "log"
    (axes,) = draw(table, choices=Choices(x_scale="linear", y_scale="linear")).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")
    for name in ("qps-recall", "qps:p99_ms"):
        for figure in dict(figures(table, makers([name], "log", "linear"))).values():
            assert figure.axes[0].get_yscale() == "linear"
            assert figure.axes[0].get_xscale() == "log"


def test_close_recalls_are_told_apart_by_their_error(table):
    near = table[table["recall@10"] > 0.85]
    (axes,) = draw(near).axes
    assert axes.get_xscale() == "function"
    pixels = axes.transData.transform([(0.9, 5e3), (0.99, 5e3), (1.0, 5e3)])[:, 0]
    assert pixels[2] - pixels[1] > 0.5 * (pixels[1] - pixels[0])


def test_the_limit_of_the_harness_is_a_line_and_near_points_are_ringed(table):
    near = table.copy()
    near.loc[near["algorithm"] == "no-op", "qps"] = 40_000.0
    near["near_no_op"] = (near["qps"] >= 20_000) & near["in_answers"]
    figure = draw(near)
    assert "harness overhead" in texts(figure)
    assert "within a factor of 2" in texts(figure)
    assert "far above" in texts(draw(table))


def test_no_op_is_no_curve(table):
    assert "no-op" not in [text.get_text() for text in draw(table).axes[0].texts]


def test_failures_are_told(table):
    words = texts(draw(table))
    assert "2 failed" in words
    assert "timeout" in words


def test_too_many_curves_are_greyed_and_said(table_maker):
    crowded = table_maker(extra=[f"other-{i}" for i in range(12)])
    figure = draw(crowded)
    assert "In grey, nowhere among the fastest: anisotropic-pq, faiss-pq, other-0" in texts(figure)
    named = [t for t in figure.axes[0].texts if t.get_text() in set(crowded["algorithm"])]
    assert len(named) == 8


def test_few_grey_curves_are_named_beside_them(table_maker):
    figure = draw(table_maker(extra=[f"other-{i}" for i in range(6)]))
    grey = {t.get_text() for t in figure.axes[0].texts if t.get_color() == FAINT}
    assert {"other-0", "pq"} & grey


def test_what_may_be_as_fast_as_the_fastest_is_not_grey(table_maker, respeeded, speeds_maker):
    """Of ten curves that do not differ, two were grey: "nowhere among the fastest"."""
    alike = respeeded(
        table_maker(extra=[f"other-{i}" for i in range(9)]),
        lambda row: speeds_maker(
            3e4 * (1.1 - row["tuning_recall"]), noise=0.2, seed=int(row["key"], 16)
        ),
    )
    (group,) = comparison_groups(prepare(alike))
    may_be = {
        name
        for one in recommendations(group)
        for name, _ in (*one.equal, *one.undecided)
    }  # fmt: skip
    assert len(may_be) > 8
    (line,) = [t for t in texts(draw(alike)).splitlines() if "In grey, nowhere" in t] or [""]
    assert not [name for name in may_be if re.search(rf"[ ,]{name}[,.]", line)]


def test_labels_of_one_algorithm_have_colours_of_their_own(table):
    labelled = table[table["algorithm"] == "pq"].copy()
    labelled["label"] = [f"pq M={build['M']}" for build in labelled["build"]]
    (axes,) = draw(labelled).axes
    assert len({t.get_color() for t in axes.texts if t.get_text().startswith("pq M")}) == 2


def test_machines_are_not_drawn_together(table):
    other = table.assign(machine="Other CPU, 8 cores")
    import pandas as pd

    both = dict(figures(pd.concat([table, other]), makers(["qps-recall"])))
    assert len(both) == 2
    assert len(set(both)) == 2


def test_machines_of_any_name_have_figures_of_their_own(table, tmp_path):
    long = "a long name of a machine " * 3
    names = ["机器一, 2 cores", "机器二, 2 cores", f"{long}a", f"{long}b"]
    tables = pd.concat([table.assign(machine=name) for name in names], ignore_index=True)
    assert len(draw_figures(tables, ["qps-recall"])) == len(names)


def test_a_curve_that_finds_nothing_is_drawn_on_an_axis_of_recall(table):
    rows = table[table["label"] == "pq"].copy()
    nothing = rows[rows["status"] == "ok"].head(1).assign(
        qps=1e6, qps_low=0.99e6, qps_high=1.01e6, recall_curve=[np.zeros(10)],
        recall_low_curve=[np.zeros(10)], recall_high_curve=[np.zeros(10)],
    )  # fmt: skip
    draw(pd.concat([rows, nothing], ignore_index=True), "qps", "recall")


def test_stale_points_are_left_out_unless_asked_for(table):
    old = table.assign(stale=True)
    assert list(figures(old, makers(None))) == []
    assert len(list(figures(old, makers(["qps-recall"]), stale=True))) == 1


def test_empty_table_draws_nothing(table, tmp_path):
    assert draw_figures(table.iloc[:0]).save(tmp_path) == []


def test_all_failed_says_so(table, tmp_path):
    failed = table[table["status"] != "ok"]
    (path,) = draw_figures(failed).save(tmp_path, ["svg"])
    assert path.exists()
    assert "no point finished" in texts(draw(failed))


@pytest.mark.parametrize("rows", [slice(0, 1), slice(1, 2), slice(0, 2)])
def test_one_point_is_enough_for_every_figure(table, rows):
    assert len(dict(figures(table.iloc[rows], makers(["all"])))) >= 5


def test_one_query_and_one_build(table_maker):
    found = dict(figures(table_maker(nq=1, builds=1), makers(["all"])))
    assert len(found) >= 7
    for name in ("qps-recall", "at-recall"):
        assert "Bars of QPS within one build" in texts(found[f"glove-50-10k-k10-{name}"])


def test_wide_intervals_never_fill_a_figure(table, respeeded, speeds_maker):
    """Of three builds that differ by a factor of 10, bars went from end to end."""
    wild = respeeded(
        table, lambda row: speeds_maker(row["qps"], noise=1.5, seed=int(row["key"], 16))
    )
    figure = draw(wild)
    figure.canvas.draw()
    (axes,) = figure.axes
    assert "Bars cut at " in texts(figure)
    for container in axes.collections:
        if isinstance(container, LineCollection):
            for segment in container.get_segments():
                ends = axes.transAxes.inverted().transform(axes.transData.transform(segment))
                assert np.ptp(ends, axis=0).max() < 0.35
    qps = wild.loc[wild["in_answers"], "qps"]
    low, high = axes.get_ylim()
    assert high / low < 4 * qps.max() / qps.min()
    assert "Bars cut" not in texts(draw(table))


def test_unknown_intervals_are_said(table, respeeded, speeds_maker):
    alone = respeeded(table, lambda row: speeds_maker(row["qps"], ["", ""]))
    assert "interval unknown: needs 3 builds" in texts(draw(alone))


def test_unknown_figures_do_not_stop_the_known(table):
    broken = table.copy()
    broken.loc[:3, ["qps", "qps_low", "qps_high"]] = np.nan
    broken.loc[4:5, ["build_seconds", "bytes_per_vector", "p99_ms"]] = np.nan
    broken.loc[6, ["qps_low", "qps_high", "build_seconds_low", "build_seconds_high"]] = np.nan
    assert len(dict(figures(broken, makers(["all", "p99_ms:bytes_per_vector"])))) >= 9


@pytest.mark.slow
def test_nasty_names_are_text_everywhere(table, tmp_path):
    nasty = table.copy()
    nasty["dataset"] = NASTY
    nasty["machine"] = NASTY
    pq = nasty["algorithm"] == "pq"
    nasty.loc[pq, ["algorithm", "label"]] = NASTY
    nasty.loc[nasty["status"] != "ok", "reason"] = NASTY
    nasty["build"] = [{NASTY: NASTY} for _ in range(len(nasty))]
    paths = draw_figures(nasty, ["all"]).save(tmp_path / "plots", ["svg"])
    assert {path.parent for path in paths} == {tmp_path / "plots"}
    for path in paths:
        assert re.fullmatch(r"[A-Za-z0-9.\-]{1,150}\.svg", path.name)
        tags = {element.tag for element in ElementTree.parse(path).iter()}
        assert not any("script" in tag for tag in tags)


@pytest.mark.parametrize("name", ["qps-recal", "nothing:recall"])
def test_unknown_figures_and_quantities_are_refused(name, table, tmp_path):
    with pytest.raises(UserError):
        draw_figures(table, [name]).save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_unknown_formats_are_refused(table, tmp_path):
    with pytest.raises(UserError, match="gif"):
        draw_figures(table, ["qps-recall"]).save(tmp_path / "new", ["gif"])
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_named(table, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        draw_figures(table).save(tmp_path / "file" / "plots")


@pytest.mark.parametrize("style", ["paper", "slide"])
def test_other_styles(table, tmp_path, style):
    assert draw_figures(table, ["qps-recall"], style=style).save(tmp_path, ["pdf"])


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_quantity_can_stand_on_an_axis(table, name):
    assert quantity(name).brief.format(k=10) in texts(draw(table, name, "qps"))


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0, "", "0"),
        (12_345, "/s", "12.3k"),
        (999_999, "/s", "1M"),
        (13.25, "B", "13.2 B"),
        (4.2e6, "B", "4.2 MB"),
        (0.00095, "s", "950 µs"),
        (0.25, "ms", "250 µs"),
        (61, "s", "61 s"),
        (0.0000834, "", "0.0000834"),
        (-1e-17, "", "0"),
        (float("nan"), "s", "n/a"),
    ],
)
def test_numbers_in_few_characters(value, unit, words):
    assert human(value, unit) == words


def test_every_maker_is_tried_here():
    assert len(MAKERS) == 11


def test_points_under_load_get_their_own_figure_and_no_other(table, under_load):
    found = dict(figures(under_load(table), makers(["all"])))
    assert list(found) == ["glove-50-10k-k10-load-load"]
    words = texts(found["glove-50-10k-k10-load-load"])
    assert "bound 1.5 ms" in words
    assert "Hollow: the load generator did not keep the schedule." in words
    assert "load" not in dict(figures(table, makers(["load"])))


def test_points_under_load_have_tables_in_the_terminal_and_no_pareto_points(table, under_load):
    found = under_load(table)
    console = Console(width=80, record=True, file=io.StringIO())
    print_frontiers(console, found)
    said = console.export_text()
    assert "under load" in said
    assert "Pareto" not in said
    (group,) = comparison_groups(prepare(found), under_load=True)
    settings = settings_under_load(group)
    for setting in settings:
        assert f"\n{setting.curve} {setting.parameters}".rstrip() in said  # whole, at 80 columns
    assert said.count("! ") == len(settings)  # at one of four rates
    highest = re.findall(r"highest rate with p99 <= 1.5 ms: at most \S+k ±\d+%", said)
    assert len(highest) == len(settings)


def test_a_text_of_several_lines_is_wrapped_without_a_warning():
    assert wrapped("odd\nname", 300, 12) == ["odd name"]


def test_lines_of_text_are_as_long_as_the_width_allows():
    title = "fashion-mnist-784-angular+filtered: filtered search at recall 0.9"
    width, size = 7.6 * 72 * 0.96, 12.0

    def drawn(text):
        bold = FontProperties(weight="bold")
        return TextPath((0, 0), text, size, prop=bold).get_extents().width

    assert wrapped(title, width, size, "bold") == [title]
    long = " ".join([title] * 2)
    lines = wrapped(long, width, size, "bold")
    assert "".join(lines).replace(" ", "") == long.replace(" ", "")
    assert len(lines) == 2
    assert 0.8 * width < drawn(lines[0]) < width
    assert wrapped("\N{CJK UNIFIED IDEOGRAPH-7D22} name", width, size)
    assert wrapped("", width, size) == []


def test_bars_of_builds_that_do_not_reach_the_recall_are_hollow(table):
    points = only_group(table).points
    most = points.groupby(["curve", "build_parameters"])["recall"].max().sort_values()
    (_, first), *_, last = most.items()
    level = (first + most[most > first].min()) / 2
    assert first < level < last[1]
    (figure,) = draw_figures(table, ["build-costs"], recall=level).values()
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    for axes in figure.axes:
        faces = [bar.get_facecolor()[3] for bar in axes.patches if isinstance(bar, Rectangle)]
        hollow = faces.count(0)
        assert 0 < hollow < len(names) == len(faces)
        (curve, parameters) = most.index[0]
        lowest = [name for name in names if name.split("  ")[0] == curve and parameters in name]
        assert [faces[names.index(name)] for name in lowest] == [0] * len(lowest)
        assert hollow == len(lowest)
    told = f"Hollow: no point of the build reaches recall {level:g}"
    assert told in " ".join(texts(figure).split())
    (usual,) = draw_figures(table, ["build-costs"]).values()
    assert all(bar.get_facecolor()[3] for bar in usual.axes[0].patches)
    assert "Hollow" not in texts(usual)


def test_figures_of_queries_that_nothing_has_answers_for_are_told(table):
    names = ("query_seconds", "query_recall")
    bare = table.assign(has_answers=False, **{name: [None] * len(table) for name in names})
    with pytest.warns(UserWarning, match="not drawn: latency, difficulty. No point has the ans"):
        assert not draw_figures(bare, ["latency", "difficulty"])
    assert draw_figures(bare, ["qps-recall"])
    assert draw_figures(table, ["latency"])


def test_figures_that_are_asked_for_and_not_drawn_are_told(table, tmp_path):
    with pytest.warns(UserWarning, match="not drawn: load, at-recall. No point has what they show"):
        assert draw_figures(table, ["load", "at-recall", "qps-recall"], recall=1.1)
    assert draw_figures(table)
    with pytest.warns(UserWarning, match="only figures of two quantities"):
        assert draw_figures(table, ["build-costs"]).save(tmp_path, ["tex"]) == []
