"""Hands blocks to the nodes of a cluster, one to each at a time, and takes what comes back."""

from __future__ import annotations

import hashlib
import json
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.contracts import UserError
from harness.data.cache.cached import open_cached
from harness.files.remote import RemoteFolder
from harness.results.identity import Machine
from harness.running.blocks import BlockOutcome, BlockSpec, TaskFailure
from harness.running.cluster.cluster_file import ClusterSettings
from harness.running.cluster.outcomes import DamagedOutcome, decoded
from harness.running.cluster.pool import SHOWN_CHARACTERS, SILENT_SECONDS, Node, NodePool
from harness.running.cluster.shipment import shipment_of
from harness.running.cluster.staging import share_dataset
from harness.running.cluster.starting import connected
from harness.running.cluster.task import Reply, measure
from harness.running.environments.isolated import Say
from harness.running.executors.local import Follow
from harness.text import clean

MOST_ATTEMPTS = 3
"""A block, or a piece of ground truth, whose node went away is tried on two others."""

_WAKE_SECONDS = 0.5
_RESERVE = 1.2
"""A node's remaining walltime must exceed the longest block so far by this factor."""


@dataclass
class _Job:
    """A block that waits for a node, or that is measured on one.

    It is an attempt where a node began to measure; where a node refused, it was only `sent`.
    `lost_seconds` is what the attempts took of which nothing came back.
    """

    spec: BlockSpec
    sent: int = 0
    attempts: int = 0
    tried: set[str] = field(default_factory=set)
    reason: str = ""
    node: Node | None = None
    future: Any = None
    began: float = 0.0
    lost_seconds: float = 0.0

    @property
    def key(self) -> str:
        """The name of its task: another one each time, or Dask would answer as before."""
        return f"annharness-{self.spec.id}-{self.sent}"


@contextmanager
def cluster_executor(
    settings: ClusterSettings, say: Say, *, signed: bool = False, strict: bool = False
) -> Iterator[ClusterExecutor]:
    """Give an executor once a node is there that can measure.

    Raises
    ------
    UserError
        If the cluster cannot be reached, or has no node that can measure within `wait` seconds.
    """
    with connected(settings) as client:
        executor = ClusterExecutor(client, settings, say, signed=signed, strict=strict)
        executor.nodes.wait()
        yield executor


