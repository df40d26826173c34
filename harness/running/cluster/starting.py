"""Starts a scheduler and nodes, or connects to those that run, as the cluster file says."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from harness.contracts import UserError
from harness.files.paths import user_path
from harness.files.remote import INSTALL_CLUSTER
from harness.files.temporary import temporary_folder
from harness.running.cluster.cluster_file import Batch, ClusterSettings
from harness.running.cluster.programs import END_WITH_INPUT, SCRATCH, SETTINGS
from harness.text import one_line

_PROGRAMS = "harness.running.cluster.programs"
_CONNECTING_SECONDS = 10
_STARTING_SECONDS = 60.0
_LEAVING_SECONDS, _TERMINATING_SECONDS = 5.0, 2.0
_SSH = ("ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20")
_LOG_CHARACTERS = 500
_BATCH_SYSTEMS = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
}


@contextmanager
def connected(settings: ClusterSettings) -> Iterator[Any]:
    """Give a client of the cluster; what was started for it ends with the `with` statement.

    Raises
    ------
    UserError
        If Dask is not installed, or the cluster cannot be started or reached.
    """
    _require_dask()
    import dask
    from distributed import Client

    with ExitStack() as stack:
        stack.enter_context(dask.config.set(SETTINGS))
        address = stack.enter_context(_started(settings))
        try:
            client = Client(  # type: ignore[no-untyped-call]
                address,
                timeout=_CONNECTING_SECONDS,
                security=_security(settings),
                set_as_default=False,
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise UserError(
                f"the scheduler does not answer: {error}",
                where=str(settings.scheduler or settings.kind),
                hint="is it running, and can this machine reach it?",
            ) from error
        stack.callback(_close, client)
        yield client


def _close(client: Any) -> None:
    """Close a connection; the scheduler at its other end may be gone."""
    with suppress(TimeoutError, OSError):
        client.close()


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise UserError(
            "Dask is not installed, which runs blocks on a cluster",
            hint=f"{INSTALL_CLUSTER}, here and on every node",
        ) from error


@contextmanager
def _started(settings: ClusterSettings) -> Iterator[Any]:
    """Give what a client connects to: an address, or a cluster object of Dask."""
    if settings.scheduler is not None:
        yield settings.scheduler
    elif settings.local is not None or settings.ssh is not None:
        with _programs(settings) as address:
            yield address
    else:
        with _batch_system(settings) as cluster:
            cluster.scale(jobs=getattr(settings, settings.kind).nodes)
            yield cluster


# ---- here, and on hosts by SSH ------------------------------------------------------------------


class _Place(NamedTuple):
    """Where Dask's programs run: a name, and how a command gets there."""

    name: str
    shell: tuple[str, ...]
    python: str
    network: tuple[str, ...]
    environment: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        """Return the command for one of the programs, run from here."""
        named = [f"{name}={value}" for name, value in self.environment.items()]
        program = [self.python, "-m", _PROGRAMS, *arguments, *self.network, END_WITH_INPUT]
        there = ["env", *named, *program]
        return [*self.shell, "exec " + shlex.join(there)] if self.shell else there


def _places(settings: ClusterSettings, folder: Path) -> Iterator[_Place]:
    scratch = scratch_environment(settings)
    if settings.ssh is not None:
        interface, python = settings.ssh.interface, settings.ssh.python or sys.executable
        network = ("--interface", interface) if interface else ()
        for host in settings.ssh.hosts:
            yield _Place(host, (*_SSH, "--", host), python, network, scratch)
    elif settings.local is not None:
        own = {**scratch, "DASK_TEMPORARY_DIRECTORY": str(folder)}
        for number in range(settings.local):
            yield _Place(f"local-{number}", (), sys.executable, ("--host", "127.0.0.1"), own)


@contextmanager
def _programs(settings: ClusterSettings) -> Iterator[str]:
    """Start a scheduler in the first place and a worker in each; give the scheduler's address."""
    started: list[_Program] = []
    with temporary_folder(Path(tempfile.gettempdir()), "cluster") as folder, ExitStack() as stack:
        stack.callback(_end_all, started)

        def start(place: _Place, *arguments: str) -> _Program:
            log = folder / f"{len(started)}.log"
            started.append(_Program(place.name, log, place.command(*arguments)))
            return started[-1]

        places = list(_places(settings, folder))
        scheduler = start(places[0], "scheduler", "--port", "0")
        address = scheduler.wait_for("Scheduler at:")
        if not address:
            raise UserError(
                f"the scheduler did not start: {scheduler.last_words()}", where=scheduler.name
            )
        workers = [start(place, "worker", address, "--name", place.name) for place in places]
        if settings.ssh is not None:
            _leave_out_failed(workers)
        yield address


