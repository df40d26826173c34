"""From planned points to the block that measures them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from harness.contracts.dataset import Metric
from harness.data.cache.cached import CachedDataset
from harness.files.source_code import source_sha256
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.grid import short_name
from harness.registry.suites import Suite
from harness.running.blocks import AdapterSpec, BlockSpec, MemberSpec, Origin, SettingSpec
from harness.running.environments.isolated import Environment, EnvironmentFailed
from harness.running.plan import PlannedPoint, library_versions
from harness.text import clean


def block_spec(
    suite: Suite,
    dataset: CachedDataset,
    number: int,
    lacking: Sequence[tuple[PlannedPoint, int]],
) -> BlockSpec:
    """Return the block of one build of each index that the points need.

    Parameters
    ----------
    number
        The number of the builds.
    lacking
        The points, with the repeats of each.
    """
    builds: dict[str, list[tuple[PlannedPoint, int]]] = {}
    for point, repeats in lacking:
        builds.setdefault(point.header.identity.build_key, []).append((point, repeats))
    first = lacking[0][0].header.identity
    return BlockSpec(
        id=secrets.token_hex(8),
        number=number,
        dataset=str(dataset.path),
        fingerprint=dataset.fingerprint,
        metric=dataset.metric,
        mode=suite.mode,
        threads=suite.threads,
        build_threads=first.build_threads,
        search_seconds=suite.search_seconds,
        least_seconds=suite.least_seconds,
        timeout=suite.timeout,
        memory_bytes=suite.memory_bytes,
        members=tuple(_member(points) for points in builds.values()),
    )


def _member(points: Sequence[tuple[PlannedPoint, int]]) -> MemberSpec:
    """Return the member of a block that serves these points, which share one index."""
    first = points[0][0]
    definition, identity = first.definition, first.header.identity
    build_name = clean(short_name(identity.build, definition.build))
    title = f"{first.header.label} {build_name}".strip()
    identities = [(point.header.identity, repeats) for point, repeats in points]
    settings = [
        SettingSpec(one.key, one.search, one.k, repeats, load=one.load)
        for one, repeats in identities
    ]
    adapter = adapter_spec(definition, identity.metric, first.environment)
    origin = Origin(
        identity.algorithm,
        str(definition.folder.path),
        identity.adapter_sha256,
        identity.versions,
    )
    return MemberSpec(title, adapter, identity.build, tuple(settings), definition.pausable, origin)


def origin_of(
    definition: AlgorithmDefinition, environment: Environment | EnvironmentFailed | None
) -> Origin:
    """Return what an adapter is on every machine, from its entry as it is here."""
    return Origin(
        definition.name,
        str(definition.folder.path),
        source_sha256(*definition.source_folders),
        library_versions(definition.requires, environment),
    )


def adapter_spec(
    definition: AlgorithmDefinition,
    metric: Metric,
    environment: Environment | EnvironmentFailed | None = None,
) -> AdapterSpec:
    """Return how a worker of this machine creates an adapter."""
    return AdapterSpec(
        module=definition.module,
        class_name=definition.class_name,
        plugin_roots=(str(definition.folder.root),),
        foreign=definition.foreign_call(metric),
        python=str(environment.python) if isinstance(environment, Environment) else None,
        filtered=definition.filtered,
    )
