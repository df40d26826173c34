"""A search for parameters as it is shown: a live table on a terminal, lines elsewhere."""

import io
import re
import time

from rich.console import Console

from harness.cli import live
from harness.cli.live_search import live_search
from harness.files.progress import silent
from harness.registry.registry import load_registry
from harness.registry.settings import Facts, space_of
from harness.tuning.contenders import Contender
from harness.tuning.following import SearchLines, SearchState
from harness.tuning.trials import Trial


def contender(label: str) -> Contender:
    definition = load_registry().algorithm("pq")
    facts = Facts(10, 100, 8, "angular")
    return Contender(label, definition, None, facts, space_of(definition), ())


def trial(label: str, m: int, recall: float, qps: float, size: float) -> Trial:
    return Trial(
        label=label, block="a", build={"M": m, "nbits": 4}, search={"rerank": 120}, recall=recall,
        qps=qps, bytes_per_vector=size, status="reached", spent_seconds=12.0,
    )  # fmt: skip


def standing(label: str, builds: int, *best: Trial) -> SearchState:
    return SearchState(contender(label), builds, 0, 12.0, 30.0, best)


FIRST = trial("pq", 10, 0.9512, 26_878.0, 205.3)
SMALL = trial("pq", 5, 0.9534, 9_000.0, 103.0)


def last_frame(out: io.StringIO) -> list[str]:
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).replace("\r", "")
    return [line.rstrip() for line in plain[plain.rindex("algorithm") :].splitlines()]


def test_it_shows_a_row_for_each_algorithm_and_what_is_built():
    out = io.StringIO()
    with live_search(Console(file=out, force_terminal=True, width=80)) as table:
        table.search_began([standing("pq", 0), standing("other", 3, trial("other", 25, 1, 9, 8))])
        table.block_started(contender("pq"), 2)
        table.phase("pq M=10 build", in_turns=False)
        frame = last_frame(out)
        assert re.match(r"pq +0 +12 of 30 +none reaches it yet", frame[1])
        assert re.match(r"other +3 +12 of 30 +M=25 .*1.000 +9 +8", frame[2])
        assert frame[-1] == "pq: block of 2 builds, M=10 build"
        table.block_ended(standing("pq", 2, FIRST), reached=2, builds=2)
        frame = last_frame(out)
        assert re.match(r"pq +2 +12 of 30 +M=10 nbits=4 \| .*0.951 +26,878 +205", frame[1])
        assert max(map(len, frame)) <= 80
        assert "rerank=120" in "".join(frame)
        assert frame[-1].endswith("24 of 60 s")


def test_builds_of_a_sample_are_told_from_those_of_all_rows():
    on_sample, out = contender("pq").on(25), io.StringIO()
    state = SearchState(on_sample, 1, 8, 12.0, 30.0, [FIRST])
    with live_search(Console(file=out, force_terminal=True, width=80)) as table:
        table.search_began([state])
        table.block_started(on_sample, 4)
        frame = last_frame(out)
        assert re.match(r"pq +1 \+8 +12 of 30", frame[1])
        assert frame[-1] == "pq: block of 4 builds on 25 of 100 rows, starting"
    told: list[str] = []
    SearchLines(told.append, silent).block_ended(state, reached=3, builds=4)
    head = "pq: 1 build and 8 of samples tried in 12 s"
    assert told == [f"{head}; on 25 of 100 rows, 3 of 4 reach the target"]


def test_it_says_why_there_are_no_samples():
    out = io.StringIO()
    with live_search(Console(file=out, force_terminal=True, width=80)) as table:
        table.search_began([standing("pq", 1)])
        table.samples_missed(contender("pq"), "no folder")
        assert last_frame(out)[-1] == "pq: no builds on samples of the rows: no folder"


def test_a_frontier_has_a_line_for_each_member_and_a_lost_block_its_reason():
    out = io.StringIO()
    with live_search(Console(file=out, force_terminal=True, width=80)) as table:
        table.search_began([standing("pq", 4, SMALL, FIRST)])
        frame = last_frame(out)
        assert re.search(r"0.953 +9,000 +103$", frame[1])
        assert any(re.search(r"0.951 +26,878 +205$", line) for line in frame[2:])
        table.block_lost(standing("pq", 4, SMALL, FIRST), "tried 3 times")
        assert "pq: the search ends, a block was lost: tried 3 times" in last_frame(out)


def test_the_clock_stands_still_in_turns(monkeypatch):
    monkeypatch.setattr(live, "_SECONDS_BETWEEN_TICKS", 0.01)
    out = io.StringIO()
    with live_search(Console(file=out, force_terminal=True, width=80)) as table:
        table.search_began([standing("pq", 0)])
        table.block_started(contender("pq"), 1)
        before, until = len(out.getvalue()), time.monotonic() + 20
        while len(out.getvalue()) == before:
            assert time.monotonic() < until, "nothing more was shown"
            time.sleep(0.005)
        table.phase("cycle 1 of 5", in_turns=True)
        time.sleep(0.2)
        before = len(out.getvalue())
        time.sleep(0.1)
        assert len(out.getvalue()) == before


def test_lines_tell_what_each_block_found():
    told: list[str] = []
    lines = SearchLines(told.append, silent)
    lines.search_began([standing("pq", 0), standing("other", 3, FIRST)])
    lines.block_ended(standing("pq", 1), reached=0, builds=1)
    lines.block_ended(standing("pq", 2, FIRST), reached=1, builds=2)
    lines.block_ended(standing("pq", 4, SMALL, FIRST), reached=2, builds=2)
    small = "M=5 nbits=4 | rerank=120, recall 0.9534, 9,000 queries/s, 103.0 bytes"
    first = "M=10 nbits=4 | rerank=120, recall 0.9512, 26,878 queries/s, 205.3 bytes"
    assert told == [
        "other: 3 builds tried in 12 s; it continues",
        "pq: 1 build tried in 12 s; 0 of 1 reach the target; none so far",
        f"pq: 2 builds tried in 12 s; best so far {first}",
        f"pq: 4 builds tried in 12 s; frontier of 2, from {small} to {first}",
    ]
