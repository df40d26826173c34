"""The search for parameters, on simulated landscapes: journal, budget, failures, target."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.contracts import UserError
from harness.files.progress import silent
from harness.measures.tuning import SAME_SIZE
from harness.registry.settings import Facts
from harness.registry.spaces import Axis, Space
from harness.running.blocks import BlockOutcome, TaskFailure
from harness.running.dataset_locks import DatasetLocks
from harness.tuning.choosing import best_so_far
from harness.tuning.contenders import Contender
from harness.tuning.following import SearchLines
from harness.tuning.journal import Journal
from harness.tuning.model import KnownBuild, build_id
from harness.tuning.sampling import stages_of
from harness.tuning.search import Samples
from harness.tuning.trials import Goal, Trial
from harness.tuning.winners import tuned_label, winners_of, write_suite


def _loaded():
    """The script that simulates, as a module."""
    file = Path(__file__).parents[1] / "performance" / "tuning.py"
    spec = importlib.util.spec_from_file_location("simulated_tuning", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


simulated = _loaded()

AXES = {
    "simulated": {
        "M": Axis(low=4, high=64, is_whole=True, is_log=True),
        "effort": Axis(low=40, high=800, is_whole=True, is_log=True),
        "kind": Axis(("a", "b", "c", "d")),
        "seed": Axis((0,)),
    },
    "one": {"M": Axis(low=1, high=1000, is_log=True)},
}


def contender(label, n=simulated.N, **more):
    facts = Facts(simulated.K, n, 8, "angular")
    return Contender(label, None, None, facts, Space(AXES[label]), (), **more)  # type: ignore[arg-type]


def best_in(journal, asked=None, blocks=None, **more):
    """The best so far of the only label of a journal."""
    one = contender(journal.trials[0].label, **more)
    return best_so_far(journal, one, asked or goal(), blocks)


def goal(**more):
    return Goal(
        **{
            "recall": 0.95, "minimize": ("query",), "max_bytes": None, "budget_seconds": 60.0,
            "seed": 0, **more,
        }
    )  # fmt: skip


def searched(tmp_path, landscape, **more):
    search = simulated.search_of(landscape, tmp_path, goal(**more))
    search.run()
    return search.journal


@pytest.mark.parametrize("shape", ["bowl", *simulated.SHAPES])
def test_no_build_of_a_simulated_index_is_faster_than_its_best(shape):
    """So the losses that the simulation prints are those of the search."""
    shares = [i / 12 for i in range(13)]
    axes = AXES["simulated"]
    for seed in range(3):
        landscape = simulated.Landscape(seed, shape=shape)
        times = [
            landscape.least_log_seconds({name: axes[name].at(x) for name, x in at.items()}, 0.95)
            for at in (
                {"M": m, "effort": effort, "kind": kind}
                for m, effort, kind in itertools.product(shares, shares, (0, 0.3, 0.6, 0.9))
            )
        ]
        least = landscape.best_log_seconds(0.95)
        assert least <= min(times) < least + 0.1 < max(times)


@pytest.mark.slow
def test_the_best_of_each_block_meets_the_target_on_held_out_queries(tmp_path):
    kept = []
    for seed in range(4):
        landscape = simulated.Landscape(seed)
        [best] = best_in(searched(tmp_path / str(seed), landscape))
        kept.append(simulated.keeps_target(landscape, best, 0.95))
    assert sum(kept) >= 3


def test_the_default_comes_first_and_no_build_is_made_again(tmp_path):
    """The model knows of the luck of builds, and learns more from others."""
    journal = searched(tmp_path, simulated.Landscape(1), budget_seconds=300.0)
    made = [build_id(trial.build) for trial in journal.trials]
    assert journal.trials[0].build == {"M": 16, "effort": 200, "kind": "a", "seed": 0}
    assert len(made) == len(set(made)) > 6
    assert not any(trial.again for trial in journal.trials)


def test_without_a_model_the_best_is_built_a_second_time(tmp_path):
    """In every block of three builds or more; once six were tried, in smaller ones too."""
    asked = goal(budget_seconds=300.0)
    search = simulated.search_of(simulated.Landscape(2), tmp_path, asked, "random")
    search.run()
    journal, without = search.journal, {"strategy": "random"}
    blocks = [own[0].block for own in journal.blocks("simulated")]
    made: list[str] = []
    for i, own in enumerate(journal.blocks("simulated")):
        again = [trial.build for trial in own if trial.again]
        best = [trial.build for trial in best_in(journal, goal(), blocks[:i], **without)]
        is_due = len(own) >= 3 or len(set(made)) >= 6
        once = [build for build in best if made.count(build_id(build)) == 1]
        assert again == (once if is_due else [])
        made += [build_id(trial.build) for trial in own]
    fresh = [build_id(trial.build) for trial in journal.trials if not trial.again]
    assert len(fresh) == len(set(fresh)) > 6
    [best] = best_in(journal, **without)
    assert made.count(build_id(best.build)) == 2  # the last build of the budget was kept for it


def test_a_lucky_build_does_not_stay_the_best_without_a_model(tmp_path):
    journal = Journal(tmp_path, {})
    journal.add(
        Trial(
            label="one", block=block, build={"M": m}, status="reached", times_reference=time,
            qps=1 / time, spent_seconds=1.0,
        )
        for m, time, block in ((1, 3.0, "a"), (2, 2.0, "a"), (3, 1.0, "a"), (3, 3.5, "b"))
    )  # fmt: skip
    without = {"strategy": "random"}
    assert [t.build["M"] for t in best_in(journal, goal(), ["a"], **without)] == [3]
    assert [t.build["M"] for t in best_in(journal, **without)] == [2]


def test_by_the_model_a_lucky_build_among_slow_ones_is_not_the_best(tmp_path):
    """Times fall towards M = 100, but for the luck of one build."""
    journal = Journal(tmp_path, {})
    tried = (1, 2, 3, 5, 6, 10, 20, 40, 60, 90, 110, 160, 300, 600, 1000)
    times = {m: math.exp(0.1 * math.log(m / 100) ** 2) for m in tried}
    times[5] = 0.98 * min(times.values())
    journal.add(
        Trial(
            label="one", block="a", build={"M": m}, status="reached", times_reference=time,
            qps=1 / time, spent_seconds=1.0,
        )
        for m, time in times.items()
    )  # fmt: skip
    [best] = best_in(journal)
    assert 60 <= best.build["M"] <= 160
    assert [t.build["M"] for t in best_in(journal, strategy="random")] == [5]


def test_a_build_far_faster_than_the_model_expects_is_more_than_lucky(tmp_path):
    journal = Journal(tmp_path, {})
    journal.add(
        Trial(
            label="one", block="a", build={"M": m}, status="reached", qps=1 / time,
            times_reference=time, spent_seconds=1.0,
        )
        for m, time in ((1, 4.0), (2, 3.0), (5, 0.8), (6, 2.8), (20, 1.8), (90, 1.0), (400, 1.8))
    )  # fmt: skip
    assert [t.build["M"] for t in best_in(journal)] == [5]


def test_builds_of_several_blocks_are_known_by_their_times_relative_to_the_reference(tmp_path):
    """One of the second block left the race; that of the third was too slow for it."""
    journal = Journal(tmp_path, {})
    journal.add(
        Trial(
            label="one", block=block, build={"M": m}, status=status, times_reference=time,
            rough_times_reference=rough, spent_seconds=1.0,
        )
        for m, block, status, time, rough in (
            (1, "a", "reached", 2.0, 2.2), (2, "b", "reached", 3.0, 2.8),
            (3, "b", "slower", None, 6.0), (4, "b", "missed", None, 4.0),
            (5, "c", "too_slow", None, 10.0),
        )
    )  # fmt: skip
    costs = [one.costs for one in journal.known("one", goal())]
    assert costs[:2] == [((math.log(2),),), ((math.log(3),),)]
    assert costs[2][0][0] == pytest.approx(math.log(6))
    assert costs[3] == ()
    assert costs[4][0][0] == pytest.approx(math.log(10))


def test_of_the_builds_of_the_winner_the_slowest_setting_is_taken(tmp_path):
    journal = Journal(tmp_path, {})
    journal.add(
        Trial(
            label="one", block=block, build={"M": m}, search={"ef": ef}, status="reached",
            times_reference=float(ef), qps=1 / ef, spent_seconds=1.0,
        )
        for m, ef, block in ((1, 90, "a"), (2, 80, "a"), (2, 60, "b"), (2, 50, "c"))
    )  # fmt: skip
    assert [t.search for t in best_in(journal)] == [{"ef": 80}]
    assert [t.search for t in best_in(journal, strategy="random")] == [{"ef": 80}]


def test_the_budget_bounds_what_is_begun(tmp_path):
    journal = searched(tmp_path, simulated.Landscape(1))
    last = journal.blocks("simulated")[-1]
    before = max(t.spent_seconds for t in journal.trials if t.block != last[0].block)
    assert before < 60.0


def test_the_last_build_has_the_time_that_builds_take(tmp_path):
    """When it begins, less is left of the budget."""

    class OfEqualBuilds(simulated.Landscape):
        def build_seconds(self, build):
            return 10.0

    journal = searched(tmp_path, OfEqualBuilds(1), budget_seconds=54.0)
    assert not any(trial.reason for trial in journal.trials)
    assert journal.blocks("simulated")[-2][0].spent_seconds > 54.0 - 10.0


def test_a_build_that_the_budget_stopped_is_tried_again_with_a_larger_one(tmp_path):
    asked = {"minimize": ("bytes",)}
    journal = searched(tmp_path, simulated.Landscape(1), budget_seconds=46.0, **asked)
    *others, stopped = journal.trials
    assert stopped.status == "out_of_budget"
    assert len(journal.known("simulated", goal(**asked))) == len(others)
    more = searched(tmp_path, simulated.Landscape(1), budget_seconds=120.0, **asked)
    later = more.trials[len(journal.trials) :]
    assert any(t.build == stopped.build and t.status != "out_of_budget" for t in later)


@pytest.mark.parametrize("minimize", [("bytes",), ("query", "bytes")])
def test_the_best_stays_when_the_budget_stops_its_second_build(tmp_path, minimize):
    journal = Journal(tmp_path, {})
    first = Trial(
        label="one", block="a", build={"M": 1}, status="reached", times_reference=1.0,
        bytes_per_vector=4.0, spent_seconds=1.0,
    )  # fmt: skip
    again = {"label": "one", "block": "b", "build": {"M": 1}, "again": True, "spent_seconds": 2.0}
    journal.add([first, Trial(status="out_of_budget", **again)])
    assert best_in(journal, goal(minimize=minimize)) == [first]


def run_until_stopped(search, blocks):
    """Run a search that is stopped by Ctrl-C when it has measured so many blocks."""
    run_block, done = search._run_block, []

    def interrupted(*arguments):
        if len(done) == blocks:
            raise KeyboardInterrupt
        done.append(arguments)
        run_block(*arguments)

    search._run_block = interrupted
    with pytest.raises(KeyboardInterrupt):
        search.run()


def test_a_search_that_was_stopped_continues_as_if_it_had_not_been(tmp_path):
    whole = searched(tmp_path / "whole", simulated.Landscape(2))
    search = simulated.search_of(simulated.Landscape(2), tmp_path / "stopped", goal())
    run_until_stopped(search, blocks=2)
    again = searched(tmp_path / "stopped", simulated.Landscape(2))
    assert [t.build for t in again.trials] == [t.build for t in whole.trials]


def slow(seed=3, **more):
    """A landscape whose builds of all rows are slow; the second value is the budget for five."""
    landscape = simulated.Landscape(seed, n=simulated.SLOW_N, **more)
    return landscape, 5 * landscape.build_seconds(simulated.DEFAULT)


def searched_with_samples(tmp_path, landscape, budget_seconds, **more):
    asked = goal(budget_seconds=budget_seconds, **more)
    search = simulated.search_of(landscape, tmp_path, asked, samples=True)
    search.run()
    return search.journal


def stages(journal):
    """The rows of the samples of the blocks, in order and each change once; None is all rows."""
    rows = [own[0].sample_rows for own in journal.blocks("simulated")]
    return [key for key, _ in itertools.groupby(rows)]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """The journal of a search with samples."""
    return searched_with_samples(tmp_path_factory.mktemp("sampled"), *slow())


def test_slow_builds_are_tried_on_two_samples_before_the_few_of_all_rows(tmp_path, sampled):
    (landscape, budget), journal = slow(), sampled
    first, small, large, last = stages(journal)
    assert (first, last) == (None, None)
    assert 10_000 <= small < large <= landscape.n / 10
    spent = [journal.spent_on("simulated", rows) for rows in (small, large)]
    assert sum(spent) < budget / 2
    assert journal.sample_count("simulated") > 4 * journal.count("simulated")

    [best] = best_in(journal, n=landscape.n)
    assert best.sample_rows is None
    alone = searched(tmp_path / "alone", landscape, budget_seconds=budget)
    assert stages(alone) == [None]
    [other] = best_in(alone, n=landscape.n)
    gain = landscape.least_log_seconds(other.build, 0.95) - landscape.least_log_seconds(
        best.build, 0.95
    )
    assert gain > 0.1


@pytest.mark.parametrize(("n", "builds"), [(1_000_000, 13), (1_000_000, 1.5), (190_000, 5)])
def test_no_sample_is_made_where_it_would_not_pay(tmp_path, n, builds):
    """Builds are fast, or there is time for one of all rows alone, or there are few rows."""
    landscape = simulated.Landscape(3, n=n)
    budget = builds * landscape.build_seconds(simulated.DEFAULT)
    assert stages(searched_with_samples(tmp_path, landscape, budget)) == [None]


@pytest.mark.parametrize(("builds", "lines"), [(5, 1), (13, 0)])
def test_why_there_are_no_samples_is_said_only_where_they_would_have_been_made(
    tmp_path, builds, lines
):
    landscape, budget = slow()
    search = simulated.search_of(landscape, tmp_path, goal(budget_seconds=budget / 5 * builds))
    search.samples = Samples(why_not="no folder")
    told: list[str] = []
    search.follower = SearchLines(told.append, silent)
    for _ in range(2):  # the second one has nothing left to do
        search.run()
    missed = "simulated: no builds on samples of the rows: no folder"
    assert told.count(missed) == lines
    assert stages(search.journal) == [None]


def test_a_sample_that_takes_all_the_time_to_draw_is_not_built_from(tmp_path, monkeypatch):
    """The time is spent all the same; what is left is for builds of all rows."""
    landscape, budget = slow()
    search = simulated.search_of(landscape, tmp_path, goal(budget_seconds=budget), samples=True)
    draw, clock = search.samples.of, [0.0]

    def slowly(rows):
        clock[0] += 0.4 * budget
        return draw(rows)

    search.samples = Samples(slowly)
    monkeypatch.setattr("harness.tuning.search.time.perf_counter", lambda: clock[0])
    search.run()
    assert clock == [0.4 * budget]
    assert stages(search.journal) == [None]
    first, second = search.journal.blocks("simulated")[:2]
    assert second[0].spent_seconds - first[0].spent_seconds > 0.5 * budget


def test_the_time_to_draw_a_sample_is_spent_but_not_that_of_its_builds(tmp_path, monkeypatch):
    landscape, budget = slow()
    search = simulated.search_of(landscape, tmp_path, goal(budget_seconds=budget), samples=True)
    draw, clock, long = search.samples.of, [0.0], 0.05 * budget

    def slowly(rows):
        clock[0] += long
        return draw(rows)

    search.samples = Samples(slowly)
    monkeypatch.setattr("harness.tuning.search.time.perf_counter", lambda: clock[0])
    search.run()
    rows = search.journal.sample_rows("simulated")[0]
    assert max(search.journal.seconds_per_build("simulated", rows)) < long / 4
    assert search.journal.spent_on("simulated", rows) > long


@pytest.mark.slow
def test_a_search_with_samples_that_was_stopped_continues_as_if_it_had_not_been(tmp_path, sampled):
    landscape, budget = slow()
    asked = goal(budget_seconds=budget)
    search = simulated.search_of(landscape, tmp_path / "stopped", asked, samples=True)
    run_until_stopped(search, blocks=3)
    assert stages(search.journal)[1:]
    again = searched_with_samples(tmp_path / "stopped", landscape, budget)
    told = [[(t.build, t.sample_rows) for t in one.trials] for one in (again, sampled)]
    assert told[0] == told[1]


@pytest.mark.parametrize(("times", "again"), [(1.05, 0), (1.3, 1)])
def test_a_larger_budget_uses_the_samples_of_before(tmp_path, sampled, times, again):
    """No third size of samples, no more than its part on samples, and no builds after the time."""
    landscape, budget = slow()
    shutil.copytree(sampled.folder.parent, tmp_path, dirs_exist_ok=True)
    journal = searched_with_samples(tmp_path, landscape, times * budget)
    assert journal.sample_rows("simulated") == sampled.sample_rows("simulated")
    assert journal.count("simulated") >= sampled.count("simulated") + again
    new = journal.trials[len(sampled.trials) :]
    assert all(trial.status != "timeout" for trial in new if trial.sample_rows)
    spent = [journal.spent_on("simulated", rows) for rows in journal.sample_rows("simulated")]
    assert sum(spent) < times * budget / 2
    blocks = journal.blocks("simulated")
    assert all(own[0].spent_seconds < times * budget for own in blocks[:-1])


def test_samples_have_few_sizes_and_those_of_a_journal_stay():
    """What the first build takes differs a little whenever it is made."""
    n, share = 1_000_000, 4.0

    def sizes(build_seconds, made=(), share=share):
        return [stage.rows for stage in stages_of(n, share, build_seconds, made)]

    assert {tuple(sizes(1 + i / 100)) for i in range(-4, 5)} == {(12_500, 50_000)}
    assert sizes(1.0, share=8.0) == [25_000, 100_000]
    assert sizes(1.0, [12_500, 50_000], share=8.0) == [12_500, 50_000]
    assert sizes(1.0, [12_500], share=8.0) == [12_500, 50_000]
    assert sizes(1.0, [12_500], share=2.1) == [12_500, 25_000]
    assert sizes(1.0, [50_000]) == [12_500, 50_000]  # there was no time for the small one
    assert sizes(1.0, [60_000], share=8.0) == [60_000, 100_000]


def test_a_build_that_missed_the_target_on_a_sample_is_proposed_on_all_rows(monkeypatch):
    monkeypatch.setattr(Contender, "_can_build", lambda self, build: True)
    space = Space({"M": Axis((1, 2, 3, 4, 5))})
    facts = Facts(10, 100, 8, "angular")
    contender = Contender("one", None, None, facts, space, ({"M": 1},))  # type: ignore[arg-type]
    of_sample = [KnownBuild({"M": m}, ((float(m),),) if m < 5 else (), 10) for m in range(1, 6)]
    known = [KnownBuild({"M": 1}, ((7.0,),)), *of_sample]
    proposed = [build["M"] for build in contender.proposals(known, [], 0)]
    assert sorted(proposed) == [2, 3, 4, 5]
    assert proposed[-1] == 5
    assert list(contender.on(10).proposals(known, [], 0)) == []


def test_builds_far_from_the_best_follow_once_all_near_it_were_tried(monkeypatch):
    monkeypatch.setattr(Contender, "_can_build", lambda self, build: True)
    space = Space({"M": Axis(low=1, high=20, is_whole=True)})
    contender = Contender("one", None, None, Facts(10, 100, 8, "angular"), space, ())  # type: ignore[arg-type]
    known = [KnownBuild({"M": m}, ((float(m),),)) for m in range(1, 17)]
    proposed = list(contender.proposals(known, [{"M": 1}], 0))
    assert {build["M"] for build in proposed} == {17, 18, 19, 20}
    near = list(contender.proposals(known[:4], [{"M": 1}], 0))
    assert {build["M"] for build in near} < set(range(5, 17))


def test_of_builds_that_promise_the_same_the_quicker_one_is_tried_first(monkeypatch):
    """The slow ones take ten times as long to build."""
    monkeypatch.setattr(Contender, "_can_build", lambda self, build: True)
    space = Space({"kind": Axis(("a", "b", "c")), "slow": Axis((True, False))})
    contender = Contender("one", None, None, Facts(10, 100, 8, "angular"), space, ())  # type: ignore[arg-type]
    known = [
        KnownBuild({"kind": kind, "slow": slow}, ((cost,),), None, 10.0 if slow else 1.0)
        for kind, cost in (("a", 1.0), ("b", 2.0))
        for slow in (True, False)
    ]
    proposed = [build["slow"] for build in contender.proposals(known, [known[0].build], 0)]
    assert proposed == [False, True]


def test_a_build_that_would_take_too_long_on_all_rows_is_not_proposed(monkeypatch):
    """On a tenth of the rows builds take a tenth of the time."""
    monkeypatch.setattr(Contender, "_can_build", lambda self, build: True)
    space = Space({"M": Axis((1, 2, 4, 8, 16))})
    facts = Facts(10, 100, 8, "angular")
    contender = Contender("one", None, None, facts, space, ())  # type: ignore[arg-type]
    of_sample = [KnownBuild({"M": m}, ((-m,),), 10, m / 10) for m in (1, 2, 4, 8)]
    known = [KnownBuild({"M": 1}, ((0.0,),), None, 1.0), *of_sample]
    proposed = contender.proposals(known, [], 0, most_seconds=5.0)
    assert {build["M"] for build in proposed} == {2, 4}


@pytest.mark.slow
def test_of_a_frontier_samples_are_no_member(tmp_path):
    landscape, budget = slow(bytes_of_link=8)
    asked = {"minimize": ("query", "bytes")}
    journal = searched_with_samples(tmp_path, landscape, budget, **asked)
    assert journal.sample_count("simulated") > 0
    frontier = best_in(journal, goal(**asked))
    assert frontier
    assert all(trial.sample_rows is None for trial in frontier)


def test_a_build_may_take_longer_than_the_first_although_the_budget_is_small(tmp_path):
    """A quarter of the budget, as other builds may take, is less than the first one took."""
    landscape, _ = slow()
    budget = 3.5 * landscape.build_seconds(simulated.DEFAULT)
    journal = searched(tmp_path, landscape, budget_seconds=budget)
    first, *others = journal.trials
    assert any(t.qps and t.build_seconds > first.build_seconds for t in others)


def test_the_suite_of_the_winners_tells_builds_of_samples_from_those_of_all_rows(sampled):
    (landscape, budget), journal = slow(), sampled
    asked = goal(budget_seconds=budget)
    search = simulated.search_of(landscape, journal.folder.parent, asked, samples=True)
    winners = [(search.contenders[0], best_in(journal, asked, n=landscape.n)[0])]
    path = write_suite(search.conditions, asked, journal, winners)
    told = yaml.safe_load(path.read_text())["tuned"]
    assert told["trials"] == {"simulated": journal.count("simulated")}
    assert told["sample_trials"] == {"simulated": journal.sample_count("simulated")}
    assert search.journal.trials == journal.trials  # read from its file


@pytest.mark.slow
def test_proposals_do_not_depend_on_the_process():
    """Python orders a set of texts differently in each."""
    code = (
        "from harness.registry.spaces import Axis, Space; from itertools import islice;"
        "from harness.tuning.contenders import Contender;"
        "from harness.tuning.model import KnownBuild;"
        "from harness.registry.settings import Facts;"
        "axes = {name: Axis(low=0.0, high=1.0) for name in 'abcdef'};"
        "at = lambda i: {name: abs(hash(i * j)) % 97 / 97 for j, name in enumerate(axes)};"
        "known = [KnownBuild(at(i), ((float(i),),)) for i in range(6)];"
        "Contender._can_build = lambda self, build: True;"
        "one = Contender('one', None, None, Facts(1, 1, 1, 'angular'), Space(axes), ());"
        "print(list(islice(one.proposals(known, [at(0)], 0), 3)))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in "12"
    }  # fmt: skip
    assert len(found) == 1


def test_a_crash_costs_its_trial(tmp_path):
    landscape = simulated.Landscape(3, crashes="b")
    journal = searched(tmp_path, landscape, budget_seconds=120.0)
    crashed = [trial for trial in journal.trials if trial.status == "crashed"]
    assert crashed
    assert all(t.build["kind"] == "b" and t.reason == "as told" for t in crashed)
    [best] = best_in(journal)
    assert best.build["kind"] != "b"


def test_a_block_that_was_lost_ends_the_search_and_is_tried_again_by_the_next(tmp_path):
    class Away:
        """A cluster whose nodes have gone."""

        asked = 0

        def run_blocks(self, blocks, follow):
            self.asked += 1
            assert self.asked < 3, "it goes on and on"
            for spec in blocks:
                keys = [setting.key for member in spec.members for setting in member.settings]
                failure = TaskFailure("lost", "tried 3 times", "block")
                yield spec, BlockOutcome(spec.id, 0, failed=dict.fromkeys(keys, failure))
                yield spec, None

    search, told = simulated.search_of(simulated.Landscape(2), tmp_path, goal()), []
    search.executor, search.follower = Away(), SearchLines(told.append, silent)
    search.run()
    assert told == ["simulated: the search ends, a block was lost: tried 3 times"]
    again = searched(tmp_path, simulated.Landscape(2))
    whole = searched(tmp_path / "whole", simulated.Landscape(2))
    assert [t.build for t in again.trials[1:]] == [t.build for t in whole.trials]
    assert again.count("simulated") == whole.count("simulated")


def test_no_block_begins_beside_one_of_another_run_on_the_dataset(tmp_path):
    search = simulated.search_of(simulated.Landscape(2), tmp_path, goal(budget_seconds=20.0))
    simulate, waited = search.executor.run_blocks, []

    class Here:
        def run_blocks(self, blocks, follow):
            if (first := next(blocks)) is None:
                waited.append(search.journal.trials[:])
                other.release(search.dataset)
                first = next(blocks)
            return simulate(iter([first]), follow)

    search.executor = Here()
    with DatasetLocks(tmp_path / ".locks") as other:
        assert other.hold(search.dataset)
        search.run()
        assert waited == [[]]
        assert search.journal.trials
        assert other.hold(search.dataset)


def test_a_frontier_holds_what_no_other_setting_beats_in_time_and_bytes(tmp_path):
    landscape = simulated.Landscape(4, bytes_of_link=8)
    asked = {"minimize": ("query", "bytes"), "budget_seconds": 600.0}
    journal = searched(tmp_path, landscape, **asked)
    frontier = best_in(journal, goal(**asked))
    sizes = [trial.bytes_per_vector for trial in frontier]
    times = [trial.times_reference for trial in frontier]
    assert len(frontier) >= 3
    assert sizes == sorted(sizes)
    assert times == sorted(times, reverse=True)
    for trial in journal.trials:
        beaten = [
            one.times_reference <= trial.times_reference
            and one.bytes_per_vector <= trial.bytes_per_vector * SAME_SIZE
            for one in frontier
            if trial.times_reference is not None
        ]
        is_older = any(o.build == trial.build and o.block != trial.block for o in journal.trials)
        assert trial in frontier or not trial.reached or any(beaten) or is_older
    again = [build_id(trial.build) for trial in journal.trials if trial.again]
    assert len(set(again)) > 1  # not one of them alone is made again

    fastest = searched(tmp_path / "one", landscape, budget_seconds=300.0)
    [best] = best_in(fastest)
    assert times[-1] < 1.2 * best.times_reference


def test_at_most_five_of_a_frontier_are_measured_spread_over_the_bytes(tmp_path):
    asked = goal(minimize=("query", "bytes"))
    sizes = [100, 102, 104, 106, 200, 400, 410, 800]
    journal = Journal(tmp_path, {})
    journal.add(
        Trial(
            label="one", block="a", build={"M": size}, status="reached", times_reference=1 / size,
            bytes_per_vector=size, spent_seconds=1.0,
        )
        for size in sizes
    )  # fmt: skip
    assert [t.build["M"] for t in best_in(journal, asked)] == sizes
    winners = winners_of(journal, contender("one"), asked)
    assert [trial.bytes_per_vector for trial in winners][:1] == [100]
    assert [trial.bytes_per_vector for trial in winners][2:] == [200, 400, 800]
    labels = [tuned_label("one", trial, asked) for trial in winners]
    assert labels[0] == "one-tuned-100B"
    assert len(set(labels)) == len(winners) == 5


def test_builds_of_one_size_are_no_frontier(tmp_path):
    asked = goal(minimize=("query", "bytes"))
    journal = Journal(tmp_path, {})
    journal.add(
        Trial(
            label="one", block=block, build={"M": m}, status="reached", times_reference=time,
            bytes_per_vector=100 + 0.1 * m, spent_seconds=1.0,
        )
        for m, time, block in ((1, 3.0, "a"), (2, 2.0, "a"), (3, 1.0, "a"), (3, 2.5, "b"))
    )  # fmt: skip
    [best] = best_in(journal, asked)
    assert best.build == {"M": 2}  # the third was faster by luck, which its second build shows


def test_the_smallest_is_searched_for_among_indexes_of_unknown_size(tmp_path):
    class OfUnknownSize(simulated.Landscape):
        def index_bytes(self, build):
            return 0

    journal = searched(tmp_path, OfUnknownSize(1), minimize=("bytes",), budget_seconds=120.0)
    assert journal.count("simulated") > 5
    [best] = best_in(journal, goal(minimize=("bytes",)))
    assert best.bytes_per_vector is None


def test_a_target_that_nothing_reaches_leaves_the_nearest_miss(tmp_path):
    journal = searched(tmp_path, simulated.Landscape(0), max_bytes=100.0)
    assert best_in(journal) == []
    assert {trial.status for trial in journal.trials} == {"too_large"}
    assert journal.nearest_miss("simulated").bytes_per_vector == 400


def test_an_index_of_unknown_size_is_a_miss_that_can_be_told(tmp_path):
    journal = Journal(tmp_path, {})
    journal.add([Trial(label="one", block="a", build={}, status="too_large", spent_seconds=1.0)])
    assert journal.nearest_miss("one") == journal.trials[0]


def test_a_budget_too_small_for_one_build_is_refused(tmp_path):
    with pytest.raises(UserError, match="the budget is too small for one build of simulated"):
        searched(tmp_path, simulated.Landscape(0), budget_seconds=1.0)


def test_a_journal_that_is_damaged_is_refused(tmp_path):
    journal = Journal.opened(tmp_path, "one", {"seed": 1})
    journal.add([])
    assert Journal.opened(tmp_path, "one", {"seed": 1}).trials == []
    [path] = tmp_path.glob("*/journal.json")
    for text in ("{", json.dumps({"request": {}, "trials": [{"label": 1}]})):
        path.write_text(text)
        with pytest.raises(UserError, match="cannot be read"):
            Journal.opened(tmp_path, "one", {"seed": 1})
