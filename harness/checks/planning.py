"""From a registry entry to its trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from harness.checks.catalog import names_of_checks
from harness.checks.trials import Case, Entry, Trial
from harness.contracts import UserError
from harness.contracts.dataset import Metric
from harness.contracts.definitions import Parameters
from harness.errors import did_you_mean
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.settings import Facts, settings

K = 10
DEFAULT_FLOOR = 0.1
_SMOKE, _GRID = "smoke", "default"
_FEW_ROWS = (300, 50)
_MOST_SEARCHES = 6
_WRONG_NUMBER, _WRONG_TEXT = -1, "no-such-value"

_COPIES = "adapters of other harnesses get copies that they may write to"
_POSITIONAL = "adapters of other harnesses get their arguments by position, unchecked"
_WITH_FILTERS = frozenset(
    [
        "filter-matches",
        "filter-recall",
        "filter-empty",
        "filter-full",
        "filter-few",
        "attributes-not-written",
    ]
)
_OWN_ADAPTERS_ONLY = {
    "base-not-written": _COPIES,
    "arguments-kept": _COPIES,
    "read-only-inputs": _COPIES,
    "unknown-parameter": _POSITIONAL,
    "bad-parameters": _POSITIONAL,
    "index-bytes": "adapters of other harnesses count the growth of the process",
}


@dataclass(frozen=True)
class Shape:
    """Rows and dimension of the sample."""

    n: int
    d: int


def trials_of(definition: AlgorithmDefinition, shape: Shape) -> list[Trial]:
    """Return all trials of an entry, in the order of `names_of_checks`.

    Most of them use the smoke group with the first metric, or the first setting of the grid if
    there is no such group.

    Raises
    ------
    UserError
        If the entry declares a failure of something that is no check.
    """
    plan = _Plan(definition, shape)
    trials = [trial for check in names_of_checks() for trial in plan.trials(check)]
    _require_known_failures(definition, [trial.title for trial in trials])
    return trials


def entry_of(definition: AlgorithmDefinition) -> Entry:
    """Return what the entry declares."""
    floor = DEFAULT_FLOOR if definition.floor is None else definition.floor
    return Entry(definition.exact_order, floor, definition.filtered)


@dataclass(frozen=True)
class _Plan:
    definition: AlgorithmDefinition
    shape: Shape

    def trials(self, check: str) -> Iterator[Trial]:
        special = getattr(self, "_" + check.replace("-", "_"), None)
        if self.definition.foreign is not None and check in _OWN_ADAPTERS_ONLY:
            yield Trial(check, refusal=_OWN_ADAPTERS_ONLY[check])
        elif check in _WITH_FILTERS and self.definition.filtered is None:
            yield Trial(check, refusal="the entry does not say filtered: bitmap or predicate")
        elif special is not None:
            yield from special(check)
        else:
            yield self._trial(check, self._main(self.definition.metrics[0]))

    def _settings_take_turns(self, check: str) -> Iterator[Trial]:
        yield self._trial(check, self._searches(self.definition.metrics[0]))

    def _k_one(self, check: str) -> Iterator[Trial]:
        yield self._trial(check, self._with_k(lambda rows: 1))

    def _k_all(self, check: str) -> Iterator[Trial]:
        yield self._trial(check, self._with_k(lambda rows: rows))

    def _k_beyond(self, check: str) -> Iterator[Trial]:
        yield self._trial(check, self._with_k(lambda rows: rows + 5))

    def _recall(self, check: str) -> Iterator[Trial]:
        for metric in self.definition.metrics:
            yield self._trial(check, self._searches(metric), subject=metric)

    _filter_recall = _recall

    def _group_builds(self, check: str) -> Iterator[Trial]:
        for group in (None, *self.definition.groups):
            cases = list(self._cases(self.definition.metrics[0], group))[:1]
            yield self._trial(check, cases, subject=group or _GRID)

    def _bad_parameters(self, check: str) -> Iterator[Trial]:
        cases = [
            bad
            for case in self._main(self.definition.metrics[0])
            for bad in _spoiled(self.definition, case, self.shape)
        ]
        none = "" if cases else "no parameter has a wrong value that the entry would let pass"
        yield Trial(check, tuple(cases), refusal=none)

    def _trial(self, check: str, cases: Sequence[Case], subject: str = "") -> Trial:
        refusal = "" if cases else self._why_none(subject)
        return Trial(check, tuple(cases), subject, refusal)

    def _main(self, metric: Metric) -> list[Case]:
        group = _SMOKE if _SMOKE in self.definition.groups else None
        return list(islice(self._cases(metric, group), 1))

    def _searches(self, metric: Metric) -> list[Case]:
        """The index of the smoke group under every search setting of the entry, up to six."""
        found = self._main(metric)
        for main in list(found):
            for group in (None, *self.definition.groups):
                for case in self._cases(metric, group, build=main.build):
                    if case.search not in [other.search for other in found]:
                        found.append(case)
        return _spread(found, _MOST_SEARCHES)

    def _with_k(self, k_of: Any) -> list[Case]:
        """The smoke group's index, searched for k of its rows; a smaller index if necessary."""
        metric = self.definition.metrics[0]
        for rows in (self.shape.n, *(few for few in _FEW_ROWS if few < self.shape.n)):
            for main in self._main(metric):
                for case in self._cases(metric, None, rows, k_of(rows), build=main.build):
                    return [case]
                for group in self.definition.groups:
                    for case in self._cases(metric, group, rows, k_of(rows), build=main.build):
                        return [case]
        return []

    def _cases(
        self,
        metric: Metric,
        group: str | None,
        rows: int | None = None,
        k: int = K,
        build: Parameters | None = None,
    ) -> Iterator[Case]:
        """The settings of a group that can run."""
        n = self.shape.n if rows is None else rows
        facts = Facts(k=min(k, n) if k == K else k, n=n, d=self.shape.d, metric=metric)
        given = None if build is None else {name: [value] for name, value in build.items()}
        for setting in settings(self.definition, facts, group, given):
            if setting.refusal is None:
                yield Case(metric, setting.build, setting.search, n, facts.k)

    def _why_none(self, subject: str) -> str:
        """Why a group has no setting that can run on the sample."""
        group = subject if subject in self.definition.groups else None
        metric = self.definition.metrics[0]
        facts = Facts(k=K, n=self.shape.n, d=self.shape.d, metric=metric)
        for setting in settings(self.definition, facts, group):
            if setting.refusal:
                return f"refused by the entry: {setting.refusal}"
        return "no search setting of the entry allows this k"


