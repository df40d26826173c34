"""A worker as a child process: its folder, channel, output and memory, and its end."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.contracts.resources import JOB_FOLDER_VARIABLE
from harness.files.temporary import temporary_folder
from harness.results.point import Status
from harness.running.messages import Channel, Message, ProtocolError
from harness.running.processes.memory import SharedFiles, killed_for_memory, tree_bytes
from harness.running.processes.tree import ProcessTree
from harness.running.worker.libraries import pool_environment
from harness.text import clean

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class NoRoom(Exception):
    """The folder for temporary files is full, which is no algorithm's failure."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.path = Path(tempfile.gettempdir())
        self.reason = str(self)


@contextmanager
def job_folder() -> Iterator[Path]:
    """Give an empty folder that is removed at the end, or by a later run if this one is killed.

    Raises
    ------
    NoRoom
        If there is no room for it, at the start or later in the `with` statement.
    """
    try:
        with temporary_folder(Path(tempfile.gettempdir()), "job") as folder:
            yield folder
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise NoRoom(error) from error
        raise


_POLL_SECONDS = 0.05
_DYING_SECONDS = 5.0
_LEAVING_SECONDS = 10.0
_LOG_BYTES = 16_000
_FLOOD_BYTES = 10 << 20
_LINK = ".harness"
_COMPILED = ".numba"
_ENTRY = "harness.running.worker.entry"


@dataclass(frozen=True)
class ChildSpec:
    """The settings with which a worker is started.

    `program` is the module whose `main` it runs; `threads` the size of every thread pool;
    `memory_bytes` a hard limit; `cpus` the processors allotted, None for all; `python` the
    interpreter of an isolated environment; `compiled` the folder of what numba compiles, which
    outlives the worker, None for one that does not.
    """

    program: str
    threads: int
    memory_bytes: int
    cpus: tuple[int, ...] | None
    python: str | None
    compiled: Path | None


