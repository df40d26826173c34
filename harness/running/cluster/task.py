"""What Dask runs on a node: it starts the process that measures, follows it and ends it."""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.contracts import UserError
from harness.files.locks import locked
from harness.files.remote import RemoteFolder
from harness.files.temporary import temporary_folder
from harness.running.cluster.shipment import this_release
from harness.running.machine.doctor import unfitness
from harness.running.machine.facts import this_machine
from harness.running.processes.descendants import PARENT_VARIABLE
from harness.text import Json

MOST_REPLY_BYTES = 32 << 20
"""Larger parts of an outcome travel by a file in the shared folder, if there is one."""

_LOOK_SECONDS = 1.0
_LOG_CHARACTERS = 4000
_ENDING_SECONDS = 10.0
_NODE = "harness.running.cluster.node"


@dataclass(frozen=True)
class Reply:
    """What came of a block on a node.

    `parts` are outcomes as bytes, or the names of their files in the shared folder. `refused` says
    why the node cannot measure the block, `broken` that the process ended before it was done; each
    is empty otherwise.
    """

    parts: tuple[bytes | str, ...]
    refused: str = ""
    broken: str = ""


def node_lock() -> Path:
    """Return the lock by which one thing at a time is done on a node, of all runs of this user.

    It ignores `TMPDIR`: runs with different scratch folders must not measure at the same time.
    """
    return Path(f"/tmp/annharness-node-{os.getuid()}.lock")


@contextmanager
def node_held(waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of this node; `waiting` is called once if another process holds it.

    Raises
    ------
    UserError
        If it cannot be locked.
    """
    path = node_lock()
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path, waiting))
        except OSError as error:
            raise UserError(
                f"cannot lock this node: {error.strerror}",
                where=str(path),
                expected="a file that this user may make and write",
                hint="make that path writable there, or leave the node out of the cluster",
            ) from error
        yield


def described(strict: bool) -> Json:
    """Return what a run must know of a node before it gives it a block.

    A `strict` run asks for the reasons why the node is unfit to measure on, if it is.
    """
    import dask

    unfit = unfitness() if strict else None

    return {
        "release": asdict(this_release()),
        "machine": asdict(this_machine()),
        "node": _node(),
        "unfit": unfit,
        "seconds": time.time() - psutil.Process().create_time(),
        "disturbing": [
            name
            for name in ("profile.enabled", "memory.pause", "memory.spill", "memory.terminate")
            if dask.config.get(f"distributed.worker.{name}", False)
        ],
    }


def measure(shipment: str, topic: str, shared: str | None) -> Reply:
    """Measure a block in a process of its own, which ends when the task is cancelled.

    Parameters
    ----------
    shipment
        A `Shipment` as JSON.
    topic
        Of the events by which the run is told what happens.
    shared
        URL of the shared folder, for large outcomes.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and worker.status.name == "running"

    def tell(phase: list[Any]) -> None:
        worker.log_event(topic, {"key": str(key), "phase": phase})

    with temporary_folder(Path(tempfile.gettempdir()), "block") as folder:
        return _Following(folder, wanted, tell, shared).follow(shipment)


class _Following:
    """Follows the process that measures."""

    def __init__(
        self,
        folder: Path,
        wanted: Callable[[], bool],
        tell: Callable[[list[Any]], None],
        shared: str | None,
    ) -> None:
        self._folder = folder
        self._wanted = wanted
        self._tell = tell
        self._shared = shared
        self._parts: list[bytes | str] = []
        self._refused = ""

    def follow(self, shipment: str) -> Reply:
        """Run the process to its end, or end it when the block is not wanted any more."""
        log = self._folder / "log.txt"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", _NODE, str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(),
            )
        try:
            self._give(process, shipment)
            self._listen(process)
            status = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(_ENDING_SECONDS)
        broken = ""
        if status != 0:
            tail = log.read_text(errors="replace")[-_LOG_CHARACTERS:]
            broken = f"the process that measures ended with status {status}: {tail}"
        return Reply(tuple(self._parts), self._refused, broken)

    def _give(self, process: subprocess.Popen[bytes], shipment: str) -> None:
        def write() -> None:
            assert process.stdin is not None
            with suppress(BrokenPipeError), process.stdin as end:
                end.write(shipment.encode())

        threading.Thread(target=write, daemon=True).start()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        held = b""
        with selectors.DefaultSelector() as selector, process.stdout as out:
            selector.register(out, selectors.EVENT_READ)
            while self._wanted():
                if not selector.select(_LOOK_SECONDS):
                    continue
                chunk = os.read(out.fileno(), 1 << 16)
                if not chunk:
                    return
                *lines, held = (held + chunk).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))

    def _take(self, message: Json) -> None:
        if "phase" in message:
            self._tell(message["phase"])
        elif "part" in message:
            self._parts.append(self._packed((self._folder / message["part"]).read_bytes()))
        elif "refused" in message:
            self._refused = message["refused"]

    def _packed(self, part: bytes) -> bytes | str:
        if self._shared is None or len(part) <= MOST_REPLY_BYTES:
            return part
        name = f"outcomes/{hashlib.sha256(part).hexdigest()}.npz"
        RemoteFolder(self._shared).put(name, part)
        return name


def _environment() -> dict[str, str]:
    """This process's environment without what Dask has put into it for its own workers."""
    import dask

    given = dask.config.get("distributed.nanny.pre-spawn-environ", {})
    kept = {n: v for n, v in os.environ.items() if n not in given and not n.startswith("DASK_")}
    return {**kept, PARENT_VARIABLE: str(os.getpid())}


def _node() -> str:
    """What tells two machines apart, and two workers of one machine not."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        boot = os.uname().nodename
    return hashlib.sha256(boot.encode()).hexdigest()[:12]
