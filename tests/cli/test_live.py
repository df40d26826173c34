"""The live table: what runs, what is done, what is left."""

import io
import time
from dataclasses import replace

from rich.console import Console

from harness.cli import live
from harness.cli.live import live_table
from harness.files import progress as data_progress
from harness.results.identity import Machine, PointIdentity
from harness.results.point import Failure, PointHeader
from harness.running.listener import RunningBlock, plain_lines


def header(name: str) -> PointHeader:
    identity = PointIdentity(
        dataset="words",
        fingerprint="f" * 64,
        metric="angular",
        algorithm="pq",
        adapter_sha256="a" * 64,
        build={"M": name},
        search={},
        k=10,
        mode="single",
        threads=1,
        build_threads=1,
        machine=Machine("a cpu", 2, 1 << 30),
        versions={},
    )
    return PointHeader(identity, "pq", f"M={name}", n=100, d=8, nq=10)


BLOCK = RunningBlock("a", "words", 1, 2, ("pq M=5", "pq M=25"))
OTHER = RunningBlock("b", "words", 2, 2, ("pq M=5",))


def test_blocks_that_run_at_the_same_time_are_told_apart():
    out, log = io.StringIO(), io.StringIO()
    with (
        live_table(Console(file=out, force_terminal=True, width=120)) as table,
        plain_lines(log) as lines,
    ):
        table.planned([header("5"), header("25")], kept=0, builds=3)
        for listener in (table, lines):
            listener.block_started(BLOCK)
            listener.block_started(OTHER)
            listener.phase(BLOCK, "pq M=25", "build", None)
            listener.phase(OTHER, "pq M=5", "build", None)
        last = out.getvalue()[-600:]
        assert "words: block 1 of 2, pq M=25 build" in last
        assert "words: block 2 of 2, pq M=5 build" in last
        for listener in (table, lines):
            listener.block_ended(BLOCK, 1.0)
    assert "words: block 2 of 2: building pq M=5 (1 of 1)" in log.getvalue()
    assert "words: block 1 of 2: 1.0 s" in log.getvalue()


def test_an_index_that_is_built_again_is_not_counted_twice():
    """A crash costs another build; the count went on, to (3 of 2)."""
    log = io.StringIO()
    with plain_lines(log) as lines:
        lines.block_started(BLOCK)
        for title in (*BLOCK.titles, BLOCK.titles[0]):
            lines.phase(BLOCK, title, "build", None)
    assert "building pq M=25 (2 of 2)\n  building pq M=5 again\n" in log.getvalue()


def test_a_setting_is_named_where_the_build_has_no_name():
    one = replace(header(""), name="ef=1")
    out = io.StringIO()
    with live_table(Console(file=out, force_terminal=True, width=120)) as table:
        table.planned([one], kept=0, builds=1)
        table.block_started(BLOCK)
        table.phase(BLOCK, "pq", "warm-up", one)
        assert "words: block 1 of 2, pq warm-up ef=1" in out.getvalue()


def test_it_shows_points_blocks_time_left_and_failures():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    points = [header("5"), header("25")]
    with live_table(console) as table:
        table.planned(points, kept=0, builds=4)
        table.block_started(BLOCK)
        table.phase(BLOCK, "pq M=5", "build", None)
        table.phase(BLOCK, "pq M=25", "build", None)
        table.phase(BLOCK, "", "cycle 1 of 5", None)
        table.point_added(points[0], 1)
        table.block_ended(BLOCK, 0.5)
        reason = "it [bold]went[/bold] wrong\nbadly " + "x" * 300
        table.point_failed(Failure(points[1], "error", reason))
    shown = out.getvalue()
    assert "build 2 of 4" in shown
    assert "words: block 1 of 2" in shown
    assert "cycle 1 of 5" in shown
    assert "s left" in shown
    assert "error: words k=10 pq M=25: it [bold]went[/bold] wrong badly" in shown
    assert "x" * 250 not in shown


def test_the_clock_goes_on_while_nothing_is_told_but_not_in_turns(monkeypatch):
    monkeypatch.setattr(live, "_SECONDS_BETWEEN_TICKS", 0.01)
    out = io.StringIO()
    with live_table(Console(file=out, force_terminal=True, width=120)) as table:
        table.progress("ground truth", 1, 4, "queries")
        assert "ground truth 25 %" in out.getvalue()
        wait_for_more(out)
        table.planned([header("5")], kept=0, builds=1)
        table.block_started(BLOCK)
        table.phase(BLOCK, "pq M=5", "build", None)
        wait_for_more(out)
        table.phase(BLOCK, "", "cycle 1 of 5", None)
        time.sleep(0.2)
        before = len(out.getvalue())
        time.sleep(0.1)
        assert len(out.getvalue()) == before


def test_lines_say_what_goes_on_while_nothing_is_told(monkeypatch):
    monkeypatch.setattr(data_progress, "_SECONDS_BETWEEN_LINES", 0.02)
    monkeypatch.setattr(data_progress, "_TICK_SECONDS", 0.01)
    out = io.StringIO()
    with plain_lines(out) as lines:
        wait_for_more(out)
        lines.block_started(BLOCK)
        assert "working, " in out.getvalue()
        for tell, expected in (
            (lambda: lines.progress("ground truth", 1, 4), "ground truth 25 %, "),
            (lambda: lines.phase(BLOCK, "pq M=5", "build", None), "  pq M=5 build, "),
            (lambda: lines.phase(BLOCK, "", "cycle 1 of 5", None), "  cycle 1 of 5, "),
        ):
            tell()
            wait_for_more(out)
            wait_for_more(out)
            assert f"\n{expected}" in out.getvalue()
    length = len(out.getvalue())
    time.sleep(0.05)
    assert len(out.getvalue()) == length


def wait_for_more(out: io.StringIO) -> None:
    before = len(out.getvalue())
    until = time.monotonic() + 20
    while len(out.getvalue()) == before:
        assert time.monotonic() < until, "nothing more was shown"
        time.sleep(0.005)
