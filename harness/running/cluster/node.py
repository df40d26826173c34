"""The process that measures a block on a node: it finds what the block refers to, and runs it.

It reads a `Shipment` from standard input and writes lines of JSON to standard output: what happens,
and the file of each part of the outcome. It is started by Dask's worker there and ends with it. The
adapters run in children of this process, as everywhere.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from harness.contracts import UserError
from harness.contracts.dataset import Truth
from harness.data.cache.cached import CachedDataset
from harness.data.cache.folder import cache_folder
from harness.data.truth.store import Piece, compute_here, stored_truth, truth_of
from harness.files.progress import Unit
from harness.files.remote import RemoteFolder
from harness.files.replacing import NO_SPACE
from harness.files.source_code import source_sha256
from harness.registry.plugins import find_folders, plugin_roots
from harness.registry.registry import Registry, load_registry
from harness.running.block_specs import adapter_spec
from harness.running.blocks import BlockOutcome, MemberSpec, TaskFailure
from harness.running.cluster.outcomes import encoded
from harness.running.cluster.shipment import Bundle, Shipment, this_release
from harness.running.cluster.staging import MORE_SPACE, staged_dataset
from harness.running.cluster.task import node_held
from harness.running.environments.isolated import Environment, Environments
from harness.running.executors.local import LocalExecutor
from harness.running.machine.doctor import diagnose
from harness.running.machine.facts import impersonal, impersonal_data, this_machine
from harness.running.plan import library_versions
from harness.running.processes.descendants import end_with_parent

_SECONDS_BETWEEN_TURNS = 2.0


def main(folder: Path) -> None:
    """Measure the shipment of standard input; the parts of the outcome are written to `folder`."""
    end_with_parent(signal.SIGKILL)
    shipment = Shipment.from_json(json.load(sys.stdin))
    try:
        _require_same(shipment)
        registry = _registry(shipment.bundles, folder / "plugins")
        _write_truth(shipment, registry)
        # Datasets are copied and environments made under the lock, too: both would disturb another
        # run, and its dataset must not be removed to make room.
        with _to_itself():
            _measure(shipment, registry, folder)
    except UserError as error:
        _tell(refused=error.describe())
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        _tell(refused=_full(error).describe())


def _full(error: OSError) -> UserError:
    return UserError(
        f"the disk of this node is full: {error.strerror}",
        where=str(error.filename or f"{cache_folder()} or {tempfile.gettempdir()}"),
        hint=MORE_SPACE,
    )


def _to_itself() -> AbstractContextManager[None]:
    return node_held(lambda: _phase("", "waiting for another run on this node", None))


def _write_truth(shipment: Shipment, registry: Registry) -> None:
    """Compute the ground truth that a target needs, unless it is in this node's cache.

    Its lock is taken before that of the node, as where a cluster computes ground truth. In the
    other order each of the two could hold what the other waits for.
    """
    block = shipment.block
    if block.target is None or stored_truth(block.fingerprint, block.most_k) is not None:
        return
    with _to_itself():
        dataset = _dataset(shipment, registry)

    def compute(
        dataset: CachedDataset, k: int, pieces: Sequence[Piece]
    ) -> Iterator[tuple[Piece, Truth]]:
        with _to_itself():
            yield from compute_here(dataset, k, pieces)

    truth_of(dataset, block.most_k, _progress, compute=compute)


def _dataset(shipment: Shipment, registry: Registry) -> CachedDataset:
    shared = RemoteFolder(shipment.shared) if shipment.shared else None
    wanted = shipment.block.fingerprint
    return staged_dataset(
        shipment.dataset, wanted, registry, shared, shipment.scratch_bytes, _progress
    )


def _measure(shipment: Shipment, registry: Registry, folder: Path) -> None:
    block = shipment.block
    dataset = _dataset(shipment, registry)
    environments = Environments()
    members = tuple(_here(one, shipment, registry, environments) for one in block.members)
    block = replace(block, dataset=str(dataset.path), members=members)
    executor = LocalExecutor(cache_folder(), examine=lambda: diagnose().to_json())
    for number, outcome in enumerate(executor.run_block(block, _phase)):
        path = folder / f"part-{number}.npz"
        path.write_bytes(encoded(outcome if shipment.signed else _nameless(outcome)))
        _tell(part=path.name)


def _require_same(shipment: Shipment) -> None:
    """Refuse to measure with other code, or on another machine than the keys say."""
    release, machine = this_release(), this_machine()
    if release.code_sha256 != shipment.release.code_sha256:
        raise UserError(
            "another annharness is installed on this node",
            expected=str(shipment.release),
            got=str(release),
            hint="install the same commit on every node",
        )
    if machine != shipment.machine:
        raise UserError(
            "this node is another machine than the run is for",
            expected=shipment.machine.short(),
            got=machine.short(),
            hint="choose one kind of machine by machine: in the cluster file",
        )


def _registry(bundles: tuple[Bundle, ...], unpacked: Path) -> Registry:
    """Return the registry of this node, with the plug-ins that came along and are not here."""
    known = {folder.path.name for folder in find_folders("algorithms", plugin_roots())}
    missing = [bundle for bundle in bundles if bundle.name not in known]
    try:
        for bundle in missing:
            bundle.unpack(unpacked)
    except (ValueError, OSError) as error:
        raise UserError(f"a plug-in cannot be used on this node: {error}") from error
    return load_registry([unpacked] if missing else [])


def _here(
    member: MemberSpec, shipment: Shipment, registry: Registry, environments: Environments
) -> MemberSpec:
    """Return the member with its adapter as this node has it.

    Raises
    ------
    UserError
        If the entry, its code or its libraries differ from those of the plan.
    """
    origin = member.origin
    assert origin is not None
    if origin.algorithm not in registry.algorithms:
        raise UserError(
            f"the algorithm {origin.algorithm} is not in the registry of this node",
            hint="its plug-in is a package: install it on every node",
        )
    definition = registry.algorithm(origin.algorithm)
    environments.make(definition, lambda line: _phase("", line, None))
    held = environments.of(definition)
    code = source_sha256(*definition.source_folders)
    if code != origin.source_sha256:
        raise UserError(
            f"the adapter of {origin.algorithm} differs on this node",
            expected=origin.source_sha256[:16],
            got=code[:16],
            hint="install the same plug-ins on every node",
        )
    versions = library_versions(definition.requires, held)
    if versions != dict(origin.versions):
        other = {n: v for n, v in versions.items() if origin.versions.get(n) != v}
        raise UserError(
            f"{origin.algorithm} has other libraries on this node",
            expected=", ".join(f"{name} {origin.versions.get(name)}" for name in other),
            got=", ".join(f"{name} {version}" for name, version in other.items()),
            hint="install the same versions on every node",
        )
    environment = held if isinstance(held, Environment) else None
    return replace(member, adapter=adapter_spec(definition, shipment.block.metric, environment))


def _nameless(outcome: BlockOutcome) -> BlockOutcome:
    """Return an outcome without names of this node's users and of itself."""
    outcome.provenance = impersonal_data(outcome.provenance)
    outcome.failed = {key: _without_names(one) for key, one in outcome.failed.items()}
    return outcome


def _without_names(failure: TaskFailure) -> TaskFailure:
    return replace(
        failure, reason=impersonal(failure.reason), log_tail=impersonal(failure.log_tail)
    )


_told = -_SECONDS_BETWEEN_TURNS


def _phase(title: str, phase: str, key: str | None) -> None:
    """Tell what happens; of the many turns only one now and then: telling takes time."""
    global _told
    now = time.monotonic()
    if title or now - _told > _SECONDS_BETWEEN_TURNS:
        _told = now
        _tell(phase=[title, phase, key])


def _progress(what: str, done: int, total: int, unit: Unit = "rows") -> None:
    _phase("", f"{what} {100 * done // total} %" if total else what, None)


def _tell(**message: object) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
