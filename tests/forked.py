"""`annharness` in processes that are forked from one that has imported it.

Most of what a short call costs is imports. What depends on how Python itself is started (streams,
limits, signals) is tested by processes of its own, or forked from one that was started so.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_LOADED = ("harness.cli", "harness.report", "harness.results", "harness.running.executors")
_MOST_BYTES = 1 << 20


class Forks:
    """Runs calls one after another; each is a process of its own, with its folder and variables.

    `umask` and `variables`, such as those of the locale, are those that Python is started with,
    `loaded` are modules that it imports besides ours. `python` may be that of another environment.
    """

    def __init__(
        self,
        umask: int = -1,
        loaded: Sequence[str] = (),
        python: str | Path = sys.executable,
        **variables: str,
    ) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [python, __file__, str(number), *loaded],
                pass_fds=[number],
                umask=umask,
                env={**os.environ, **variables},
            )

    def call(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Give `annharness` these arguments, wait for its end, return what it printed."""
        asked = json.dumps({"arguments": [*arguments], "folder": str(folder), "env": dict(env)})
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            handles = [out.fileno(), errors.fileno()]
            socket.send_fds(self._socket, [asked.encode()], handles)
            pid = int(self._socket.recv(64))
            self._socket.settimeout(timeout)
            try:
                status = int(self._socket.recv(64))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self._socket.settimeout(None)
                self._socket.recv(64)
                raise subprocess.TimeoutExpired(["annharness", *arguments], timeout) from None
            finally:
                self._socket.settimeout(None)
            told = [os.pread(handle, os.fstat(handle).st_size, 0).decode() for handle in handles]
        return subprocess.CompletedProcess(["annharness", *arguments], status, *told)

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process that is forked."""
        self._socket.close()
        self._process.wait()


def _serve(asking: socket.socket, loaded: Sequence[str]) -> None:
    for package in _LOADED:
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            importlib.import_module(module.name)
    for name in loaded:
        importlib.import_module(name)
    while True:
        asked, handles, _, _ = socket.recv_fds(asking, _MOST_BYTES, 2)
        if not asked:
            return
        pid = os.fork()
        if pid == 0:
            asking.close()
            _be_annharness(handles, **json.loads(asked))
        for handle in handles:
            os.close(handle)
        asking.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        asking.send(str(os.waitstatus_to_exitcode(status)).encode())


def _be_annharness(
    handles: list[int], arguments: list[str], folder: str, env: dict[str, str]
) -> None:
    with Path(os.devnull).open() as nothing:
        for number, handle in enumerate([nothing.fileno(), *handles]):
            os.dup2(handle, number)
    for handle in handles:
        os.close(handle)
    os.chdir(folder)
    os.environ.clear()
    os.environb.update(
        {name.encode(): value.encode("utf-8", "surrogateescape") for name, value in env.items()}
    )
    from harness import __main__ as program

    sys.path[:1] = [folder, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    # As the locale of this process decodes them, which need not know all of their characters.
    given = [os.fsdecode(argument.encode("utf-8", "surrogateescape")) for argument in arguments]
    sys.argv = [str(program.__file__), *given]
    program.main()
    sys.exit()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
