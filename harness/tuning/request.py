"""What is asked of `tune`, checked: the suite or algorithms, the goal, and the contenders."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from harness.contracts import UserError
from harness.data.cache.cached import CachedDataset
from harness.measures.tuning import MARGIN
from harness.registry.foreign_grids import ForeignAdapter
from harness.registry.registry import load_registry
from harness.registry.schema.suite import Minimize
from harness.registry.schema.values import MOST_SEED
from harness.registry.settings import Facts, space_of
from harness.registry.spaces import MOST_RUNGS
from harness.registry.suites import Variant
from harness.results.identity import Machine
from harness.running.block_specs import origin_of
from harness.running.estimate import History
from harness.running.plan import NO_OP, Plan, PlannedPoint, chosen_variants
from harness.running.suite_run import RunOptions, SuiteRun
from harness.text import Json
from harness.tuning.contenders import Contender
from harness.tuning.listing import Listing
from harness.tuning.trial_blocks import least_seconds_of
from harness.tuning.trials import Goal

_FRONTIER: tuple[Minimize, ...] = ("query", "bytes")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class TuneOptions:
    """The options of `annharness tune`, named as there; None leaves to the suite what it says.

    `budget` is in seconds, or a text such as `30m`. `max_bytes` are per vector. `minimize` is one
    quantity, or `query` and `bytes`, for the frontier of the two.
    """

    recall: float
    budget: float | str
    dataset: str | None = None
    max_bytes: float | None = None
    minimize: Sequence[Minimize] = ("query",)
    seed: int = 0
    k: int | None = None
    threads: int | None = None
    signed: bool = False
    cluster: str | None = None


@dataclass(frozen=True)
class TuneRequest:
    """A checked request: the suite that says how to measure, the goal, and what is tuned."""

    asked: SuiteRun
    goal: Goal
    variants: Sequence[Variant]

    @classmethod
    def of(
        cls,
        what: Sequence[str] | Json,
        options: TuneOptions,
        results: Path,
        plugins: Sequence[Path] = (),
    ) -> TuneRequest:
        """Check what is asked for; nothing is fetched or measured yet.

        Parameters
        ----------
        what
            One suite, or one or several algorithms, by name; or the keys of a suite file.

        Raises
        ------
        UserError
            For every mistake.
        """
        goal = _goal(options)
        algorithms = load_registry(plugins).algorithms
        keys = what if isinstance(what, Mapping) else None
        names = () if isinstance(what, Mapping) else tuple(what)
        are_algorithms = bool(names) and all(name in algorithms for name in names)
        if keys is None and not are_algorithms and len(names) != 1:
            raise UserError(
                "what is to be tuned?",
                where="tune",
                expected="one suite, or one or several algorithms",
                got=", ".join(names) or "nothing",
                hint="annharness list algorithms",
            )
        run = RunOptions(
            datasets=[options.dataset] if options.dataset else (),
            algorithms=names if are_algorithms else (),
            k=options.k,
            threads=options.threads,
            signed=options.signed,
            cluster=options.cluster,
        )
        if are_algorithms and not options.dataset:
            raise UserError("no dataset to tune on", where="-d", hint="annharness data list")
        named = None if are_algorithms else next(iter(names), None)
        asked = SuiteRun.of(named if keys is None else keys, run, results, plugins)
        if asked.suite.mode == "load":
            raise UserError(
                "parameters are not tuned under load",
                where=str(asked.suite.path),
                expected="mode: single or batch",
                hint="tune in the mode single, then measure what was found in the mode load",
            )
        _require_one("dataset", asked.suite.datasets, "-d")
        _require_one("k", asked.suite.ks, "--k")
        return cls(asked, goal, _variants(asked))

    def contenders(self, plan: Plan) -> list[Contender]:
        """Return what is tuned on the dataset of a plan.

        Raises
        ------
        UserError
            If an algorithm cannot run there, or its space is none that can be searched.
        """
        return [self._contender(plan, variant) for variant in self.variants]

    def _contender(self, plan: Plan, variant: Variant) -> Contender:
        definition = self.asked.registry.algorithm(variant.algorithm)
        points = [point for point in plan.points if point.header.label == variant.label]
        running = [point for point in points if point.runs]
        if not running:
            refusal = points[0].refusal if points else "where drops all of its settings"
            raise _cannot_be_tuned(variant, refusal)
        first = running[0].header
        facts = Facts(first.identity.k, first.n, first.d, first.identity.metric)
        if definition.foreign is not None:
            return _listed_contender(variant, definition.foreign, running, facts)
        space = space_of(definition, variant.group, variant.build, variant.search)
        if space.rungs > MOST_RUNGS:
            raise UserError(
                f"{variant.label} has {space.rungs:,} search settings for each build",
                where=variant.origin,
                expected=f"at most {MOST_RUNGS:,}",
                hint="give fewer values",
            )
        builds = {point.header.identity.build_key: point for point in running}
        tried_first = tuple(point.header.identity.build for point in builds.values())
        return Contender(
            variant.label, definition, running[0].environment, facts, space, tried_first
        )

    def require_budget(self, plan: Plan, contenders: Sequence[Contender], machine: Machine) -> None:
        """Refuse a budget that is known to be too small for the first build of each contender."""
        dataset = only_dataset(plan)
        history = History(self.asked.store, dataset.name, machine.short())
        share = self.goal.budget_seconds / len(contenders)
        for contender in contenders:
            point = next(p for p in plan.points if p.header.label == contender.label and p.runs)
            cost = history.of_point(point)
            if cost is not None and cost.build_seconds > share:
                raise UserError(
                    f"the budget is too small for one build of {contender.label}",
                    where="--budget",
                    expected=f"more than {cost.build_seconds:,.0f} s, which this build took before",
                    got=f"{share:g} s for each algorithm",
                )

    def to_json(self, plan: Plan, contenders: Sequence[Contender], machine: Machine) -> Json:
        """Return all that the trials depend on, but the budget: what the journal is kept under."""
        suite, goal = self.asked.suite, self.goal
        return {
            "dataset": only_dataset(plan).fingerprint,
            "machine": machine.short(),
            "k": suite.ks[0],
            "mode": suite.mode,
            "threads": suite.threads,
            "build_threads": build_threads_of(plan.points),
            "memory_bytes": suite.memory_bytes,
            "timeout": suite.timeout,
            "least_seconds": least_seconds_of(suite),
            "recall": goal.recall,
            "margin": MARGIN,
            "max_bytes": goal.max_bytes,
            "minimize": goal.minimize,
            "seed": goal.seed,
            "contenders": {one.label: _contender_json(one) for one in contenders},
        }


def only_dataset(plan: Plan) -> CachedDataset:
    """Return the dataset of a plan that has one."""
    return next(iter(plan.datasets.values()))


def build_threads_of(points: Sequence[PlannedPoint]) -> int:
    """Return the threads of a build, the same for all points of a plan."""
    return points[0].header.identity.build_threads


def seconds_of(text: float | str) -> float:
    """Return seconds from a number or a text such as `90s`, `30m`, `1.5h`.

    Raises
    ------
    UserError
        If it is none above 0.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([smh]?)\s*", str(text))
    seconds = float(match[1]) * _UNITS[match[2] or "s"] if match else math.nan
    if not 0 < seconds < 1e9:
        raise UserError("not a time", where="--budget", expected="90s, 30m, 1.5h", got=repr(text))
    return seconds


