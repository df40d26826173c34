"""Hands blocks to the nodes of a cluster, one to each at a time, and takes what comes back."""

from __future__ import annotations

import hashlib
import json
import queue
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.contracts import UserError
from harness.data.cache.cached import open_cached
from harness.files.remote import RemoteFolder
from harness.results.identity import Machine
from harness.running.blocks import BlockOutcome, BlockSpec, TaskFailure
from harness.running.cluster.outcomes import DamagedOutcome, decoded
from harness.running.cluster.settings import ClusterSettings
from harness.running.cluster.shipment import Release, shipment_of, this_release
from harness.running.cluster.staging import share_dataset
from harness.running.cluster.starting import connected
from harness.running.cluster.task import Reply, described, measure
from harness.running.environments.isolated import Say
from harness.running.executors.local import Follow
from harness.text import Json, clean, counted

MOST_ATTEMPTS = 3
"""A block whose node went away is tried on two others."""

_LOOK_SECONDS = 1.0
_WAKE_SECONDS = 0.5
_SILENT_SECONDS = 10.0
"""So long may the scheduler be unreachable before the run ends."""
_SHOWN_CHARACTERS = 400
_RESERVE = 1.2
"""A node's remaining walltime must exceed the longest block so far by this factor."""


@dataclass
class _Node:
    """A worker of the cluster: `machine_id` is common to all workers of one machine."""

    address: str
    name: str
    machine_id: str
    ends: float | None
    job: _Job | None = None


@dataclass
class _Job:
    """A block that waits for a node, or that is measured on one.

    It is an attempt where a node began to measure; where a node refused, it was only `sent`.
    """

    spec: BlockSpec
    sent: int = 0
    attempts: int = 0
    tried: set[str] = field(default_factory=set)
    reason: str = ""
    future: Any = None
    began: float = 0.0

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
        executor.wait_for_nodes()
        yield executor


