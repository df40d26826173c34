"""Test imports of adapters, each in a child process, so that a crash affects nothing else.

The child imports the adapter's module and with it the library. An outcome that lasts is kept until
the adapter's source, the library or Python changes.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass

from harness.data.cache.folder import cache_folder, cache_subfolder
from harness.files.replacing import written_whole
from harness.files.source_code import source_sha256
from harness.registry.algorithms import AlgorithmDefinition
from harness.results.identity import hash_of
from harness.running.block_specs import adapter_spec, origin_of
from harness.running.blocks import ProgramOutcome
from harness.running.environments.isolated import Environment, EnvironmentFailed, Environments
from harness.running.executors.local import LocalExecutor, ProgramSpec
from harness.running.plan import library_versions
from harness.running.worker.import_probe import TASK
from harness.text import Json, one_line

_PROGRAM = "harness.running.worker.import_probe"
_TIMEOUT_SECONDS = 60.0
_SHOWN_CHARACTERS = 120
_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Finding:
    """The outcome of an import: whether it succeeded, and a remark, which may be empty.

    One that does not last, for lack of time or memory, may be another at the next try.
    """

    imports: bool
    note: str
    lasts: bool = True


class Probes:
    """The probes of one listing; entries that share a class are imported once."""

    def __init__(self, environments: Environments) -> None:
        self._environments = environments
        self._found: dict[tuple[object, ...], Finding] = {}

    def of(self, definition: AlgorithmDefinition) -> Finding:
        """Import an adapter in a child process, unless its class was, and remember the outcome."""
        like = (definition.folder, definition.module, definition.requires, definition.isolated)
        if like not in self._found:
            self._found[like] = probe(definition, self._environments)
        _remember(definition, self._environments, self._found[like])
        return self._found[like]


def probe(definition: AlgorithmDefinition, environments: Environments) -> Finding:
    """Import an adapter in a child process."""
    held = environments.of(definition)
    if isinstance(held, EnvironmentFailed):
        return Finding(False, held.reason)
    executor = LocalExecutor(cache_folder())
    return _finding(executor.run_program(_program(definition, held), lambda phase, task: None))


def _remember(
    definition: AlgorithmDefinition, environments: Environments, finding: Finding
) -> None:
    held = environments.of(definition)
    if isinstance(held, EnvironmentFailed) or not finding.lasts:
        return
    record = cache_subfolder("probes") / f"{_key(definition, held)}.json"
    with written_whole(record) as temporary:
        temporary.write_text(json.dumps(asdict(finding)))


def remembered(definition: AlgorithmDefinition, environments: Environments) -> Finding | None:
    """Return the finding of the last probe, if nothing has changed since."""
    held = environments.of(definition)
    if isinstance(held, EnvironmentFailed):
        return None
    record = cache_folder() / "probes" / f"{_key(definition, held)}.json"
    try:
        return Finding(**json.loads(record.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _key(definition: AlgorithmDefinition, environment: Environment | None) -> str:
    folders = definition.source_folders
    facts: Json = {
        "name": definition.name,
        "folders": [str(folder) for folder in folders],
        "source": source_sha256(*folders),
        "versions": library_versions(definition.requires, environment),
        "python": [platform.python_version(), str(environment.folder if environment else "")],
    }
    return hash_of(facts)


def _program(definition: AlgorithmDefinition, environment: Environment | None) -> ProgramSpec:
    adapter = adapter_spec(definition, definition.metrics[0])
    python = str(environment.python) if environment else None
    origin = origin_of(definition, environment)
    return ProgramSpec(_PROGRAM, asdict(adapter), (TASK,), _TIMEOUT_SECONDS, origin, python)


def _finding(outcome: ProgramOutcome) -> Finding:
    if TASK in outcome.failed:
        failure = outcome.failed[TASK]
        words = {"error": "does not import", "crashed": "crashes at import"}
        what = words.get(failure.status, f"{failure.status} at import")
        reason = one_line(failure.reason, _REASON_CHARACTERS)
        return Finding(False, f"{what}: {reason}", lasts=failure.status in words)
    printed = str(outcome.reports.get(TASK, {}).get("printed", ""))
    if printed.strip():
        shown = " ".join(printed.split())[:_SHOWN_CHARACTERS]
        return Finding(True, f"prints to stdout at import: {shown}")
    return Finding(True, "")
