"""Starts a scheduler and nodes, or connects to those that run, as the cluster file says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.contracts import UserError
from harness.files.paths import user_path
from harness.files.remote import INSTALL_CLUSTER
from harness.files.temporary import temporary_folder
from harness.running.cluster.programs import SETTINGS
from harness.running.cluster.settings import Batch, ClusterSettings
from harness.running.processes.descendants import PARENT_VARIABLE

_PROGRAMS = "harness.running.cluster.programs"
_CONNECTING_SECONDS = 10
_STARTING_SECONDS = 60.0
_LEAVING_SECONDS = 5.0
_LOG_CHARACTERS = 2000
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
    elif settings.local is not None:
        with _local(settings.local, settings) as address:
            yield address
    else:
        with _dask_cluster(settings) as cluster:
            if settings.ssh is None:
                cluster.scale(jobs=getattr(settings, settings.kind).nodes)
            yield cluster


# ---- on this machine ----------------------------------------------------------------------------


@contextmanager
def _local(workers: int, settings: ClusterSettings) -> Iterator[str]:
    """Start a scheduler and workers here, to try a run out; give the scheduler's address."""
    with temporary_folder(Path(tempfile.gettempdir()), "cluster") as folder, ExitStack() as stack:
        found = folder / "scheduler.json"
        nobody_else = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(found))
        scheduler = _program(stack, folder, "scheduler", ("scheduler", *nobody_else), settings)
        until = time.monotonic() + _STARTING_SECONDS
        while not (address := _address_in(found)):
            if scheduler.poll() is not None or time.monotonic() > until:
                log = (folder / "scheduler.log").read_text(errors="replace")[-_LOG_CHARACTERS:]
                raise UserError(f"the scheduler of the local cluster did not start: {log}")
            time.sleep(0.05)
        for number in range(workers):
            own = ("--host", "127.0.0.1", "--name", f"local-{number}")
            place = ("--local-directory", str(folder))
            _program(stack, folder, f"w{number}", ("worker", address, *own, *place), settings)
        yield address


def _program(
    stack: ExitStack,
    folder: Path,
    name: str,
    arguments: Sequence[str],
    settings: ClusterSettings,
) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **scratch_environment(settings), PARENT_VARIABLE: str(os.getpid())}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", _PROGRAMS, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the run, which then ends them
        )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_LEAVING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _address_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_text())["address"])
    except (OSError, ValueError, KeyError):
        return ""


def scratch_environment(settings: ClusterSettings) -> dict[str, str]:
    """Return the variables by which a node keeps its cache and temporary files on its scratch."""
    if settings.scratch is None:
        return {}
    scratch = settings.scratch if settings.local is None else str(user_path(settings.scratch))
    return {"ANNHARNESS_DATA": f"{scratch}/annharness", "TMPDIR": scratch}


# ---- batch systems and SSH ----------------------------------------------------------------------


@contextmanager
def _dask_cluster(settings: ClusterSettings) -> Iterator[Any]:
    try:
        made = _over_ssh(settings) if settings.ssh is not None else _batch(settings)
    except ImportError as error:
        raise UserError(
            f"a library for {settings.kind} is not installed: {error}",
            hint=INSTALL_CLUSTER,
        ) from error
    except Exception as error:  # each batch system of dask-jobqueue has errors of its own
        raise UserError(f"the cluster cannot be started: {error}", where=settings.kind) from error
    with made as cluster:
        yield cluster


def _over_ssh(settings: ClusterSettings) -> Any:
    from distributed import SSHCluster

    assert settings.ssh is not None
    hosts = settings.ssh.hosts
    return SSHCluster(
        [hosts[0], *hosts],
        scheduler_options={"dashboard": False},
        worker_options={"nthreads": 1, "memory_limit": 0},
        worker_class="distributed.Worker",
        remote_python=settings.ssh.python,
        security=_security(settings),
    )


def _batch(settings: ClusterSettings) -> Any:
    import dask_jobqueue

    asked: Batch = getattr(settings, settings.kind)
    exports = [f"export {name}={value}" for name, value in scratch_environment(settings).items()]
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