class ClusterExecutor:
    """Measures blocks on the nodes of a cluster.

    Parameters
    ----------
    say
        Told which nodes come, go and are refused.
    signed
        Leave names of users and hosts in what comes back.
    strict
        Refuse nodes of grade D.
    """

    def __init__(
        self, client: Any, settings: ClusterSettings, say: Say, *, signed: bool, strict: bool
    ) -> None:
        self.client = client
        self._settings = settings
        self._say = say
        self._signed = signed
        self._strict = strict
        self.shared = RemoteFolder(settings.shared) if settings.shared else None
        self._nodes: dict[str, _Node] = {}
        self._refused: dict[str, str] = {}
        self._machine: Machine | None = None
        self._running: dict[str, _Job] = {}
        self._waiting: deque[_Job] = deque()
        self._longest: dict[str, float] = {}
        self._put: set[str] = set()
        self._phases: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._looked = self._answered = self._last_node = time.monotonic()
        self._reachable = True
        self._topic = f"annharness-{secrets.token_hex(8)}"
        client.subscribe_topic(self._topic, self._heard)

    @property
    def machine(self) -> Machine:
        """The machine of the nodes, part of the keys of all points."""
        assert self._machine is not None
        return self._machine

    @property
    def addresses(self) -> list[str]:
        """The addresses of the nodes."""
        return list(self._nodes)

    # ---- nodes ----------------------------------------------------------------------------------

    def wait_for_nodes(self) -> None:
        """Wait for nodes that can measure, and settle which machine they are.

        Raises
        ------
        UserError
            If there is none in time, or if there are machines of several kinds.
        """
        wanted = self._settings.local or 1
        until = time.monotonic() + self._settings.wait
        offers: dict[str, Json] = {}
        told = time.monotonic()
        while len(offers) < wanted and time.monotonic() < until:
            offers |= self._offers(offers)
            if not offers and time.monotonic() - told > _SILENT_SECONDS:
                told = time.monotonic()
                self._say(f"waiting for nodes, {until - told:.0f} s more at most")
            time.sleep(0.2)
        kinds = Counter(Machine(**offer["machine"]) for offer in offers.values())
        if not kinds:
            raise self._no_node()
        if len(kinds) > 1:
            found = "; ".join(f"{counted(n, 'node')}: {m.short()}" for m, n in kinds.items())
            raise UserError(
                "the nodes are machines of several kinds, which are not compared",
                where="cluster",
                got=found,
                hint="choose one by machine: {cpu: ..., cores: ..., memory_gib: ...} in the file",
            )
        (self._machine,) = kinds
        for address, offer in offers.items():
            self._add(address, offer)
        machines = len({node.machine_id for node in self._nodes.values()})
        self._say(
            f"measuring on {counted(len(self._nodes), 'node')}"
            + (f" of {counted(machines, 'machine')}" if machines < len(self._nodes) else "")
            + f": {self.machine.short()}"
        )

    def _offers(self, known: Mapping[str, object]) -> dict[str, Json]:
        """Return what new workers are, of those that can measure."""
        workers = self.client.scheduler_info()["workers"]
        fresh = [a for a in workers if a not in known and a not in self._refused]
        if not fresh:
            return {}
        answers = self.client.run(described, self._strict, workers=fresh, on_error="return")
        good = {}
        for address, answer in answers.items():
            reason = self._objection(answer)
            if reason:
                self._refuse(address, workers[address].get("name", address), reason)
            else:
                good[address] = {**answer, "name": workers[address].get("name", address)}
        return good

    def _objection(self, answer: object) -> str:
        """Why a worker cannot measure; empty if it can."""
        if not isinstance(answer, dict):
            missing = isinstance(answer, ImportError)
            return "annharness is not installed there" if missing else f"no answer: {answer}"
        release, machine = Release(**answer["release"]), Machine(**answer["machine"])
        if release.code_sha256 != this_release().code_sha256:
            return f"another annharness: {release}; here is {this_release()}"
        asked = self._settings.machine
        if (
            asked.cpu not in (None, machine.cpu)
            or asked.cores not in (None, machine.cores)
            or asked.memory_gib not in (None, machine.memory_bytes >> 30)
        ):
            return f"another machine: {machine.short()}"
        if self._machine not in (None, machine):
            return f"another machine: {machine.short()}; the run is for {self.machine.short()}"
        if answer["unfit"]:
            return f"unfit to measure on, grade D: {answer['unfit']}"
        if answer["disturbing"]:
            names = ", ".join(f"distributed.worker.{name}" for name in answer["disturbing"])
            return (
                f"Dask disturbs measurements there by {names}; start it by "
                "python -m harness.running.cluster.programs worker ADDRESS"
            )
        return ""

    def _add(self, address: str, offer: Json) -> None:
        walltime = self._settings.walltime_seconds
        ends = None if walltime is None else time.monotonic() + walltime - offer["seconds"]
        name = clean(str(offer["name"]), 80)
        self._nodes[address] = _Node(address, name, str(offer["node"]), ends)
        self._last_node = time.monotonic()

    def _refuse(self, address: str, name: object, reason: str) -> None:
        self._refused[address] = reason
        self._nodes.pop(address, None)
        self._say(f"node {clean(str(name), 80)} is not used: {clean(reason, _SHOWN_CHARACTERS)}")

    def _no_node(self) -> UserError:
        reasons = "; ".join(dict.fromkeys(self._refused.values()))
        return UserError(
            "no node of the cluster can measure",
            where="cluster",
            got=clean(reasons, 2000) if reasons else "no node",
            hint="what was finished is stored; the same command goes on from there",
        )

    def _look(self) -> None:
        """Notice nodes that have come and gone.

        Raises
        ------
        UserError
            If the scheduler is gone, or no node is left.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        try:
            workers = self.client.scheduler_info()["workers"]
            for address, offer in self._offers({**self._nodes}).items():
                self._add(address, offer)
                self._say(f"node {self._nodes[address].name} has come")
        except (OSError, TimeoutError, ValueError, KeyError) as error:
            self._require_scheduler(error)
            return
        if self.client.status != "running":
            self._require_scheduler(None)
            return
        self._answered, self._reachable = now, True
        for address in [address for address in self._nodes if address not in workers]:
            node = self._nodes.pop(address)
            self._say(f"node {node.name} is gone")
            if node.job is not None:
                self._try_again(node.job, f"the node {node.name} went away")
        if not self._nodes and now - self._last_node > self._patience():
            raise self._no_node()
        if self._nodes:
            self._last_node = now

    def _patience(self) -> float:
        """How long no node may be there: others may come, unless those that came were no good."""
        brief = self._settings.local is not None or self._refused
        return _SILENT_SECONDS if brief else self._settings.wait

    def _require_scheduler(self, error: Exception | None) -> None:
        self._reachable = False
        if time.monotonic() - self._answered > _SILENT_SECONDS:
            raise UserError(
                "the scheduler of the cluster is gone",
                where="cluster",
                got=str(error) if error else None,
                hint="what was finished is stored; the same command goes on from there",
            ) from error

    # ---- blocks ---------------------------------------------------------------------------------

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
                self._look()
                if self._reachable:
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

    def _idle(self) -> Iterator[_Node]:
        for node in list(self._nodes.values()):
            busy = {one.machine_id for one in self._nodes.values() if one.job is not None}
            if node.machine_id not in busy:
                yield node

    def _waiting_for(self, node: _Node) -> _Job | None:
        """Take a block that waits, if it fits the node and the node has not failed it before."""
        for job in list(self._waiting):
            others = any(other.address not in job.tried for other in self._nodes.values())
            if (node.address in job.tried and others) or not self._has_time(node, job):
                continue
            self._waiting.remove(job)
            return job
        return None

    def _has_time(self, node: _Node, job: _Job) -> bool:
        expected = self._longest.get(job.spec.fingerprint, 0.0) * _RESERVE
        walltime = self._settings.walltime_seconds
        if walltime is not None and expected > walltime:
            raise UserError(
                "a block takes longer than a node lives",
                where="cluster, walltime",
                expected=f"at least {expected:.0f} s",
                got=f"{walltime:.0f} s",
                hint="give a longer walltime, or fewer algorithms to a run",
            )
        return node.ends is None or node.ends - time.monotonic() > expected

    def _send(self, job: _Job, node: _Node, follow: Follow) -> None:
        if self.shared is not None and job.spec.fingerprint not in self._put:
            follow(job.spec, "", "sharing the dataset", None)
            share_dataset(open_cached(Path(job.spec.dataset)), self.shared)
            self._put.add(job.spec.fingerprint)
        settings = self._settings
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
        node.job = job
        self._running[job.key] = job
        follow(job.spec, "", f"on node {node.name}", None)

    def _ended(self, job: _Job) -> Iterator[tuple[BlockSpec, BlockOutcome | None]]:
        """Take what came of a block: its outcome, or a reason to try it elsewhere."""
        self._running.pop(job.key)
        node = next((one for one in self._nodes.values() if one.job is job), None)
        if node is not None:
            node.job = None
        try:
            reply = job.future.result(timeout=_SILENT_SECONDS)
            outcomes = [] if reply.refused or reply.broken else self._outcomes(job, reply)
        except DamagedOutcome as error:
            reply, outcomes = Reply((), broken=str(error)), []
        except Exception as error:  # whatever the task raised on the node
            reply, outcomes = Reply((), broken=f"{type(error).__name__}: {error}"), []
        if reply.refused:
            job.attempts -= 1
            job.reason = reply.refused
            if node is not None:
                self._refuse(node.address, node.name, reply.refused)
            self._waiting.append(job)
        elif reply.broken:
            name = node.name if node is not None else "that is gone"
            self._try_again(job, f"on the node {name}: {clean(reply.broken, 4000)}")
        else:
            took = time.monotonic() - job.began
            known = self._longest.get(job.spec.fingerprint, 0.0)
            self._longest[job.spec.fingerprint] = max(known, took)
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
        if job.future is not None:
            self._running.pop(job.key, None)
            with suppress(Exception):  # the node is gone, and maybe the scheduler
                job.future.cancel()
        self._say(f"block {job.spec.number + 1}: {clean(reason, _SHOWN_CHARACTERS)}")
        self._waiting.append(job)

    def _given_up(self) -> Iterator[tuple[BlockSpec, BlockOutcome | None]]:
        """Yield the failures of blocks that were tried on enough nodes."""
        for job in [job for job in self._waiting if job.attempts >= MOST_ATTEMPTS]:
            self._waiting.remove(job)
            outcome = BlockOutcome(job.spec.id, job.spec.number)
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
        for node in self._nodes.values():
            node.job = None
        if futures:
            with suppress(Exception):  # the scheduler may be gone
                self.client.cancel(futures, force=True)

    # ---- what goes on ---------------------------------------------------------------------------

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
