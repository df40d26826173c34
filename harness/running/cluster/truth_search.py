"""Ground truth on a cluster: each node searches some queries in some rows of the base.

For filtered queries it first copies the dataset, since it needs the attributes of the rows.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from harness.contracts import UserError
from harness.contracts.dataset import METRICS, Truth
from harness.contracts.filters import FILTERED_SUFFIX
from harness.data.cache import layout
from harness.data.cache.cached import CachedDataset, cached_by_name, open_cached
from harness.data.truth.nearest import Space, nearest_matching, nearest_of_block
from harness.data.truth.store import Piece
from harness.files.remote import RemoteFolder
from harness.registry.registry import load_registry
from harness.running.cluster.executor import MOST_ATTEMPTS, ClusterExecutor
from harness.running.cluster.pool import SILENT_SECONDS, Node
from harness.running.cluster.staging import share_dataset, shared_copy, staged_dataset
from harness.running.cluster.task import node_held
from harness.running.worker.timing import no_garbage_collection

_WAKE_SECONDS = 0.5


@dataclass
class _Search:
    """A piece that waits for a node, or that one searches; `tried` are those that it was given."""

    piece: Piece
    attempts: int = 0
    tried: set[str] = field(default_factory=set)
    node: Node | None = None
    future: Any = None


class ClusterTruth:
    """Computes pieces of ground truth on the nodes of a cluster, one to each at a time."""

    def __init__(self, executor: ClusterExecutor) -> None:
        self._executor = executor
        self._waiting: deque[_Search]
        self._running: list[_Search]
        self._wake = threading.Event()

    def __call__(
        self, dataset: CachedDataset, k: int, pieces: Sequence[Piece]
    ) -> Iterator[tuple[Piece, Truth]]:
        """Yield the nearest rows of each piece as they come.

        Raises
        ------
        UserError
            If a piece fails on several nodes, the scheduler is gone, or no node is left.
        """
        nodes, shared = self._executor.nodes, self._executor.shared
        if shared is not None:
            share_dataset(dataset, shared)
        self._waiting, self._running = deque(map(_Search, pieces)), []
        try:
            while self._waiting or self._running:
                for node in nodes.look():
                    for one in [one for one in self._running if one.node is node]:
                        one.future.cancel()
                        self._try_again(one, f"the node {node.name} went away")
                if nodes.is_reachable:
                    self._give_out(dataset, k)
                self._wake.wait(_WAKE_SECONDS)
                self._wake.clear()
                for one in [one for one in self._running if one.future.done()]:
                    try:
                        truth = one.future.result(timeout=SILENT_SECONDS)
                    except Exception as error:  # whatever the task raised on the node
                        self._try_again(one, str(error), error)
                        continue
                    self._running.remove(one)
                    filtered = dataset.filters is not None
                    yield one.piece, _checked(truth, one.piece, k, filtered=filtered)
        finally:
            with suppress(Exception):  # the scheduler may be gone
                self._executor.client.cancel([one.future for one in self._running])

    def _give_out(self, dataset: CachedDataset, k: int) -> None:
        """Give a piece to each idle node."""
        settings = self._executor.settings
        for node in self._executor.nodes:
            one = self._waiting_for(node)
            if one is None:
                continue
            one.attempts += 1
            one.tried.add(node.address)
            one.node = node
            one.future = self._executor.client.submit(
                nearest_of_piece,
                dataset.name,
                dataset.fingerprint,
                one.piece,
                k,
                settings.shared,
                settings.scratch_bytes,
                workers=[node.address],
                allow_other_workers=False,
                pure=False,
            )
            one.future.add_done_callback(lambda _: self._wake.set())
            self._running.append(one)

    def _waiting_for(self, node: Node) -> _Search | None:
        """Take a waiting piece for an idle node, one that it had only if all nodes had it."""
        if any(one.node is node for one in self._running):
            return None
        for one in self._waiting:
            others = any(other.address not in one.tried for other in self._executor.nodes)
            if node.address not in one.tried or not others:
                self._waiting.remove(one)
                return one
        return None

    def _try_again(self, one: _Search, reason: str, cause: Exception | None = None) -> None:
        """Let a piece wait for another node.

        Raises
        ------
        UserError
            If it was tried on enough of them.
        """
        self._running.remove(one)
        if one.attempts >= MOST_ATTEMPTS:
            raise UserError(
                f"a node could not compute a piece of the ground truth: {reason}",
                where=f"queries {one.piece.queries}, rows {one.piece.rows}",
                hint="the pieces that are done are kept; the same command continues from there",
            ) from cause
        self._waiting.append(one)


def nearest_of_piece(
    name: str, fingerprint: str, piece: Piece, k: int, shared: str | None, scratch_bytes: int | None
) -> Truth:
    """Compute a piece on a node, while no block is measured there.

    Parameters
    ----------
    name, fingerprint
        Of the dataset: it is in the node's cache, or else it is read from the folder `shared`.
    scratch_bytes
        The most that copies of datasets may take on the node; None: no limit.
    """
    with node_held():
        if name.endswith(FILTERED_SUFFIX):
            folder = RemoteFolder(shared) if shared is not None else None
            dataset = staged_dataset(name, fingerprint, load_registry(), folder, scratch_bytes)
            assert dataset.filters is not None  # its fingerprint is that of filtered queries
            queries, rows = slice(*piece.queries), slice(*piece.rows)
            return nearest_matching(dataset, dataset.filters, queries, rows, k)
        space, queries = _space(name, fingerprint, piece, shared)
        return nearest_of_block(space, queries, k)


def _space(name: str, fingerprint: str, piece: Piece, shared: str | None) -> tuple[Space, slice]:
    path = cached_by_name(name)
    if path is not None and (dataset := open_cached(path)).fingerprint == fingerprint:
        return Space.of(dataset, slice(*piece.rows)), slice(*piece.queries)
    if shared is None:
        raise UserError(f"the dataset {name} is not on this node, and no folder is shared")
    folder = RemoteFolder(shared)
    name = shared_copy(fingerprint, folder)
    # Only the rows of the piece are read: the base need not fit the node's memory, or its disk.
    # h5py holds its lock while it reads from a stream. One of S3 is read by a thread of fsspec; it
    # would wait for the lock for ever if it had to free an object of h5py, since garbage is
    # collected by whichever thread allocates.
    with (
        no_garbage_collection(),
        folder.opened(name) as stream,
        h5py.File(stream, "r") as file,
    ):
        own = file["annharness"].attrs
        metric = next(metric for metric in METRICS if metric == own["metric"])
        base = file[layout.BASE][slice(*piece.rows)]
        queries = file[layout.QUERIES][slice(*piece.queries)]
        unit_base, unit_queries = base, queries
        if layout.UNIT_BASE in file:
            unit_base = file[layout.UNIT_BASE][slice(*piece.rows)]
            unit_queries = file[layout.UNIT_QUERIES][slice(*piece.queries)]
    whole = slice(0, len(queries))
    return Space.of_arrays(metric, base, queries, unit_base, unit_queries), whole


def _checked(truth: object, piece: Piece, k: int, *, filtered: bool) -> Truth:
    """Return what a node has sent, if it can be the nearest rows of a piece."""
    if not isinstance(truth, Truth):
        raise UserError("a node sent no ground truth", where=piece.file_name)
    if not _is_possible(truth, piece, k, filtered=filtered):
        raise UserError("a node sent what is no ground truth", where=piece.file_name)
    return truth


def _is_possible(truth: Truth, piece: Piece, k: int, *, filtered: bool) -> bool:
    rows = piece.rows[1] - piece.rows[0]
    shape = (piece.queries[1] - piece.queries[0], k if filtered else min(k, rows))
    if (
        truth.ids.shape != shape
        or truth.distances.shape != shape
        or truth.ids.dtype != np.int64
        or truth.distances.dtype != np.float64
    ):
        return False
    none = truth.ids == -1  # fewer rows match than are asked for
    return (
        (filtered or not none.any())
        and bool(((truth.ids >= -1) & (truth.ids < rows)).all())
        and bool((np.isinf(truth.distances) == none).all())
        and bool((truth.distances[:, 1:] >= truth.distances[:, :-1]).all())
    )