def _spread(cases: list[Case], most: int) -> list[Case]:
    """The first, the last and some between."""
    if len(cases) <= most:
        return cases
    return [cases[i * (len(cases) - 1) // (most - 1)] for i in range(most)]


def _spoiled(definition: AlgorithmDefinition, case: Case, shape: Shape) -> Iterator[Case]:
    """The case with one wrong parameter at a time, unless the entry refuses it."""
    for name, value in {**case.build, **case.search}.items():
        wrong = _wrong(name, value)
        if wrong is None:
            continue
        bad = replace(
            case,
            build={**case.build, name: wrong} if name in case.build else case.build,
            search={**case.search, name: wrong} if name in case.search else case.search,
            note=f"parameter {name} = {wrong!r}",
        )
        if not _is_refused(definition, bad, shape):
            yield bad


def _wrong(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return _WRONG_TEXT
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _WRONG_NUMBER if is_number and name != "seed" else None


def _is_refused(definition: AlgorithmDefinition, case: Case, shape: Shape) -> bool:
    facts = Facts(k=case.k, n=case.rows, d=shape.d, metric=case.metric)
    build, search = ({n: [v] for n, v in part.items()} for part in (case.build, case.search))
    try:
        found = list(settings(definition, facts, None, build, search))
    except UserError:  # an expression that is undefined for this value
        return True
    return not found or any(setting.refusal for setting in found)


def _require_known_failures(definition: AlgorithmDefinition, titles: list[str]) -> None:
    for name in definition.expected_failures:
        if name not in titles and name not in names_of_checks():
            raise UserError(
                f"no check is called {name!r}",
                where=f"{definition.origin}, expected_failures",
                hint=did_you_mean(name, titles),
            )
