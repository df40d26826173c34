"""Exports: the design's columns, faithful figures, and text that nothing runs."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from harness.contracts import UserError
from harness.interop.bencher import write_bencher
from harness.report.analysis.points import comparison_groups, prepare
from harness.report.analysis.recommendations import recommendations
from harness.report.comparing.comparison import compare_curves, to_markdown
from harness.report.export.exporting import csv_text, export, export_recommendations
from harness.report.export.printing import print_recommendations, recommendation_lines
from harness.report.export.tables import TableStyle, latex

FORMULAS = ['=cmd|"/c calc"!A1', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


def read_csv(table):
    return list(csv.DictReader(io.StringIO(csv_text(table))))


def test_csv_has_the_columns_of_the_design(table_maker):
    header = csv_text(table_maker(k=10)).splitlines()[0]
    assert header == (
        "dataset,algorithm,label,build,search,k,mode,threads,build_threads,builds,repeats,status,"
        "reason,stale,recall@1,recall@5,recall@10,recall1@1,recall1@5,recall1@10,recall@10_low,"
        "recall@10_high,qps,qps_low,qps_high,mean_ms,p50_ms,p95_ms,p99_ms,p999_ms,build_seconds,"
        "index_bytes,bytes_per_vector,peak_rss_bytes,machine,commits,versions,size_scope,"
        "cost_per_million_queries,cost_per_million_queries_low,cost_per_million_queries_high,"
        "offered_qps,achieved_qps,p99_bound_ms,max_rate_qps,max_rate_qps_low,max_rate_qps_high,"
        "dropped_share,late_start_share,late_generator,drop_ms,distance_computations,build_queries"
    )
    assert "recall@100,recall1@1," in csv_text(table_maker(k=100)).splitlines()[0]


def test_csv_holds_every_point_and_its_figures(table):
    rows = read_csv(table)
    assert len(rows) == len(table)
    for row, (_, point) in zip(rows, table.iterrows(), strict=True):
        assert json.loads(row["build"]) == point["build"]
        if point["status"] == "ok":
            assert float(row["qps"]) == point["qps"]
            assert float(row["recall@10"]) == point["recall@10"]
        else:
            assert row["qps"] == ""
            assert row["reason"] == point["reason"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula(table, formula):
    nasty = table.assign(algorithm=formula, label=formula, reason=formula, dataset=formula)
    for row in read_csv(nasty):
        for name in ("algorithm", "label", "reason", "dataset"):
            assert row[name] == "'" + formula.replace("\r", "\n")


def test_rows_of_several_machines_and_versions_can_be_told_apart(table):
    n = len(table)
    another = table.assign(machine="Other", versions=[{"faiss": "1.0"}] * n, commits=[()] * n)
    rows = read_csv(pd.concat([table, another]))
    assert {row["machine"] for row in rows} == {"AMD EPYC, 2 cores", "Other"}
    assert {row["commits"] for row in rows} == {"", "c0ffee" * 6 + "abcd"}
    assert {row["versions"] for row in rows} == {
        '{"faiss": "1.0"}', '{"numpy": "2.4.6", "faiss": "1.15.1", "cffi": "2.1.1"}'
    }  # fmt: skip


def test_empty_table_gives_a_header(table):
    assert len(csv_text(table.iloc[:0]).splitlines()) == 1


def test_json_is_strict_and_keeps_parameters(table, tmp_path):
    export(table, tmp_path / "t.json")
    rows = json.loads((tmp_path / "t.json").read_text(), parse_constant=pytest.fail)
    assert rows[1]["build"] == {"M": 10, "nbits": 4}
    assert rows[-1]["qps"] is None
    np.testing.assert_allclose(rows[0]["recall_curve"], table.iloc[0]["recall_curve"])
    assert rows[0]["block_ids"] == ["b0", "b1", "b2"]
    assert rows[0]["qps_scope"] == "between builds"
    assert {"measured_qps", "held_out_recall", "held_out_recall_low"} <= set(rows[0])
    assert len((tmp_path / "t.json").read_text().splitlines()) == len(rows) + 2  # a line a point


def test_parquet_per_point_and_per_query(table, tmp_path):
    export(table, tmp_path / "t.parquet")
    points = pd.read_parquet(tmp_path / "t.parquet")
    np.testing.assert_allclose(points["qps"], table["qps"].astype(float))
    export(table, tmp_path / "q.parquet", per_query=True)
    queries = pd.read_parquet(tmp_path / "q.parquet")
    finished = table[table["status"] == "ok"]
    assert len(queries) == len(finished) * 200
    means = queries.groupby("key")["recall"].mean()
    for _, point in finished.iterrows():
        assert means[point["key"]] == pytest.approx(point["query_recall"].mean())


def test_markdown_and_latex_hold_every_row_and_no_commands(table, tmp_path):
    nasty = table.assign(label="a|b <script> \\input{x} $ _ # & {0}\nnew line")
    for ending in (".md", ".tex"):
        export(nasty, tmp_path / f"t{ending}")
    markdown = (tmp_path / "t.md").read_text().splitlines()
    answers = table["in_answers"].sum()
    assert len(markdown) == answers + 2
    assert "<script>" not in "".join(markdown)
    assert len({line.replace("\\|", "").count("|") for line in markdown}) == 1
    tex = (tmp_path / "t.tex").read_text()
    assert "\\input" not in tex
    assert tex.count("\\\\\n") == answers + 1


STATED = "¶ without the answers: recall and latency are as their sender states"


@pytest.mark.parametrize("is_stated", [False, True])
def test_recalls_that_their_sender_states_are_marked_wherever_they_are_told(
    table, tmp_path, capsys, is_stated
):
    """In tables for people, in recommendations and comparisons; not where figures stand alone."""
    own = table.assign(has_answers=~((table["algorithm"] == "faiss-pq") & is_stated))
    md, tex, best = (tmp_path / name for name in ("a.md", "a.tex", "best.md"))
    export(own, md)
    export(own, tex)
    export_recommendations(own, best)
    console = Console(width=200, no_color=True)
    print_recommendations(console, own, [0.8])
    (group,) = comparison_groups(prepare(own))
    console.print(recommendation_lines(list(recommendations(group))))
    found = compare_curves(own, "pq", "faiss-pq")
    printed = capsys.readouterr().out
    compared = to_markdown(found)
    for text in (md.read_text(), tex.read_text(), best.read_text(), printed, compared):
        assert (STATED in " ".join(text.split())) == is_stated
        assert (text.count("¶") > text.count(STATED)) == is_stated
    lines = md.read_text().splitlines()
    marked = {line.split(" | ")[2] for line in lines if "¶" in line and line.startswith("|")}
    assert marked == ({"faiss-pq"} if is_stated else set())
    assert {one.stated for one in found} == {is_stated}
    assert not any(one.stated for one in compare_curves(own, "pq", "exact"))


def test_tables_for_people_round_no_recall_to_1_and_hold_no_python(table, tmp_path):
    near = table[table["algorithm"] == "pq"].head(1).assign(
        tuning_recall=0.9997, held_out_recall=0.9997, held_out_recall_low=0.9996,
        **{"recall@10": 0.9996},
    )  # fmt: skip
    style = TableStyle(columns=["recall@10", "versions", "commits"])
    export(near, tmp_path / "t.md", style=style)
    row = (tmp_path / "t.md").read_text("utf-8").splitlines()[2]
    assert row.startswith('| 0.9996 | {"numpy": "2.4.6"')
    assert "'" not in row
    assert "(" not in row
    export_recommendations(near, tmp_path / "r.tex", [0.9995])
    assert "0.9995 & pq" in (tmp_path / "r.tex").read_text("utf-8")
    assert "0.9997 & 0.9996 &" in (tmp_path / "r.tex").read_text("utf-8")


def test_tables_for_people_are_without_the_overhead_of_the_harness(table, tmp_path):
    overhead = table[~table["in_answers"]]
    for ending in (".md", ".tex"):
        export(table, tmp_path / f"t{ending}")
        assert "no-op" not in (tmp_path / f"t{ending}").read_text()
        export(overhead, tmp_path / f"n{ending}")
        assert "no-op" in (tmp_path / f"n{ending}").read_text()


def test_latex_of_chosen_columns_with_caption_and_alignment(table, tmp_path):
    style = TableStyle(
        columns=["algorithm", "recall@k", "QPS", "p50_ms"],
        caption="Speed & recall",
        alignment="l|rrr",
        highlight={"pq"},
    )
    export(table, tmp_path / "t.tex", style=style)
    tex = (tmp_path / "t.tex").read_text()
    assert tex.startswith("\\begin{table}\n\\centering\n\\caption{Speed \\& recall}\n")
    assert "\\begin{tabular}{l|rrr}" in tex
    assert "algorithm & recall@k & QPS & p50\\_ms \\\\\n" in tex
    assert "\\textbf{pq} & " in tex
    assert "\\textbf{exact}" not in tex
    export(table, tmp_path / "t.md", style=TableStyle(columns=["algorithm"], highlight={"pq"}))
    markdown = (tmp_path / "t.md").read_text()
    assert "| algorithm |\n| --- |\n| exact |\n" in markdown
    assert "| **pq** |" in markdown
    export_recommendations(table, tmp_path / "f.tex", style=TableStyle(columns=["level", "label"]))
    assert "level & label" in (tmp_path / "f.tex").read_text()


@pytest.mark.parametrize(
    ("name", "style", "words"),
    [
        ("t.tex", TableStyle(columns=["algoritm"]), "did you mean 'algorithm'"),
        ("t.tex", TableStyle(columns=["algorithm", "QPS"], alignment="lrr"), "2 of the letters"),
        ("t.tex", TableStyle(columns=["algorithm"], alignment="\\"), "1 of the letters"),
        ("t.md", TableStyle(caption="x"), "--caption is for .tex"),
        ("t.csv", TableStyle(columns=["algorithm"]), "--columns is for .md and .tex"),
        ("t.csv", TableStyle(highlight={"pq"}), "--highlight is for .md and .tex"),
    ],
)
def test_impossible_layouts_are_refused(table, tmp_path, name, style, words):
    for write in (export, export_recommendations):
        with pytest.raises(UserError) as refused:
            write(table, tmp_path / name, style=style)
        if write is export:
            assert words in refused.value.describe()
    assert list(tmp_path.iterdir()) == []


def test_latex_escapes_every_special_character():
    assert latex("a_b&50%") == r"a\_b\&50\%"
    assert latex("\\") == r"\textbackslash{}"


@pytest.mark.parametrize(("name", "per_query"), [("t.xls", False), ("t", False), ("t.csv", True)])
def test_impossible_exports_write_nothing(table, tmp_path, name, per_query):
    with pytest.raises(UserError):
        export(table, tmp_path / name, per_query=per_query)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(table, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"t\.csv"):
        export(table, tmp_path / "file" / "t.csv")


def test_queries_carry_their_difficulty(table, tmp_path):
    export(table, tmp_path / "q.parquet", per_query=True)
    queries = pd.read_parquet(tmp_path / "q.parquet")
    first = table.iloc[0]
    own = queries[queries["key"] == first["key"]]
    np.testing.assert_allclose(own["difficulty"], first["query_difficulty"])
    export(table.assign(query_difficulty=None), tmp_path / "n.parquet", per_query=True)
    assert pd.read_parquet(tmp_path / "n.parquet")["difficulty"].isna().all()


@pytest.mark.parametrize("ending", [".csv", ".json", ".md", ".tex", ".parquet"])
def test_recommendations_are_exported_as_they_are_reported(table, tmp_path, ending):
    path = tmp_path / f"fastest{ending}"
    nasty = table.assign(label=[f"=1|{name}" for name in table["label"]])
    export_recommendations(nasty, path)
    (group,) = comparison_groups(prepare(nasty))
    expected = recommendations(group)
    if ending == ".parquet":
        found = pd.read_parquet(path)
    elif ending == ".csv":
        found = pd.read_csv(path)
        assert found["label"].str.startswith("'=").all()
    elif ending == ".json":
        found = pd.DataFrame(json.loads(path.read_text()))
    else:
        assert len(path.read_text().splitlines()) == len(expected) + (2 if ending == ".md" else 6)
        return
    np.testing.assert_allclose(found["qps"], [one.qps for one in expected])
    np.testing.assert_allclose(found["recall"], [one.row["held_out_recall"] for one in expected])
    undecided = found["undecided"].fillna("").astype(str)
    assert list(undecided.str.lstrip("'")) == [one.undecided_text for one in expected]
    assert "equal_within_5_percent" in found
    with pytest.raises(UserError):
        export_recommendations(table, tmp_path / "fastest.xls")


def test_bencher_reads_value_and_bounds_in_its_units(table, tmp_path):
    path = tmp_path / "bencher.json"
    write_bencher(table, path)
    found = json.loads(path.read_text())
    points = prepare(table[(table["status"] == "ok") & table["in_answers"]])
    assert len(found) == len(points)
    row = points[points["algorithm"] == "pq"].iloc[0]
    (name,) = (n for n in found if f" pq {row['parameters']}" in n and n.startswith(row["dataset"]))
    metrics = found[name]
    throughput = [metrics["throughput"][one] for one in ("lower_value", "value", "upper_value")]
    assert throughput == [row["qps_low"], row["qps"], row["qps_high"]]
    assert metrics["latency"] == {"value": pytest.approx(1e6 * row["p50_ms"])}
    assert metrics["index-size"] == {"value": row["index_bytes"]}


def test_bencher_gets_no_points_under_load(table, tmp_path):
    under_load = table.assign(mode="load", qps=float("nan"))
    write_bencher(pd.concat([table, under_load, under_load]), tmp_path / "bencher.json")
    assert json.loads((tmp_path / "bencher.json").read_text())
    with pytest.raises(UserError, match="no finished point"):
        write_bencher(under_load, tmp_path / "bencher.json")


def test_two_points_that_would_be_one_benchmark_are_refused(table, tmp_path):
    both = pd.concat([table, table.assign(machine="another")])
    with pytest.raises(UserError, match="two points would be one benchmark"):
        write_bencher(both, tmp_path / "bencher.json")
    with pytest.raises(UserError, match="Bencher reads JSON"):
        write_bencher(table, tmp_path / "bencher.csv")
    assert list(tmp_path.iterdir()) == []