def _leave_out_failed(workers: Sequence[_Program]) -> None:
    """End workers that do not reach the scheduler and warn of them; one at least has to."""
    failed = [one for one in workers if not one.wait_for("Registered to:")]
    _end_all(failed)
    for one in failed:
        if len(failed) == len(workers):
            raise UserError(f"no worker started: {one.last_words()}", where=one.name)
        words = f"{one.name} is left out, no worker started: {one.last_words()}"
        warnings.warn(words, stacklevel=1)


class _Program:
    """The scheduler or a worker. It ends when its input does, also if this process is killed."""

    def __init__(self, name: str, log: Path, command: Sequence[str]) -> None:
        self.name = name
        self._log = log
        self._until = time.monotonic() + _STARTING_SECONDS
        try:
            with log.open("wb") as file:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,  # Ctrl-C is for the run, which then ends them
                )
        except FileNotFoundError as error:
            raise UserError(f"the program {command[0]} is not installed here") from error

    def wait_for(self, words: str) -> str:
        """Wait for a line with these words; return what follows them, "" if it does not come.

        The time to wait began with the program.
        """
        while True:
            ended = self.process.poll() is not None or time.monotonic() > self._until
            for line in self._log.read_text(errors="replace").splitlines(keepends=True):
                if words in line and line.endswith("\n"):
                    return line.partition(words)[2].strip()
            if ended:
                return ""
            time.sleep(0.05)

    def last_words(self) -> str:
        """Return the end of its log, in one line."""
        text = self._log.read_text(errors="replace")[-_LOG_CHARACTERS:].strip()
        return one_line(text) or f"nothing came within {_STARTING_SECONDS:.0f} s"


def _end_all(programs: Sequence[_Program]) -> None:
    for one in programs:
        if one.process.stdin is not None:
            one.process.stdin.close()
    until = time.monotonic() + _LEAVING_SECONDS
    for one in programs:
        for end in (one.process.terminate, one.process.kill):
            try:
                one.process.wait(max(0.0, until - time.monotonic()))
                break
            except subprocess.TimeoutExpired:
                end()
                until = max(until, time.monotonic() + _TERMINATING_SECONDS)
        one.process.wait()


def scratch_environment(settings: ClusterSettings) -> dict[str, str]:
    """Return what tells the programs of a node the scratch folder of the cluster file."""
    return {} if settings.scratch is None else {SCRATCH: settings.scratch}


# ---- batch systems ------------------------------------------------------------------------------


@contextmanager
def _batch_system(settings: ClusterSettings) -> Iterator[Any]:
    try:
        made = _batch(settings)
    except ImportError as error:
        raise UserError(
            f"a library for {settings.kind} is not installed: {error}",
            hint=INSTALL_CLUSTER,
        ) from error
    except Exception as error:  # each batch system of dask-jobqueue has errors of its own
        raise UserError(f"the cluster cannot be started: {error}", where=settings.kind) from error
    with made as cluster:
        yield cluster


def _batch(settings: ClusterSettings) -> Any:
    import dask_jobqueue

    asked: Batch = getattr(settings, settings.kind)
    scratch = scratch_environment(settings).items()
    exports = [f"export {name}={shlex.quote(value)}" for name, value in scratch]
    options: dict[str, Any] = {
        "cores": asked.cores,
        "processes": 1,
        "memory": asked.memory,
        "queue": asked.queue,
        "account": asked.account,
        "walltime": settings.walltime,
        "python": asked.python,
        "interface": asked.interface,
        "job_name": "annharness",
        "job_extra_directives": [*_exclusive(settings.kind, asked), *asked.directives],
        "job_script_prologue": [*exports, *asked.before],
        "worker_command": f"{_PROGRAMS} worker",
        "scheduler_options": {"dashboard": False},
        "security": _security(settings),
        "silence_logs": "error",
    }
    if settings.kind in ("sge", "lsf"):
        options["project"] = options.pop("account")
    given = {name: value for name, value in options.items() if value is not None}
    return getattr(dask_jobqueue, _BATCH_SYSTEMS[settings.kind])(**given)


def _exclusive(kind: str, asked: Batch) -> list[str]:
    """The directive by which no other job runs on the node."""
    if not asked.exclusive:
        return []
    return {"slurm": ["--exclusive"], "pbs": ["-l place=excl"], "lsf": ["-x"]}.get(kind, [])


def _security(settings: ClusterSettings) -> Any:
    if settings.tls is None:
        return None
    from distributed import Security

    tls = settings.tls
    files = {
        f"tls_{role}_{part}": str(user_path(getattr(tls, part)))
        for role in ("client", "scheduler", "worker")
        for part in ("cert", "key")
    }
    return Security(  # type: ignore[no-untyped-call]
        tls_ca_file=str(user_path(tls.ca)), require_encryption=True, **files
    )
