"""The outer loop of tuning: block after block of builds, until the budget is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from harness.contracts import UserError
from harness.contracts.definitions import Parameters
from harness.data.cache.cached import CachedDataset
from harness.registry.suites import Suite
from harness.running.blocks import BlockOutcome, BlockSpec
from harness.running.executors.local import Executor
from harness.tuning.contenders import Contender, Strategy, build_id
from harness.tuning.following import SearchFollower, SearchState, SilentFollower
from harness.tuning.journal import Journal
from harness.tuning.trials import Goal, Trial, trial_block, trials_of

_SHARE_OF_BLOCK = 0.15
"""Of the budget: a block takes about so long, since a search that is stopped loses a block."""

_MOST_MEMBERS = 8

_LEAST_WITH_BEST = 3
"""A block of so many builds has the best so far again: it takes a third of the time at most."""

_SHARE_OF_BUILD = 0.25
"""Of the budget: no build takes longer once a build has reached the target."""

_LEAST_SECONDS_FOR_BUILD = 10.0

_MAY_EXCEED = 0.5
"""The part of a build by which the last block may be too long for the budget."""


@dataclass
class Search:
    """The search for the best build and search setting of each contender.

    Every block holds new builds of one contender. A block of many has its best build so far too,
    for a frontier the build of it that was made least often, so that a lucky one does not stay the
    best. The contenders share the budget equally.

    Parameters
    ----------
    conditions
        The suite: mode, threads, memory and time-outs.
    build_threads
        Threads of a build, as the plan has them.
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
    follower: SearchFollower = field(default_factory=SilentFollower)
    strategy: Strategy = "model"

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
            builds = self._next_builds(contender)
            if builds:
                self._run_block(contender, builds)
            blocks = self.journal.blocks(contender.label)
            if not builds or any(trial.is_lost for trial in blocks[-1]):
                going.remove(contender)

    @property
    def share_seconds(self) -> float:
        """The budget of each contender."""
        return self.goal.budget_seconds / len(self.contenders)

    def _left(self, contender: Contender) -> float:
        return self.share_seconds - self.journal.spent(contender.label)

    def _next_builds(self, contender: Contender) -> list[Parameters]:
        """The builds of the next block, one of the best first; none if the search is over."""
        label, left = contender.label, self._left(contender)
        best = self.journal.best(label, self.goal)
        count = self._room(label, left)
        again = self.journal.least_known(label, best) if count >= _LEAST_WITH_BEST else []
        proposals = contender.proposals(
            self.journal.known(label, self.goal),
            [trial.build for trial in best],
            self.goal.seed,
            self.strategy,
        )
        new = list(islice(proposals, count - len(again)))
        return [*(trial.build for trial in again), *new] if new else []

    def _room(self, label: str, left: float) -> int:
        """How many builds the next block may have, from what those of the last block took."""
        known = self.journal.seconds_per_build(label)
        if known is None:
            return 1 if left > 0 else 0
        seconds = max(known, 1e-9)
        wanted = max(2.0, _SHARE_OF_BLOCK * self.share_seconds / seconds)
        return max(0, int(min(wanted, _MOST_MEMBERS, left / seconds + _MAY_EXCEED)))

    def _run_block(self, contender: Contender, builds: Sequence[Parameters]) -> None:
        label, spent = contender.label, self.journal.spent(contender.label)
        best = self.journal.best(label, self.goal)
        left = self._left(contender)
        spec = trial_block(
            contender,
            builds,
            len({trial.block for trial in self.journal.trials}),
            self.goal,
            self.conditions,
            self.dataset,
            self.build_threads,
            min(self.conditions.timeout, self._most_for_a_build(left) if best else left),
        )
        self.follower.block_started(label, len(builds))
        parts = self._measured(spec)
        self.dataset.require_unchanged()
        nq = len(self.dataset.queries)
        again = builds[0] if build_id(builds[0]) in self.journal.builds(label) else None
        found = trials_of(contender, spec, parts, self.goal, nq, spent, again)
        if not self.journal.of(label) and left < self.conditions.timeout:
            self._require_built(contender, found)
        self.journal.add(found)
        self._tell(contender, found)

    def _most_for_a_build(self, left: float) -> float:
        return min(left, max(_SHARE_OF_BUILD * self.share_seconds, _LEAST_SECONDS_FOR_BUILD))

    def _measured(self, spec: BlockSpec) -> list[BlockOutcome]:
        def follow(block: BlockSpec, title: str, phase: str, key: str | None) -> None:
            if title != "reference":
                what = " ".join(filter(None, (title, phase)))
                self.follower.phase(what, in_turns=not title)

        blocks = self.executor.run_blocks(iter([spec]), follow)
        return [outcome for _, outcome in blocks if outcome is not None]

    def _require_built(self, contender: Contender, found: Sequence[Trial]) -> None:
        """Refuse a budget in which not even the first build has ended."""
        if all(trial.status == "timeout" and trial.build_seconds is None for trial in found):
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
            self.journal.spent(label),
            self.share_seconds,
            self.journal.best(label, self.goal),
        )