def _contender_json(one: Contender) -> Json:
    origin = origin_of(one.definition, one.environment)
    listed = {} if one.listed is None else {"listed": one.listed.to_json()}
    return {
        "algorithm": origin.algorithm,
        "adapter_sha256": origin.source_sha256,
        "versions": dict(origin.versions),
        "space": one.space.to_json(),
        **listed,
    }


def _listed_contender(
    variant: Variant, foreign: ForeignAdapter, running: Sequence[PlannedPoint], facts: Facts
) -> Contender:
    """Return the contender of an adapter of another harness: its file lists what can be tried."""
    definition = running[0].definition
    points = [(p.header.identity.build, p.header.identity.search) for p in running]
    listed = Listing.of(foreign, definition, facts, variant, points)
    if not listed.settings:
        raise _cannot_be_tuned(variant, "the settings of each run group differ in their parameters")
    environment = running[0].environment
    return Contender(variant.label, definition, environment, facts, listed.space, (), listed)


def _cannot_be_tuned(variant: Variant, reason: str | None) -> UserError:
    return UserError(
        f"{variant.label} cannot be tuned here",
        where=variant.origin,
        got=reason,
        hint="annharness show " + variant.algorithm,
    )


def _variants(asked: SuiteRun) -> list[Variant]:
    """Return what is tuned, with a label each."""
    found = [v for v in chosen_variants(asked.suite, asked.registry) if v.algorithm != NO_OP]
    if not found:
        raise UserError(
            f"only {NO_OP} is asked for, which has nothing to tune",
            where=str(asked.suite.path),
            expected="an algorithm with an index",
            hint="annharness list algorithms",
        )
    for label, count in Counter(variant.label for variant in found).items():
        if count > 1:
            raise UserError(
                f"the label {label!r} stands for {count} variants",
                where=str(asked.suite.path),
                hint="give each its own, to tune them apart",
            )
    return found


def _goal(options: TuneOptions) -> Goal:
    if not 0 < options.recall <= 1:
        raise UserError(
            "not a recall", where="--recall", expected="above 0, at most 1", got=str(options.recall)
        )
    if options.max_bytes is not None and not options.max_bytes > 0:
        raise UserError(
            "not a size", where="--max-bytes", expected="above 0", got=str(options.max_bytes)
        )
    if not 0 <= options.seed <= MOST_SEED:
        raise UserError("not a seed", where="--seed", expected="0 or more", got=str(options.seed))
    budget = seconds_of(options.budget)
    minimize = _quantities(options.minimize)
    return Goal(options.recall, minimize, options.max_bytes, budget, options.seed)


def _quantities(given: Sequence[Minimize]) -> tuple[Minimize, ...]:
    """One quantity, or the two of a frontier in their usual order."""
    if set(given) == set(_FRONTIER):
        return _FRONTIER
    found = tuple(dict.fromkeys(given))
    if len(found) != 1 or found[0] not in get_args(Minimize):
        raise UserError(
            "nothing that can be minimized",
            where="--minimize",
            expected="query, bytes or build; or query and bytes, for the frontier of the two",
            got=", ".join(map(str, given)) or "nothing",
        )
    return found


def _require_one(what: str, found: Sequence[object], where: str) -> None:
    if len(found) != 1:
        raise UserError(
            f"the suite has {len(found)} values of {what}",
            where=where,
            expected="one, for which parameters are found",
            got=", ".join(map(str, found)),
        )
