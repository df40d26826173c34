"""The nodes of a cluster: which are there, which can measure, and which machine they are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.contracts import UserError
from harness.results.identity import Machine
from harness.running.cluster.cluster_file import ClusterSettings
from harness.running.cluster.shipment import Release, this_release
from harness.running.cluster.task import described
from harness.running.environments.isolated import Say
from harness.text import Json, clean, counted

SILENT_SECONDS = 10.0
"""So long may the scheduler be unreachable before the run ends."""

SHOWN_CHARACTERS = 400
"""Of a reason why a node is not used, or a block is tried again."""

_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Node:
    """A worker of the cluster: `machine_id` is common to all workers of one machine."""

    address: str
    name: str
    machine_id: str
    ends: float | None


class NodePool:
    """The workers of a cluster that can measure.

    Parameters
    ----------
    say
        Told which nodes come, go and are refused.
    strict
        Refuse nodes of grade D.
    """

    def __init__(self, client: Any, settings: ClusterSettings, say: Say, *, strict: bool) -> None:
        self._client = client
        self._settings = settings
        self._say = say
        self._strict = strict
        self._nodes: dict[str, Node] = {}
        self._refused: dict[str, str] = {}
        self._machine: Machine | None = None
        self._looked = self._answered = self._last_node = time.monotonic()
        self.is_reachable = True

    def __iter__(self) -> Iterator[Node]:
        return iter(list(self._nodes.values()))

    @property
    def machine(self) -> Machine:
        """The machine of the nodes, part of the keys of all points."""
        assert self._machine is not None
        return self._machine

    @property
    def addresses(self) -> list[str]:
        """The addresses of the nodes."""
        return list(self._nodes)

    def wait(self) -> None:
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
            if not offers and time.monotonic() - told > SILENT_SECONDS:
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

    def look(self) -> Iterator[Node]:
        """Notice nodes that have come, and yield those that have gone.

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
            workers = self._client.scheduler_info()["workers"]
            for address, offer in self._offers({**self._nodes}).items():
                self._add(address, offer)
                self._say(f"node {self._nodes[address].name} has come")
        except (OSError, TimeoutError, ValueError, KeyError) as error:
            self._require_scheduler(error)
            return
        if self._client.status != "running":
            self._require_scheduler(None)
            return
        self._answered, self.is_reachable = now, True
        for address in [address for address in self._nodes if address not in workers]:
            node = self._nodes.pop(address)
            self._say(f"node {node.name} is gone")
            yield node
        if not self._nodes and now - self._last_node > self._patience():
            raise self._no_node()
        if self._nodes:
            self._last_node = now

    def refuse(self, address: str, name: object, reason: str) -> None:
        """Use a worker no more, for a reason of one line or several."""
        self._refused[address] = reason = _in_one_line(reason)
        self._nodes.pop(address, None)
        self._say(f"node {clean(str(name), 80)} is not used: {clean(reason, SHOWN_CHARACTERS)}")

    def _offers(self, known: Mapping[str, object]) -> dict[str, Json]:
        """Return what new workers are, of those that can measure."""
        workers = self._client.scheduler_info()["workers"]
        fresh = [a for a in workers if a not in known and a not in self._refused]
        if not fresh:
            return {}
        answers = self._client.run(described, self._strict, workers=fresh, on_error="return")
        good = {}
        for address, answer in answers.items():
            reason = self._objection(answer)
            if reason:
                self.refuse(address, workers[address].get("name", address), reason)
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
        self._nodes[address] = Node(address, name, str(offer["node"]), ends)
        self._last_node = time.monotonic()

    def _no_node(self) -> UserError:
        reasons = "; ".join(dict.fromkeys(self._refused.values()))
        return UserError(
            "no node of the cluster can measure",
            where="cluster",
            got=clean(reasons, 2000) if reasons else "no node",
            hint="what was finished is stored; the same command continues from there",
        )

    def _patience(self) -> float:
        """How long no node may be there: others may come, unless those that came were no good."""
        brief = self._settings.local is not None or self._refused
        return SILENT_SECONDS if brief else self._settings.wait

    def _require_scheduler(self, error: Exception | None) -> None:
        self.is_reachable = False
        if time.monotonic() - self._answered > SILENT_SECONDS:
            raise UserError(
                "the scheduler of the cluster is gone",
                where="cluster",
                got=str(error) if error else None,
                hint="what was finished is stored; the same command continues from there",
            ) from error


def _in_one_line(reason: str) -> str:
    """Return a reason, such as all that a `UserError` says, as one line."""
    return "; ".join(" ".join(line.split()) for line in reason.splitlines() if line.strip())
