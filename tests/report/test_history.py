"""The same point over commits and versions: which steps are marked, and where they are shown."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

import harness
from harness.cli.main import app
from harness.contracts import UserError
from harness.registry.known_steps import read_known_steps
from harness.report.comparing.history import (
    histories,
    step_words,
    to_json,
    to_markdown,
    with_known_steps,
)
from harness.report.comparing.states import compare_states, state_names
from harness.report.site.content import SiteChoices
from harness.report.site.pages import write_site
from harness.results.table.columns import frame_of
from harness.results.table.conditions import adjust_qps

ATOM = "{http://www.w3.org/2005/Atom}"
LINKED = "‡ measured in different blocks, linked by the reference"
TIMES = [f"2026-0{month}-01T03:00:00Z" for month in range(1, 10)]


@pytest.fixture
def nights(row_maker, speeds_maker):
    """Tables of several nights: for each point its QPS each night, as one folder a night."""

    def make(points, *, noise=0.002, slow=(), builds=4, **changes):
        tables = []
        for night in range(max(map(len, points.values()))):
            rows = []
            for number, (name, qps) in enumerate(points.items()):
                if night >= len(qps):
                    continue
                blocks = [f"night{night}-{build}" for build in range(builds)]
                late = dict.fromkeys(blocks, slow[night] if slow else 0.0)
                seed = 100 * night + number
                speeds = speeds_maker(qps[night], blocks, noise=noise, slow=late, seed=seed)
                facts = {
                    "question": f"question {name}", "key": f"{name}-{night}", "sequence": night,
                    "finished_at": TIMES[night], "commits": (f"{night}" * 40,),
                    "versions": {"faiss": f"1.{night}"}, "adapter_sha256": "a",
                    "libraries": {"faiss-cpu": f"1.{night}"},
                    "recall_curve": np.full(10, 0.9), "bytes_per_vector": 10.0,
                    "label": name, "algorithm": name, "build": {"M": number},
                    **{key: values[night] for key, values in changes.items()},
                }  # fmt: skip
                rows.append(row_maker(**facts, **columns_of(speeds)))
            adjust_qps(rows)
            tables.append(frame_of(rows))
        return tables

    return make


def columns_of(speeds):
    from harness.measures.qps import qps_interval

    interval = qps_interval(speeds)
    return {
        "qps": interval.value, "qps_low": interval.low, "qps_high": interval.high,
        "qps_scope": interval.scope, "builds": len(speeds.blocks), "block_ids": speeds.blocks,
        "build_log_seconds": speeds.log_seconds, "reference_log_seconds": speeds.reference,
        "round_levels": speeds.levels, "reference_levels": speeds.reference_levels,
    }  # fmt: skip


def test_a_step_is_marked_where_the_interval_says_so_alone(nights):
    found = histories(nights({"pq": [1000, 1002, 1300, 1301], "exact": [500, 499, 501, 500]}))
    exact, pq = found
    assert (exact.curve, pq.curve) == ("exact", "pq")
    assert exact.steps == ()
    (step,) = pq.steps
    state, ratio = step.state, step.ratio
    assert (state.when, step.moment, step.kind) == (TIMES[2], "2026-03-01", "faster")
    assert (ratio.verdict, round(ratio.value, 1)) == ("faster", 1.3)
    assert state.changed == ("faiss 1.1 → 1.2", "commit 1111111111 → 2222222222")
    assert (pq.overall.verdict, exact.overall.verdict) == ("faster", "equal")
    noisy = histories(nights({"pq": [1000, 1000, 1300, 1300]}, noise=0.3))
    assert noisy[0].steps == ()
    assert {ratio.verdict for ratio in noisy[0].changes} == {"undecided"}


def test_a_slow_night_is_no_step_and_speeds_are_at_the_newest_conditions(nights):
    (one,) = histories(nights({"pq": [1000, 1000, 1000]}, slow=[0.0, 0.4, 0.1]))
    assert one.steps == ()
    figures = [state.qps for state in one.states]
    assert figures == pytest.approx([1000 * np.exp(-0.1)] * 3, rel=0.01)
    for state in one.states:
        assert state.qps_low < state.qps < state.qps_high


def test_intervals_are_corrected_for_all_changes_of_the_group(nights):
    two = histories(nights({"pq": [1000, 1010]}))
    more = histories(nights({"pq": [1000, 1010, 990], "exact": [500, 510, 490]}))
    assert two[0].changes[0].level == 0.95  # that of newest over first is the same comparison
    assert more[0].changes[0].level == pytest.approx(1 - 0.05 / 6)
    last = histories(nights({"pq": [1000, 1010, 990], "exact": [500, 510, 490]}), last=2)
    assert [len(one.states) for one in last] == [2, 2]
    assert last[0].states[0].when == TIMES[1]


def test_what_is_another_point_and_what_is_the_same_state_twice(nights):
    tables = nights({"pq": [1000, 1300]}, fingerprint=["a" * 64, "b" * 64])
    assert histories(tables) == []  # other data
    tables = nights({"pq": [1000, 1300]}, machine=["AMD", "Intel"])
    assert histories(tables) == []
    first, second = nights({"pq": [1000, 1300]})
    assert histories([first, first]) == []
    (one,) = histories([second, first, second])
    assert [state.when for state in one.states] == TIMES[:2]
    assert histories([first.iloc[:0], first]) == []


def test_failed_points_and_unknown_speeds_have_no_state(nights):
    first, second = nights({"pq": [1000, 1300]})
    assert histories([first, second.assign(status="timeout")]) == []
    assert histories([first, second.assign(measured_qps=np.nan)]) == []
    assert histories([table.assign(question=np.nan) for table in (first, second)]) == []


def test_one_build_a_night_is_undecided_and_says_what_it_takes(nights):
    (one,) = histories(nights({"pq": [1000, 2000]}, builds=1))
    assert one.steps == ()
    assert "needs at least 3 builds" in to_markdown([one])


def test_files_of_the_history_hold_every_state(nights):
    found = histories(nights({"pq": [1000, 1300], "exact": [500, 500]}))
    rows = json.loads(to_json(found), parse_constant=pytest.fail)
    assert [row["verdict"] for row in rows] == [None, "equal", None, "faster"]
    assert rows[3]["changed"][0] == "faiss 1.0 → 1.1"
    lines = to_markdown(found).splitlines()
    assert "2026-02-01: 1.30" in lines[3]
    assert lines[4:] == ["", f"97.5 % intervals, corrected for 2 comparisons. {LINKED}"]
    assert to_markdown([]) == "no history\n"


def test_the_page_shows_the_states_and_marks_the_steps(nights, tmp_path):
    tables = nights({"pq": [1000, 1300, 1301], "exact": [500, 500, 500]})
    found = histories(tables)
    write_site(tables[-1], tmp_path, history=found)
    page = (tmp_path / "history.html").read_text()
    assert page.count("<article") == page.count('<svg class="picture"') == 2
    assert re.findall(r'class="step (\w+)"', page) == ["faster"]
    (words,) = re.findall(r'<p class="change faster" data-when="2026-02-01T03:00">(.*?)</p>', page)
    assert words.startswith("2026-02-01: 1.30")
    assert "faiss 1.0 → 1.1" in words
    for picture in re.findall(r"<svg.*?</svg>", page, re.S):
        ElementTree.fromstring(picture)
    write_site(tables[-1], tmp_path / "alone")
    assert "one state only" in (tmp_path / "alone" / "history.html").read_text()


def test_commits_of_the_history_are_links_to_where_they_are_kept(nights, tmp_path):
    tables = nights({"pq": [1000, 1300, 1301]})
    tables[0]["commits"] = [('"><script>',)]
    choices = SiteChoices(commit_url="https://example.org/us/commit/{commit}")
    write_site(tables[-1], tmp_path, choices=choices, history=histories(tables))
    page = (tmp_path / "history.html").read_text()
    links = re.findall(r'href="(https://example.org/[^"]*)">(\w+)<', page)
    assert links == [(f"https://example.org/us/commit/{n * 40}", n * 10) for n in ("2", "1")]
    assert '"><script>' not in page


@pytest.mark.parametrize(
    "url",
    ["http://x/{commit}", "https://x/commit", "javascript:{commit}", "https://{commit}{commit}"],
)
def test_what_is_no_address_of_commits_is_refused(url):
    with pytest.raises(UserError, match="no address of commits"):
        SiteChoices(commit_url=url)


def test_two_states_are_compared_by_the_newest_of_each_name(nights):
    """By commits or by library versions, whichever lies between; only what differs is told."""
    rng = np.random.default_rng(0)
    better = [rng.choice([0.8, 0.9], 300), np.full(300, 0.95), np.full(300, 0.95)]
    unknown = [np.nan] * 3
    tables = nights({"pq": [1000, 1300, 1301], "exact": [500, 500, 500]})
    for night, table in enumerate(tables):
        recalls = [better[night] if name == "exact" else unknown[night] for name in table["label"]]
        table["query_recall"] = recalls
    found = histories(tables)
    names = state_names(found, 12)
    assert [one.words for one in names] == [
        f"{name}, {day}"
        for night, day in enumerate(("2026-01-01", "2026-02-01", "2026-03-01"))
        for name, day in (
            (f"commit {str(night) * 10}", day),
            (f"faiss-cpu 1.{night}", f"until {day}"),
        )
    ]
    assert state_names(found, 2) == names[-2:]
    exact, pq = compare_states(found, names[0], names[-1])
    assert (exact.point.curve, pq.point.curve) == ("exact", "pq")
    assert (pq.old.when, pq.new.when) == (TIMES[0], TIMES[2])
    assert (pq.ratio.verdict, exact.ratio.verdict) == ("faster", "equal")
    assert pq.recall is None
    assert exact.recall.real
    assert exact.recall.value == pytest.approx(0.95 - better[0].mean())
    assert exact.differs
    assert pq.differs
    assert [one.differs for one in compare_states(found, names[2], names[4])] == [False, False]
    assert compare_states(found, names[0], names[1]) == []  # the same state by two names


def test_the_comparison_of_two_states_is_that_of_the_step_between_them(nights):
    found = histories(nights({"pq": [1000, 1300], "exact": [500, 500]}))
    compared = compare_states(found, *(state_names(found, 12)[n] for n in (0, -1)))
    steps = [step for one in found for step in one.steps]
    assert [one.ratio for one in compared if one.differs] == [step.ratio for step in steps]


def test_the_feed_has_an_entry_for_each_step_the_newest_first(nights, tmp_path):
    tables = nights({"pq": [1000, 1300, 1000], "a < b & c": [500, 900]})
    write_site(tables[-1], tmp_path / "one", history=histories(tables))
    write_site(tables[-1], tmp_path / "two", history=histories(tables))
    text = (tmp_path / "one" / "feed.xml").read_text()
    assert text == (tmp_path / "two" / "feed.xml").read_text()
    feed = ElementTree.fromstring(text)
    entries = feed.findall(f"{ATOM}entry")
    assert [one.findtext(f"{ATOM}updated") for one in entries] == [TIMES[2], TIMES[1], TIMES[1]]
    assert feed.findtext(f"{ATOM}updated") == TIMES[2]
    assert entries[0].findtext(f"{ATOM}title") == "pq M=0 on glove-50-10k: slower"
    assert len({one.findtext(f"{ATOM}id") for one in entries}) == 3
    page = (tmp_path / "one" / "history.html").read_text()
    for one in entries:
        target = one.find(f"{ATOM}link").get("href")
        assert f'id="{target.partition("#")[2]}"' in page
    odd = [table.assign(finished_at="<b>yesterday</b>") for table in tables]
    write_site(tables[-1], tmp_path / "odd", history=histories(odd))
    ElementTree.fromstring((tmp_path / "odd" / "feed.xml").read_text())


@pytest.fixture
def folders(nights, monkeypatch, tmp_path):
    """Folders of nights, as `load_results` reads them."""
    tables = nights({"pq": [1000, 1300], "exact": [500, 500]})
    by_name = {f"night-{number}": table for number, table in enumerate(tables)}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "harness.report.analysis.selecting.load_results",
        lambda folder, **_: by_name[str(folder)],
    )
    return by_name


def invoked(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_the_command_prints_each_point_and_its_steps(folders, tmp_path):
    shown = invoked("history", *folders, "-o", "history.json")
    assert "glove-50-10k: k = 10, AMD EPYC, 2 cores" in shown
    assert "step of pq M=0, 2026-02-01: 1.30" in shown
    assert "equal within 5 %" in shown
    assert f"97.5 % intervals, corrected for 2 comparisons. {LINKED}\n" in shown
    assert len(json.loads((tmp_path / "history.json").read_text())) == 4
    only = invoked("history", *folders, "--steps")
    assert "pq" in only
    assert "exact" not in only
    assert "no step in the speed of 1 point" in invoked(
        "history", *folders, "--steps", "-a", "exact"
    )
    assert "one state only" in invoked("history", "night-0")


def test_the_command_tells_what_it_does_while_it_works(folders, monkeypatch):
    monkeypatch.setattr("harness.files.progress._SECONDS_BETWEEN_LINES", 0.0)
    assert "reading results and comparing states" in invoked("history", *folders)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["history", "night-0", "--last", "1"], "two states or more"),
        (["history", "night-0", "-a", "pw"], "did you mean 'pq'"),
        (["history", "night-0", "-o", "history.csv"], ".json, .md"),
    ],
)
def test_wrong_questions_are_refused(folders, arguments, words):
    with pytest.raises(UserError) as refused:
        invoked(*arguments)
    assert words in refused.value.describe()


def test_publish_takes_the_folders_of_other_nights(folders, tmp_path):
    invoked("publish", "site", "--results", "night-1", "--history", "night-0", "--stale")
    assert "2026-02-01: 1.30" in (tmp_path / "site" / "history.html").read_text()
    folders["night-0"] = folders["night-0"].query("algorithm != 'exact'")
    limits = ("-a", "exact", "--history", "night-0")  # it joined later
    invoked("publish", "alone", "--results", "night-1", "--stale", *limits)
    assert "one state only" in (tmp_path / "alone" / "history.html").read_text()


def test_python_gives_the_same_table(folders):
    table = harness.history(["night-0", "night-1"]).table
    assert list(table["verdict"].fillna("")) == ["", "equal", "", "faster"]


KNOWN = """\
- commit: "2222222"
  why: Distances in float64, accepted.
