"""Runs the trials of an entry in child processes and collects the verdicts.

This process never imports an adapter. A trial that ends its process has failed; the other trials go
on in a new process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from harness.checks.catalog import check_function, names_of_checks, rule_of
from harness.checks.planning import Shape, entry_of, trials_of
from harness.checks.sample import Sample, sample_of, written
from harness.checks.trials import CheckSpec, Trial, Verdict
from harness.contracts import UserError
from harness.data.cache.folder import cache_folder
from harness.errors import did_you_mean
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.registry import load_registry
from harness.running.block_specs import adapter_spec, origin_of
from harness.running.blocks import ProgramOutcome, TaskFailure
from harness.running.datasets import named, open_found
from harness.running.environments.isolated import (
    Environment,
    EnvironmentFailed,
    make_environment,
)
from harness.running.executors.local import LocalExecutor, ProgramSpec

EVERYTHING = "everything"
"""The title of the only verdict where nothing could be checked."""

_PROGRAM = "harness.checks.child_program"
_FIRST = names_of_checks()[0]
_ELSEWHERE = "fresh-process"

Say = Callable[[str], None]


class Conductor:
    """Checks one entry.

    Parameters
    ----------
    sample
        The rows to check on.
    timeout
        Seconds for each check.
    only
        Titles or names of the checks to run; all if empty.
    """

    def __init__(
        self,
        definition: AlgorithmDefinition,
        sample: Sample,
        executor: LocalExecutor,
        timeout: float,
        only: Collection[str] = (),
    ) -> None:
        self._definition = definition
        self._only = only
        self._sample = sample
        self._executor = executor
        self._timeout = timeout
        self._verdicts: dict[str, Verdict] = {}
        self._answers: list[list[int]] = []
        self._environment: Environment | None = None

    def run(self, say: Say = lambda text: None) -> list[Verdict]:
        """Return the verdicts of all checks, in their order."""
        obstacle = self._obstacle(say)
        if obstacle is not None:
            return [obstacle]
        trials = self._chosen(trials_of(self._definition, Shape(*self._sample.base.shape)))
        with written(self._sample) as folder:
            self._run_all(self._settled(trials), folder, say)
        return [self._declared(self._verdicts[trial.title]) for trial in trials]

    def _obstacle(self, say: Say) -> Verdict | None:
        """Return why nothing can be checked, if so; make the environment of an isolated entry."""
        definition = self._definition
        missing = definition.missing()
        if missing:
            why = f"not installed: {', '.join(missing)} ({definition.install_line()})"
            return Verdict(EVERYTHING, "skip", why=why)
        if definition.isolated:
            try:
                self._environment = make_environment(definition.requires, say)
            except EnvironmentFailed as failed:
                return Verdict(EVERYTHING, "fail", "an environment of its own", failed.reason)
        return None

    def _chosen(self, trials: Sequence[Trial]) -> list[Trial]:
        """The checks asked for, and `builds`, on which all others depend."""
        names = {name for trial in trials for name in (trial.title, trial.check)}
        for name in self._only:
            if name not in names:
                raise UserError(f"no check is called {name!r}", hint=did_you_mean(name, names))
        wanted = {_FIRST, *self._only} if self._only else names
        return [trial for trial in trials if {trial.title, trial.check} & wanted]

    def _settled(self, trials: Sequence[Trial]) -> list[Trial]:
        """Skip trials for which the entry has no case, and return the others."""
        for trial in trials:
            if trial.refusal:
                self._take(Verdict(trial.title, "skip", why=trial.refusal))
        return [trial for trial in trials if not trial.refusal]

    def _run_all(self, trials: list[Trial], folder: Path, say: Say) -> None:
        self._run([trial for trial in trials if trial.check != _ELSEWHERE], folder, say)
        again = [trial for trial in trials if trial.check == _ELSEWHERE]
        self._run([replace(trial, answers=self._answers) for trial in again], folder, say)

    def _run(self, trials: list[Trial], folder: Path, say: Say) -> None:
        """Run trials in one process; if it dies, run the remaining ones in another."""
        while trials:
            if self._is_broken():
                return self._skip(trials)
            outcome = self._executor.run_program(
                self._program(trials, folder), lambda phase, task: say(phase if task else "")
            )
            before = len(self._verdicts)
            self._collect(trials, outcome)
            if len(self._verdicts) == before:
                return self._give_up(trials, outcome)
            trials = [trial for trial in trials if trial.title not in self._verdicts]
        return None

    def _collect(self, trials: list[Trial], outcome: ProgramOutcome) -> None:
        for trial in trials:
            found = outcome.reports.get(trial.title)
            failure = outcome.failed.get(trial.title)
            if found is not None:
                self._answers = found.get("answers", self._answers)
                self._take(Verdict.from_report(trial.title, found))
            elif failure is not None:
                self._take(_dead(trial, failure))

    def _is_broken(self) -> bool:
        first = self._verdicts.get(_FIRST)
        return first is not None and first.status != "pass"

    def _skip(self, trials: list[Trial]) -> None:
        for trial in trials:
            self._take(Verdict(trial.title, "skip", why=f"the check {_FIRST!r} did not pass"))

    def _give_up(self, trials: list[Trial], outcome: ProgramOutcome) -> None:
        tail = " ".join(outcome.log_tail.split())[-300:] or "nothing was said"
        for trial in trials:
            self._take(Verdict(trial.title, "fail", "a process that starts", tail))

    def _take(self, verdict: Verdict) -> None:
        self._verdicts[verdict.title] = verdict

    def _declared(self, verdict: Verdict) -> Verdict:
        """Mark a failure that the entry declares as expected, with its reason."""
        declared = self._definition.expected_failures
        reason = declared.get(verdict.title, declared.get(verdict.title.partition("[")[0]))
        if verdict.status != "fail" or reason is None:
            return verdict
        return replace(verdict, status="expected", why=reason)

    def _program(self, trials: list[Trial], folder: Path) -> ProgramSpec:
        definition = self._definition
        metrics = definition.metrics
        spec = CheckSpec(
            folder=str(folder),
            entry=entry_of(definition),
            trials=tuple(trials),
            adapters={metric: adapter_spec(definition, metric) for metric in metrics},
        )
        held = self._environment
        python = None if held is None else str(held.python)
        titles = tuple(trial.title for trial in trials)
        origin = origin_of(definition, held)
        return ProgramSpec(_PROGRAM, spec.to_json(), titles, self._timeout, origin, python)


def _dead(trial: Trial, failure: TaskFailure) -> Verdict:
    expected = rule_of(check_function(trial.check))
    return Verdict(trial.title, "fail", expected, f"{failure.status}: {failure.reason}")


DATASET = "glove-50-10k"
TIMEOUT_SECONDS = 120.0


def check_entry(
    name: str,
    plugins: Sequence[Path] = (),
    dataset: str = DATASET,
    timeout: float = TIMEOUT_SECONDS,
    only: Sequence[str] = (),
    say: Say = lambda text: None,
) -> list[Verdict]:
    """Check an algorithm of the registry and return one verdict for each check.

    Parameters
    ----------
    name
        The entry.
    plugins
        Folders with plug-ins beside those that are always searched.
    dataset
        As `annharness run` takes it, a name or the path of a file; 1,000 of its rows and 50 of its
        queries are taken, as they are, for every metric that the entry declares.
    timeout
        Seconds for each check.
    only
        Names of the checks to run, such as `k-one` or `recall[angular]`; all if empty.

    Raises
    ------
    UserError
        If a name is wrong, or a registry file.
    """
    registry = load_registry(plugins)
    definition = registry.algorithm(name)
    sample = sample_of(open_found(named(dataset, registry, "--dataset")))
    return Conductor(definition, sample, LocalExecutor(cache_folder()), timeout, only).run(say)
