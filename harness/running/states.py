"""Whether the entries of the registry can be used here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.contracts.definitions import DatasetDefinition
from harness.data.loading import cached_path
from harness.registry.algorithms import AlgorithmDefinition
from harness.running.environments.isolated import EnvironmentFailed, Environments
from harness.running.environments.probe import Probes, remembered

Level = Literal["ready", "obtainable", "doubtful", "broken"]
"""`obtainable` is made or fetched when first used; `doubtful` needs a look, `broken` a remedy."""


@dataclass(frozen=True)
class State:
    """`word` is for a column, `detail` says why and what to do."""

    word: str
    detail: str
    level: Level

    @property
    def must_be_fetched(self) -> bool:
        """Whether it is a dataset that is not here yet."""
        return self.word == "to fetch"

    @property
    def is_ready(self) -> bool:
        """Whether the entry can be used."""
        return self.level == "ready"


def algorithm_state(
    definition: AlgorithmDefinition, environments: Environments, probes: Probes | None = None
) -> State:
    """Return whether an algorithm runs here; its libraries are imported only by probes."""
    missing = definition.missing()
    if missing:
        what = f"{', '.join(missing)}: {definition.install_line()}"
        return State("not installed", f"not installed: {what}", "doubtful")
    if isinstance(environments.of(definition), EnvironmentFailed):
        what = f"makes an environment first: {', '.join(definition.requires)}"
        return State("isolated", what, "obtainable")
    known = probes.of(definition) if probes else remembered(definition, environments)
    if known is not None and not known.imports:
        return State("no import", known.note, "broken")
    ready = "ready" + (", isolated" if definition.isolated else "")
    untested = definition.untested()
    if untested:
        return State("other version", f"{ready}, but {'; '.join(untested)}", "doubtful")
    if known is not None and known.note:
        return State("ready", f"{ready}, but {known.note}", "doubtful")
    return State("ready", ready, "ready")


def dataset_state(definition: DatasetDefinition) -> State:
    """Return whether a dataset is here, and whether its entry was ever loaded."""
    if definition.sources[0].kind == "bundled":
        word, detail = "bundled", "bundled with its entry"
    elif cached_path(definition) is not None:
        word, detail = "here", "in the cache"
    else:
        word, detail = "to fetch", f"not here yet: annharness data fetch {definition.name}"
    if definition.untested:
        return State(word, f"{detail}; this entry was never loaded end to end", "doubtful")
    return State(word, detail, "obtainable" if word == "to fetch" else "ready")