class ChildGone(Exception):
    """The worker ended or cannot be reached any more; `status` is one of a point."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason

    @classmethod
    def broken(cls, how: str) -> ChildGone:
        """Return the failure of a worker that sent what the protocol does not allow."""
        return cls("error", f"broke the protocol of its channel: {how}")


class Child:
    """A running worker. `end` removes all of its processes and its folder, whatever it does.

    Attributes
    ----------
    peak_bytes
        The largest memory observed for its processes together.
    """

    def __init__(self, spec: ChildSpec) -> None:
        self._stack = ExitStack()
        self._log = bytearray()
        self._log_bytes = 0
        self._leftover = 0
        self._leftover_files = 0
        self._shared_files = SharedFiles()
        self._killed_before = killed_for_memory()
        self._began = time.monotonic()
        self.peak_bytes = 0
        try:
            self._start(spec, self._stack.enter_context(job_folder()))
        except BaseException:
            self._stack.close()
            raise

    def _start(self, spec: ChildSpec, folder: Path) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self._stack.callback(self.channel.close)
        options = {
            "channel": theirs.fileno(),
            "program": spec.program,
            "memory_bytes": spec.memory_bytes,
            "cpus": spec.cpus,
        }
        command = [spec.python or sys.executable, "-m", _ENTRY, json.dumps(options)]
        with theirs:
            self.tree = ProcessTree(command, folder, _environment(spec, folder), [theirs.fileno()])
        assert self.tree.process.stdout is not None
        self._output = self.tree.process.stdout
        self._stack.enter_context(self._output)
        os.set_blocking(self._output.fileno(), False)
        self.channel.end.setblocking(False)

    @property
    def seconds(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._began

    @property
    def log_tail(self) -> str:
        """The end of its standard output and error."""
        return clean(self._log[-_LOG_BYTES:].decode(errors="replace"), _LOG_BYTES)

    def warnings(self) -> list[str]:
        """Return warnings about misbehaviour that was contained."""
        found = []
        if self._leftover:
            found.append(f"{self._leftover} processes were left running and ended")
        if self._leftover_files:
            found.append(f"files left in /dev/shm, now removed: {self._leftover_files}")
        if self._log_bytes > _FLOOD_BYTES:
            found.append(f"{self._log_bytes / 2**20:,.0f} MiB of output")
        return found

    def send(self, message: Message) -> None:
        """Send a message.

        Raises
        ------
        ChildGone
            If it cannot take one.
        """
        self.channel.end.setblocking(True)
        self.channel.end.settimeout(_LEAVING_SECONDS)
        try:
            self.channel.send(message)
        except OSError as error:
            raise self.gone() from error
        finally:
            self.channel.end.setblocking(False)

    def receive(self, deadline: float, watch: Callable[[], None]) -> Message:
        """Return its next message.

        Parameters
        ----------
        deadline
            Of `time.monotonic`.
        watch
            Called every now and then meanwhile; may raise.

        Raises
        ------
        ChildGone
            If it ended or broke the protocol.
        TimeoutError
            If the deadline passed.
        """
        late = False
        while True:
            try:
                message = self.channel.taken()
            except ProtocolError as error:
                raise ChildGone.broken(str(error)) from error
            if message is not None:
                return message
            if late:
                raise TimeoutError
            # Messages that have arrived count: time may have passed in waits for other members.
            late = time.monotonic() > deadline
            if not self._wait():
                raise self.gone()
            watch()

    def require_silent(self) -> None:
        """Raise `ChildGone` if an unexpected message has arrived."""
        self._read_channel()
        if not self.channel.is_empty:
            raise ChildGone.broken("spoke without being asked")

    def look_at_memory(self) -> int:
        """Return the bytes that its processes use now."""
        used = tree_bytes(self.tree.pids(), self._shared_files)
        self.peak_bytes = max(self.peak_bytes, used)
        return used

    def gone(self) -> ChildGone:
        """Return how it ended; that it closed its channel if it still runs after some seconds."""
        deadline = time.monotonic() + _DYING_SECONDS
        while self.tree.exit_code is None and time.monotonic() < deadline:
            self._read_log()
            time.sleep(0.01)
        code = self.tree.exit_code
        if code is None:
            return ChildGone("crashed", "closed its channel to the harness")
        if code == -signal.SIGKILL and killed_for_memory() > self._killed_before:
            return ChildGone("out_of_memory", "the kernel ended it, the machine's memory ran out")
        if code < 0:
            known = {int(number): number.name for number in signal.Signals}
            return ChildGone("crashed", f"ended by {known.get(-code, f'signal {-code}')}")
        return ChildGone("crashed", f"left early with exit status {code}")

    def count_leftover(self) -> None:
        """Before `Close`: count the processes besides its own."""
        self._leftover = max(0, len(self.tree.members()) - 1)

    def leave(self) -> None:
        """After `Close`: give it time to exit by itself."""
        deadline = time.monotonic() + _LEAVING_SECONDS
        while self.tree.exit_code is None and time.monotonic() < deadline:
            if not self._wait():
                time.sleep(0.005)

    def end(self) -> None:
        """End all of its processes and remove its folder, unless that was done before."""
        if self._output.closed:
            return
        try:
            leftover = self.tree.end()
            self._leftover = self._leftover or leftover
            self._leftover_files = self._shared_files.remove()
            self._read_log()
        finally:
            self._stack.close()

    def _wait(self) -> bool:
        """Wait a moment for a message or output; False if the channel is closed."""
        ends = [self.channel.fileno(), self._output.fileno()]
        readable, _, _ = select.select(ends, [], [], _POLL_SECONDS)
        if self._output.fileno() in readable and not self._read_log():
            time.sleep(_POLL_SECONDS / 10)  # closed by the worker, which still runs
        if self.channel.fileno() in readable:
            return self._read_channel()
        return True

    def _read_channel(self) -> bool:
        return self.channel.fill()

    def _read_log(self) -> bool:
        """Read its output, at most a few pipe buffers; False if it has closed its output."""
        for _ in range(64):
            try:
                chunk = os.read(self._output.fileno(), 1 << 16)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self._log_bytes += len(chunk)
            self._log += chunk
            del self._log[: -2 * _LOG_BYTES]
        return True


def _environment(spec: ChildSpec, folder: Path) -> dict[str, str]:
    """The environment of a worker: pools sized, hashing fixed, the harness importable."""
    return {
        **os.environ,
        **pool_environment(spec.threads),
        "PYTHONPATH": os.pathsep.join(_import_paths(spec, folder)),
        "PATH": os.pathsep.join(_program_paths(spec)),
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "NUMBA_CACHE_DIR": str(spec.compiled or folder / _COMPILED),
        JOB_FOLDER_VARIABLE: str(folder),
    }


def _program_paths(spec: ChildSpec) -> list[str]:
    """The PATH of an adapter: programs of its own environment first."""
    own = [] if spec.python is None else [str(Path(spec.python).parent)]
    return [*own, os.environ.get("PATH", os.defpath)]


def _import_paths(spec: ChildSpec, folder: Path) -> list[str]:
    """The import paths through which a worker finds the harness.

    An isolated worker must not see the packages that are installed beside the harness, so it gets a
    folder that holds only a link to the harness.
    """
    package = Path(harness.__file__).resolve().parent
    if spec.python is None:
        return [*filter(None, [os.environ.get("PYTHONPATH", "")]), str(package.parent)]
    link = folder / _LINK
    link.mkdir()
    (link / package.name).symlink_to(package, target_is_directory=True)
    return [str(link)]