class ClusterExecutor:
    """Measures blocks on the nodes of a cluster.

    Parameters
    ----------
    say, strict
        As for `NodePool`.
    signed
        Leave names of users and hosts in what comes back.
    """

    def __init__(
        self, client: Any, settings: ClusterSettings, say: Say, *, signed: bool, strict: bool
    ) -> None:
        self.client = client
        self.nodes = NodePool(client, settings, say, strict=strict)
        self.settings = settings
        self._say = say
        self._signed = signed
        self.shared = RemoteFolder(settings.shared) if settings.shared else None
        self._running: dict[str, _Job] = {}
        self._waiting: deque[_Job] = deque()
        self._longest: dict[str, float] = {}
        self._put: set[str] = set()
        self._phases: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._topic = f"annharness-{secrets.token_hex(8)}"
        client.subscribe_topic(self._topic, self._heard)

    @property
    def machine(self) -> Machine:
        """The machine of the nodes, part of the keys of all points."""
        return self.nodes.machine

    def run_blocks(
        self, blocks: Iterator[BlockSpec | None], follow: Follow
    ) -> Iterator[tuple[BlockSpec, BlockOutcome | None]]:
        """Measure blocks, as many at a time as there are machines.

        Raises
        ------
        UserError
            If the scheduler is gone, or no node is left; blocks that are measured then are lost.
        """
        more = True
        try:
            while True:
                self._notice_lost_nodes()
                if self.nodes.is_reachable:
                    more = self._give_out(blocks, follow, more)
                self._report(follow)
                for job in [job for job in self._running.values() if _is_done(job)]:
                    yield from self._ended(job)
                yield from self._given_up()
                if not (more or self._running or self._waiting):
                    return
                self._wake.wait(_WAKE_SECONDS)
                self._wake.clear()
        finally:
            self._cancel()

    def _notice_lost_nodes(self) -> None:
        """Let the blocks of nodes that have gone wait for others."""
        for node in self.nodes.look():
            for job in [job for job in self._running.values() if job.node is node]:
                self._try_again(job, f"the node {node.name} went away")

    def _give_out(self, blocks: Iterator[BlockSpec | None], follow: Follow, more: bool) -> bool:
        """Give blocks to idle nodes; return whether there may be more of them."""
        for node in self._idle():
            job = self._waiting_for(node)
            if job is None and more:
                try:
                    spec = next(blocks)
                except StopIteration:
                    more = False
                    continue
                if spec is None:
                    break
                job = _Job(spec)
                if not self._has_time(node, job):
                    self._waiting.append(job)
                    continue
            if job is not None:
                self._send(job, node, follow)
        return more

    def _idle(self) -> Iterator[Node]:
        for node in self.nodes:
            busy = {job.node.machine_id for job in self._running.values() if job.node is not None}
            if node.machine_id not in busy:
                yield node

    def _waiting_for(self, node: Node) -> _Job | None:
        """Take a block that waits, if it fits the node and the node has not failed it before."""
        for job in list(self._waiting):
            others = any(other.address not in job.tried for other in self.nodes)
            if (node.address in job.tried and others) or not self._has_time(node, job):
                continue
            self._waiting.remove(job)
            return job
        return None

    def _has_time(self, node: Node, job: _Job) -> bool:
        expected = self._longest.get(job.spec.fingerprint, 0.0) * _RESERVE
        walltime = self.settings.walltime_seconds
        if walltime is not None and expected > walltime:
            raise UserError(
                "a block takes longer than a node lives",
                where="cluster, walltime",
                expected=f"at least {expected:.0f} s",
                got=f"{walltime:.0f} s",
                hint="give a longer walltime, or fewer algorithms to a run",
            )
        return node.ends is None or node.ends - time.monotonic() > expected

    def _send(self, job: _Job, node: Node, follow: Follow) -> None:
        if self.shared is not None and job.spec.fingerprint not in self._put:
            follow(job.spec, "", "sharing the dataset", None)
            share_dataset(open_cached(Path(job.spec.dataset)), self.shared)
            self._put.add(job.spec.fingerprint)
        settings = self.settings
        shipment = shipment_of(
            job.spec, self.machine, settings.shared, settings.scratch_bytes, signed=self._signed
        )
        job.sent += 1
        job.attempts += 1
        job.tried.add(node.address)
        job.began = time.monotonic()
        job.future = self.client.submit(
            measure,
            json.dumps(shipment.to_json()),
            self._topic,
            settings.shared,
            key=job.key,
            workers=[node.address],
            allow_other_workers=False,
            pure=False,
        )
        job.future.add_done_callback(lambda _: self._wake.set())
        job.node = node
        self._running[job.key] = job
        follow(job.spec, "", f"on node {node.name}", None)

    def _ended(self, job: _Job) -> Iterator[tuple[BlockSpec, BlockOutcome | None]]:
        """Take what came of a block: its outcome, or a reason to try it elsewhere."""
        self._running.pop(job.key)
        node = job.node
        assert node is not None  # it was sent to one
        try:
            reply = job.future.result(timeout=SILENT_SECONDS)
            outcomes = [] if reply.refused or reply.broken else self._outcomes(job, reply)
        except DamagedOutcome as error:
            reply, outcomes = Reply((), broken=str(error)), []
        except Exception as error:  # whatever the task raised on the node
            reply, outcomes = Reply((), broken=f"{type(error).__name__}: {error}"), []
        if reply.refused:
            job.attempts -= 1
            job.reason = reply.refused
            self.nodes.refuse(node.address, node.name, reply.refused)
            self._waiting.append(job)
        elif reply.broken:
            self._try_again(job, f"on the node {node.name}: {clean(reply.broken, 4000)}")
        else:
            took = time.monotonic() - job.began
            known = self._longest.get(job.spec.fingerprint, 0.0)
            self._longest[job.spec.fingerprint] = max(known, took)
            for outcome in outcomes[:1]:
                outcome.seconds += job.lost_seconds
            for outcome in outcomes:
                yield job.spec, outcome
            yield job.spec, None

    def _outcomes(self, job: _Job, reply: Reply) -> list[BlockOutcome]:
        """Return the parts of an outcome, checked.

        Raises
        ------
        DamagedOutcome
            If a part did not arrive as it was sent, or is not of this block.
        """
        keys = {setting.key for member in job.spec.members for setting in member.settings}
        found = []
        for part in reply.parts:
            outcome = decoded(part if isinstance(part, bytes) else self._fetched(part))
            if not {*outcome.finished, *outcome.failed} <= keys:
                raise DamagedOutcome("the node sent points of another block")
            found.append(outcome)
        return found

    def _fetched(self, name: str) -> bytes:
        assert self.shared is not None
        data = self.shared.read(name)
        if hashlib.sha256(data).hexdigest() not in name:
            raise DamagedOutcome(f"the file {name} in the shared folder is damaged")
        with suppress(UserError):  # it is of no use any more
            self.shared.remove(name)
        return data

    def _try_again(self, job: _Job, reason: str) -> None:
        """Let a block wait for another node."""
        job.reason = reason
        job.lost_seconds += time.monotonic() - job.began
        if job.future is not None:
            self._running.pop(job.key, None)
            with suppress(Exception):  # the node is gone, and maybe the scheduler
                job.future.cancel()
        self._say(f"block {job.spec.number + 1}: {clean(reason, SHOWN_CHARACTERS)}")
        self._waiting.append(job)

    def _given_up(self) -> Iterator[tuple[BlockSpec, BlockOutcome | None]]:
        """Yield the failures of blocks that were tried on enough nodes."""
        for job in [job for job in self._waiting if job.attempts >= MOST_ATTEMPTS]:
            self._waiting.remove(job)
            outcome = BlockOutcome(job.spec.id, job.spec.number, seconds=job.lost_seconds)
            failure = TaskFailure("lost", f"tried {job.attempts} times; {job.reason}", "block")
            for member in job.spec.members:
                outcome.failed |= {setting.key: failure for setting in member.settings}
            yield job.spec, outcome
            yield job.spec, None

    def _cancel(self) -> None:
        """End what is still measured; the nodes notice within a second."""
        futures = [job.future for job in self._running.values() if job.future is not None]
        self._running.clear()
        self._waiting.clear()
        if futures:
            with suppress(Exception):  # the scheduler may be gone
                self.client.cancel(futures, force=True)

    # ---- what happens ---------------------------------------------------------------------------

    def _heard(self, event: tuple[float, Any]) -> None:
        """Keep an event for the main thread; called by Dask's."""
        self._phases.put(event[1])
        self._wake.set()

    def _report(self, follow: Follow) -> None:
        while not self._phases.empty():
            message = self._phases.get()
            try:
                job = self._running[message["key"]]
                title, phase, key = message["phase"]
                follow(job.spec, clean(str(title)), clean(str(phase)), key)
            except (KeyError, TypeError, ValueError):
                continue  # of a block that has ended meanwhile


def _is_done(job: _Job) -> bool:
    return job.future is not None and job.future.done()
