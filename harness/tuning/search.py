"""The outer loop of tuning: block after block of builds, until the budget is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from threadpoolctl import threadpool_limits

from harness.contracts import UserError
from harness.contracts.definitions import Parameters
from harness.data.cache.cached import CachedDataset
from harness.registry.suites import Suite
from harness.running.blocks import BlockOutcome, BlockSpec
from harness.running.dataset_locks import DatasetLocks
from harness.running.executors.local import Executor
from harness.tuning.choosing import best_of_samples, best_so_far, is_by_model, unsure
from harness.tuning.contenders import Contender
from harness.tuning.costs import best_of
from harness.tuning.following import SearchFollower, SearchState, SilentFollower
from harness.tuning.journal import Journal
from harness.tuning.judging import trials_of
from harness.tuning.model import build_id
from harness.tuning.sampling import Stage, stages_of
from harness.tuning.trial_blocks import trial_block
from harness.tuning.trials import Goal, Trial

_SHARE_OF_BLOCK = 0.15
"""Of the budget: a block takes about so long, since a search that is stopped loses a block."""

_MOST_MEMBERS = 8

_FIRST_ON_SAMPLE = 4
"""So many builds are in the first block on a sample; what they take is not known yet."""

_TIMES_FIRST = 2.5
"""No build takes so many times as long as the first one, if that is more than `_SHARE_OF_BUILD`."""

_TIMES_SAMPLE = 2.0
"""A build on a sample may take so many times its share of what is allowed on all rows."""

_LEAST_WITH_BEST = 3
"""A block of so many builds has the best so far again: it takes a third of the time at most."""

_MANY_TRIED = 6
"""After so many builds every block has it, and the last build is kept for it: its luck counts."""

_SHARE_OF_BUILD = 0.25
"""Of the budget: no build takes longer once a build has reached the target."""

_LEAST_SECONDS_FOR_BUILD = 10.0

_MAY_EXCEED = 0.5
"""The part of a build by which the last block may be too long for the budget."""


@dataclass(frozen=True)
class Samples:
    """Where samples of the rows come from.

    `of` returns a dataset of so many rows, always the same ones; it is None if there are none.
    `why_not` is then told where builds of samples would have been made, if it is not empty.
    """

    of: Callable[[int], CachedDataset] | None = None
    why_not: str = ""


@dataclass
class Search:
    """The search for the best build and search setting of each contender.

    Every block holds builds of one contender. Where no model tells the best, a block of many has
    the best build so far too, if it was made only once (see `unsure`). The contenders share the
    budget equally.

    Parameters
    ----------
    conditions
        The suite: mode, threads, memory and time-outs.
    samples
        If builds on all rows are slow, a part of the budget is spent on such samples of the rows
        (see `stages_of`).
    build_threads
        Threads of a build, as the plan has them.
    locks
        Those of the results folder: no other process measures on the dataset beside a block.
    follower
        Told what is done now, and what each block has found.
    """

    contenders: Sequence[Contender]
    goal: Goal
    conditions: Suite
    dataset: CachedDataset
    build_threads: int
    executor: Executor
    journal: Journal
    locks: DatasetLocks
    follower: SearchFollower = field(default_factory=SilentFollower)
    samples: Samples = Samples()
    _drawn: dict[int, CachedDataset] = field(default_factory=dict, init=False)
    _untold_seconds: dict[str, float] = field(default_factory=dict, init=False)
    """What each label has spent on drawing samples since its last block, which the journal adds."""
    _best: dict[str, tuple[int, list[Trial]]] = field(default_factory=dict, init=False)
    """The best so far of each label, after so many trials."""

    def run(self) -> None:
        """Search until the budget is spent or every build was tried.

        The search of a contender ends with a block that was lost: the cluster is out of order, or
        the contender ends its nodes.

        Raises
        ------
        UserError
            If the budget is too small for one build.
        """
        self.follower.search_began([self._standing(one) for one in self.contenders])
        going = list(self.contenders)
        while going:
            contender = min(going, key=lambda one: self.journal.spent(one.label))
            on_rows, builds = self._next_block(contender)
            if builds:
                self._run_block(on_rows, builds)
            blocks = self.journal.blocks(contender.label)
            if not builds or any(trial.is_lost for trial in blocks[-1]):
                going.remove(contender)

    @property
    def share_seconds(self) -> float:
        """The budget of each contender."""
        return self.goal.budget_seconds / len(self.contenders)

    def _left(self, contender: Contender) -> float:
        return self.share_seconds - self._spent(contender.label)

    def _spent(self, label: str) -> float:
        return self.journal.spent(label) + self._untold_seconds.get(label, 0.0)

    def _next_block(self, contender: Contender) -> tuple[Contender, list[Parameters]]:
        """The builds of the next block, and the contender on the rows of these.

        No builds: its search is over.
        """
        first = self._first_seconds(contender.label)
        if contender.listed is None and first is not None:
            stages = self._stages(contender, first)
            for stage, left in stages:
                if stage.rows not in self._drawn:
                    self._draw(contender.on(stage.rows))
                    return self._next_block(contender)  # less time is left now
                rest = self._left(contender) - stages[-1][1]
                builds = self._next_builds(contender.on(stage.rows), left, rest)
                if builds:
                    return contender.on(stage.rows), builds
        left = self._left(contender)
        return contender, self._next_builds(contender, left, left)

    def _stages(self, contender: Contender, first_seconds: float) -> list[tuple[Stage, float]]:
        """The samples that still have time, each with the seconds left for it.

        Time for one more build of all rows is kept: without it samples are of no use.
        """
        label = contender.label
        made = self.journal.sample_rows(label)
        taken = sum(self.journal.spent_on(label, rows) for rows in made)
        taken += self._untold_seconds.get(label, 0.0)
        spare = self._left(contender) - first_seconds
        stages = stages_of(contender.facts.n, self.share_seconds, first_seconds, made)
        left = [(stage, min(stage.until_seconds - taken, spare)) for stage in stages]
        found = [(stage, seconds) for stage, seconds in left if seconds > 0]
        if self.samples.of is not None:
            return found
        if found and self.samples.why_not and len(self.journal.blocks(label)) == 1:
            self.follower.samples_missed(contender, self.samples.why_not)
        return []

    def _next_builds(
        self, contender: Contender, left: float, left_on_all: float
    ) -> list[Parameters]:
        """The builds of the next block, one of the best first.

        The seconds left are those for such blocks, and for builds of all rows.
        """
        label, room = contender.label, self._room(contender, left)
        count = int(min(room, self._most_of_block(contender)))
        again: list[Trial] = []
        best = self._best_so_far(contender)
        if contender.sample_rows is None:
            are_many = self.journal.count(label) >= _MANY_TRIED
            are_many = are_many and not is_by_model(contender, self.goal)
            if count >= _LEAST_WITH_BEST or (are_many and count > 0):
                again = unsure(self.journal, contender, self.goal, best)
            if are_many:
                count = int(min(count, room - 1 + len(again)))
        near = [*best, *best_of_samples(self.journal, label, self.goal)]
        proposals = contender.proposals(
            self.journal.known(label, self.goal),
            [trial.build for trial in near],
            self.goal.seed,
            min(left_on_all, self._most_for_a_build(label)),
        )
        with threadpool_limits(1):  # the matrices of the model are small
            new = list(islice(proposals, max(0, count - len(again))))
        return [*(trial.build for trial in again), *new]

    def _room(self, contender: Contender, left: float) -> float:
        """For how many builds there is time, from what those of the last block took."""
        if left <= 0:
            return 0.0
        known = self.journal.seconds_per_build(contender.label, contender.sample_rows)
        return left / max(known[-1], 1e-9) + _MAY_EXCEED if known else math.inf

    def _most_of_block(self, contender: Contender) -> float:
        """How many builds the next block may have at most."""
        known = self.journal.seconds_per_build(contender.label, contender.sample_rows)
        if not known:
            return 1 if contender.sample_rows is None else _FIRST_ON_SAMPLE
        least = 1.0 if self.journal.sample_rows(contender.label) else 2.0
        wanted = max(least, _SHARE_OF_BLOCK * self.share_seconds / max(known[-1], 1e-9))
        return min(wanted, _MOST_MEMBERS)

    def _run_block(self, contender: Contender, builds: Sequence[Parameters]) -> None:
        label, rows = contender.label, contender.sample_rows
        self.follower.block_started(contender, len(builds))
        dataset = self.dataset if rows is None else self._drawn[rows]
        spent, allowed = self._spent(label), self._allowed(contender)
        timeout = min(self.conditions.timeout, self._build_timeout(contender, allowed))
        spec = trial_block(
            contender,
            builds,
            len({trial.block for trial in self.journal.trials}),
            self.goal,
            self.conditions,
            dataset,
            self.build_threads,
            timeout,
            best_of(self.goal, self.journal.on(label, rows)),
        )
        parts = self._measured(spec)
        dataset.require_unchanged()
        nq = len(dataset.queries)
        again = builds[0] if build_id(builds[0]) in self.journal.builds(label, rows) else None
        found = trials_of(contender, spec, parts, self.goal, nq, spent, again)
        if timeout == allowed:
            found = [trial.if_out_of_budget for trial in found]
        if not self.journal.of(label):
            self._require_built(contender, found)
        drawing = {"drawing_seconds": self._untold_seconds.pop(label, 0.0)}
        self.journal.add(trial.model_copy(update=drawing) for trial in found)
        self._tell(contender, found)

    def _draw(self, contender: Contender) -> None:
        """Draw the sample that the contender is on."""
        rows = contender.sample_rows
        if rows is None or self.samples.of is None:
            return
        self.follower.phase(f"drawing a sample of {rows:,} rows", in_turns=False)
        began = time.perf_counter()
        self._drawn[rows] = self.samples.of(rows)
        taken, label = time.perf_counter() - began, contender.label
        self._untold_seconds[label] = self._untold_seconds.get(label, 0.0) + taken

    def _first_seconds(self, label: str) -> float | None:
        """The seconds of the first build on all rows; None before it."""
        return next(iter(self.journal.seconds_per_build(label)), None)

    def _most_for_a_build(self, label: str) -> float:
        """The seconds after which a build on all rows is stopped; infinite before one is known."""
        first = self._first_seconds(label)
        if first is None or not any(trial.reached for trial in self.journal.on(label)):
            return math.inf
        least = max(_LEAST_SECONDS_FOR_BUILD, _TIMES_FIRST * first)
        return max(_SHARE_OF_BUILD * self.share_seconds, least)

    def _allowed(self, contender: Contender) -> float:
        """The seconds that are left for a block, with those by which it may exceed the budget."""
        known = self.journal.seconds_per_build(contender.label, contender.sample_rows)
        return max(0.0, self._left(contender)) + _MAY_EXCEED * (known[-1] if known else 0.0)

    def _build_timeout(self, contender: Contender, allowed: float) -> float:
        most = min(allowed, self._most_for_a_build(contender.label))
        if contender.sample_rows is None:
            return most
        share = contender.sample_rows / contender.facts.n
        return min(allowed, _LEAST_SECONDS_FOR_BUILD + _TIMES_SAMPLE * share * most)

    def _measured(self, spec: BlockSpec) -> list[BlockOutcome]:
        def follow(block: BlockSpec, title: str, phase: str, key: str | None) -> None:
            if title != "reference":
                what = " ".join(filter(None, (title, phase)))
                self.follower.phase(what, in_turns=not title)

        blocks = self.executor.run_blocks(self._in_turn(spec), follow)
        parts = [outcome for _, outcome in blocks if outcome is not None]
        self.locks.release(self.dataset)
        return parts

    def _in_turn(self, spec: BlockSpec) -> Iterator[BlockSpec | None]:
        """Yield a block once no other process measures on the dataset, and None until then."""
        while not self.locks.hold(self.dataset):
            self.follower.phase("waiting for another run on the dataset", in_turns=False)
            yield None
        yield spec

    def _require_built(self, contender: Contender, found: Sequence[Trial]) -> None:
        """Refuse a budget in which not even the first build has ended."""
        if all(trial.is_out_of_budget and trial.build_seconds is None for trial in found):
            raise UserError(
                f"the budget is too small for one build of {contender.label}",
                where="--budget",
                expected=f"more than {self.share_seconds:g} s for each algorithm",
                got=found[0].reason,
                hint="give more time, or algorithms that are built sooner",
            )

    def _tell(self, contender: Contender, found: Sequence[Trial]) -> None:
        standing = self._standing(contender)
        lost = next((trial for trial in found if trial.is_lost), None)
        if lost is not None:
            self.follower.block_lost(standing, lost.reason)
        else:
            reached = sum(trial.reached for trial in found)
            self.follower.block_ended(standing, reached, len(found))

    def _standing(self, contender: Contender) -> SearchState:
        label = contender.label
        return SearchState(
            contender,
            self.journal.count(label),
            self.journal.sample_count(label),
            self.journal.spent(label),
            self.share_seconds,
            self._best_so_far(contender),
        )

    def _best_so_far(self, contender: Contender) -> list[Trial]:
        """As `best_so_far`, which fits a model: only once after each block."""
        label, count = contender.label, len(self.journal.trials)
        if self._best.get(label, (-1, []))[0] != count:
            with threadpool_limits(1):
                self._best[label] = count, best_so_far(self.journal, contender, self.goal)
        return self._best[label][1]