- {day: 2026-02-01, algorithm: exact, dataset: glove-50-10k, why: Another compiler.}
- {day: 2026-02-01, dataset: other, why: Elsewhere.}
"""


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "known.yml"
    path.write_text(KNOWN)
    return path


def test_known_steps_are_marked_with_their_reason(nights, known):
    found = histories(nights({"pq": [1000, 1300, 1000], "exact": [500, 900, 901]}))
    marked, unmatched = with_known_steps(found, read_known_steps(known))
    exact, pq = marked
    assert [step.kind for step in exact.steps] == ["known"]
    assert [step.kind for step in pq.steps] == ["faster", "known"]
    assert pq.steps[1].ratio.verdict == "slower"
    assert step_words(pq.steps[1]).endswith("; known: Distances in float64, accepted.")
    assert [one.origin for one in unmatched] == [f"{known}:4"]
    rows = json.loads(to_json(marked))
    assert [row["known"] for row in rows] == [
        None, "Another compiler.", None, None, None, "Distances in float64, accepted.",
    ]  # fmt: skip


def test_a_known_commit_does_not_excuse_what_changes_later(nights, tmp_path):
    """The commit stays the same in the third night; a library has changed."""
    tables = nights({"pq": [1000, 700, 500]})
    tables[2] = tables[2].assign(commits=tables[1]["commits"])
    commit = tables[1]["commits"].iloc[0][0]
    (tmp_path / "known.yml").write_text(f'- {{commit: "{commit}", why: Safer.}}\n')
    (one,), _ = with_known_steps(histories(tables), read_known_steps(tmp_path / "known.yml"))
    assert [step.kind for step in one.steps] == ["known", "slower"]


@pytest.mark.parametrize(
    ("day", "kinds"),
    [
        ("2026-01-01", ["known", "known"]),
        ("2026-01-01 09:30", ["known", "slower"]),
        ("2026-01-01 10:00", ["slower", "known"]),
        ("2026-01-01 11:00", ["slower", "slower"]),
    ],
)
def test_a_time_names_one_of_the_steps_of_a_day(nights, tmp_path, day, kinds):
    tables = nights({"pq": [1000, 700, 500]})
    times = ("2026-01-01T03:00:00Z", "2026-01-01T09:30:00Z", "2026-01-01T11:00:00+01:00")
    tables = [one.assign(finished_at=when) for one, when in zip(tables, times, strict=True)]
    (tmp_path / "known.yml").write_text(f"- {{day: {day}, why: Safer.}}\n")
    (one,), _ = with_known_steps(histories(tables), read_known_steps(tmp_path / "known.yml"))
    assert [step.kind for step in one.steps] == kinds


def test_times_at_the_end_of_the_calendar_are_days(nights):
    tables = nights({"pq": [1000, 1300, 1300]})
    when = "0001-01-01T00:00:00+05:00"
    (one,) = histories([table.assign(finished_at=when) for table in tables[:2]])
    assert one.moments == ("0001-01-01", "0001-01-01")


def test_the_page_and_the_feed_show_known_steps_as_such(nights, known, tmp_path):
    tables = nights({"pq": [1000, 1300, 1000], "exact": [500, 500, 500]})
    found, _ = with_known_steps(histories(tables), read_known_steps(known))
    write_site(tables[-1], tmp_path, history=found)
    page = (tmp_path / "history.html").read_text()
    assert re.findall(r'class="step (\w+)"', page) == ["faster", "known"]
    assert "2 steps in speed, 1 of them known" in page
    assert page.count("known: Distances in float64, accepted.") == 2
    feed = ElementTree.parse(tmp_path / "feed.xml")
    titles = [one.findtext(f"{ATOM}title") for one in feed.getroot().findall(f"{ATOM}entry")]
    assert [title.partition(": ")[2] for title in titles] == ["slower, known", "faster"]


def test_several_states_of_a_day_are_told_apart_by_their_times(nights, tmp_path):
    tables = nights({"pq": [1000, 1300, 1300]})
    times = ("2026-01-01T03:00:00Z", "2026-01-01T09:30:00+02:00", "2026-01-02T00:00:00Z")
    tables = [one.assign(finished_at=when) for one, when in zip(tables, times, strict=True)]
    (one,) = histories(tables)
    assert one.moments == ("2026-01-01 03:00", "2026-01-01 07:30", "2026-01-02 00:00")
    assert step_words(one.steps[0]).startswith("2026-01-01 07:30: 1.30")
    write_site(tables[-1], tmp_path, history=[one])
    page = (tmp_path / "history.html").read_text()
    assert 'type="datetime-local" name="from" min="2026-01-01T03:00" max="2026-01-02T00:00"' in page


def test_the_command_fails_for_slower_steps_that_are_not_known(folders, nights, tmp_path):
    for number, table in enumerate(nights({"pq": [1300, 1000], "exact": [500, 900]})):
        folders[f"night-{number}"] = table
    line = ["history", *folders, "--fail-if-slower"]
    assert CliRunner().invoke(app, line).exit_code == 1
    assert CliRunner().invoke(app, [*line, "-a", "exact"]).exit_code == 0
    (tmp_path / "known.yml").write_text("- {day: 2026-02-01, algorithm: pq, why: Safer now.}\n")
    done = CliRunner().invoke(app, [*line, "--known-steps", "known.yml"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert "known: Safer now." in done.output
    (tmp_path / "known.yml").write_text("- {day: 2025-02-01, why: Long ago.}\n")
    done = CliRunner().invoke(app, [*line, "--known-steps", "known.yml"])
    assert done.exit_code == 1
    assert "known.yml:1: no step shown fits this entry" in done.output


def test_publish_takes_known_steps(folders, known, tmp_path):
    choices = ("--results", "night-1", "--history", "night-0", "--stale")
    known.write_text("- {day: 2026-02-01, algorithm: pq, why: Faster kernel.}\n")
    invoked("publish", "site", *choices, "--known-steps", known)
    assert "known: Faster kernel." in (tmp_path / "site" / "history.html").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {why: Because.}", "commit: or day: of the step"),
        ("- {commit: 1234567, why: Because.}", "'commit'"),
        ("- {commit: main, why: Because.}", "'commit'"),
        ('- {commit: "1234567"}', "the key 'why' is missing"),
        ('- {commit: "1234567", why: Because., algoritm: pq}', "did you mean 'algorithm'"),
        ("commit: x", "no list of known steps"),
    ],
)
def test_a_wrong_file_of_known_steps_is_refused_with_the_place(tmp_path, text, words):
    path = tmp_path / "known.yml"
    path.write_text(text)
    with pytest.raises(UserError) as refused:
        read_known_steps(path)
    assert words in refused.value.describe()
    assert str(path) in refused.value.describe()


def test_an_empty_file_has_no_known_steps(tmp_path):
    path = tmp_path / "known.yml"
    path.write_text("")
    assert read_known_steps(path) == ()
