"""Checks entries of the registry by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from harness.checks.conducting import Conductor, Say
from harness.checks.sample import Sample, sample_of
from harness.checks.verdicts import Verdict
from harness.contracts.paths import user_path
from harness.data.cache import cache_folder
from harness.data.loading import open_definition, open_file
from harness.registry.registry import Registry, load_registry
from harness.running.executors.local import LocalExecutor

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
        A registry name or the path of an HDF5 file; 2,000 of its rows and 50 of its queries are
        taken, as they are, for every metric that the entry declares.
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
    sample = _sample(registry, dataset)
    return Conductor(definition, sample, LocalExecutor(cache_folder()), timeout, only).run(say)


def _sample(registry: Registry, dataset: str) -> Sample:
    path = user_path(dataset)
    if dataset not in registry.datasets and path.is_file():
        return sample_of(open_file(path))
    return _sample_of_entry(dataset, registry.roots)


@lru_cache(maxsize=4)
def _sample_of_entry(dataset: str, roots: tuple[Path, ...]) -> Sample:
    return sample_of(open_definition(load_registry(roots[1:]).dataset(dataset)))
