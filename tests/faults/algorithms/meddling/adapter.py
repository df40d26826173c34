"""An adapter that changes its process or the machine in one named way; the rest is exact search."""

import asyncio
import atexit
import builtins
import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

from harness.contracts import Algorithm


class Meddling(Algorithm):
    """Exact search, but for what `how` names: `WHERE-WHAT`, a method and what is done in it."""

    def __init__(self, metric, how, seed=0):
        super().__init__(metric, how=how, seed=seed)
        self.where, _, self.what = how.partition("-")
        self.buffer = None
        self.effort = 300 if self.what in UNTOLD else 1  # how often it searches

    def prepare(self, shape):
        self.act("prepare")

    def fit(self, base):
        self.base = np.array(base)
        self.offset = (base**2).sum(axis=1) / 2 if self.metric == "euclidean" else 0
        self.act("fit")

    def warm_up(self, queries, k):
        self.act("warm_up")

    def query(self, query, k):
        self.last = (query, k)
        self.act("query")
        ids = self.exact(query, k)
        change = ANSWERS.get(self.what)
        return ids if change is None else change(self, ids)

    def exact(self, query, k):
        for _ in range(self.effort):
            near = self.base @ query - self.offset
            ids = np.argsort(-near, kind="stable")[:k]
        return ids

    def index_bytes(self):
        self.act("index_bytes")
        return self.base.nbytes

    def diagnostics(self):
        self.act("diagnostics")
        return {}

    def close(self):
        self.act("close")

    def act(self, where):
        if where == self.where:
            ACTS[self.what](self)


UNTOLD = ("clock-runs-slowly", "answer-after-the-clock")
"""Ways to hide that a query takes milliseconds."""


def wait(self=None):
    while True:
        time.sleep(0.1)


def never_compare(self):
    """Every length is nothing, for all of the process."""
    builtins.len = lambda _: 0


def change_clock(change):
    """Change what the timed loops read as the time."""

    def act(self):
        from harness.running.worker import timing

        clock = time.perf_counter_ns
        first = clock()
        timing.perf_counter_ns = lambda: change(clock(), first)

    return act


def answer_after_the_clock(self):
    """Answer at once with nothing; the ids are searched for when they are read, untimed."""
    make, first = np.array, np.arange(3)
    asked = []

    def query(query, k):
        asked.append(query)
        return np.resize(first, k)

    def array(values, *how, **more):
        made = make(values, *how, **more)
        if isinstance(values, list) and len(values) > 1 and made.ndim == 2:
            queries, k = asked[-len(values) :], made.shape[1]
            made[:] = [self.exact(row, k) for row in queries]
            asked.clear()
        return made

    self.query = query
    np.array = array


def limit(kind, to):
    return lambda self: resource.setrlimit(kind, (to, resource.getrlimit(kind)[1]))


def raise_in_a_handler(self):
    def handler(*_):
        raise RuntimeError("an alarm")

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)


def leave_a_thread(self):
    threading.Thread(target=wait).start()


def trace(self):
    def tracer(*_):
        raise RuntimeError("traced")

    sys.settrace(tracer)
    threading.settrace(tracer)


def dig(self):
    """Folders in folders, deeper than recursion goes and than a path may be long."""
    here = Path.cwd()
    os.chdir(os.environ["ANNHARNESS_JOB"])
    for _ in range(3000):
        Path("in").mkdir()
        os.chdir("in")
    os.chdir(here)


def lock_folder(self):
    folder = Path(os.environ["ANNHARNESS_JOB"])
    inner = folder / "shut" / "inner"
    inner.mkdir(parents=True)
    for path in (inner, inner.parent, folder):
        path.chmod(0)


def litter(self):
    folder = Path(os.environ["ANNHARNESS_JOB"])
    os.mkfifo(folder / "pipe")
    (folder / "root").symlink_to("/")
    (folder / "loop").symlink_to("loop")
    self.end = socket.socket(socket.AF_UNIX)
    self.end.bind(str(folder / "socket"))
    (folder / os.fsdecode(b"\xff\xfe\n")).touch()


def fork_and_answer(self):
    if os.getpid() == self.__dict__.setdefault("pid", os.getpid()) and not self.buffer:
        self.buffer = True
        os.fork()


def raise_oddly(error):
    def act(self):
        raise error

    return act


class Mute(Exception):
    """An exception that cannot be shown."""

    def __str__(self):
        raise Mute

    __repr__ = __str__


ODD_NAME = type("\x1b[2J" + "x" * 100_000, (Exception,), {})


def prctl(*arguments):
    return lambda self: ctypes.CDLL(None).prctl(*arguments)


def read_input(self):
    input()


def become_another_program(self):
    os.execv("/bin/true", ["/bin/true"])


def stop_supervisor(self):
    os.kill(os.getppid(), signal.SIGSTOP)


def forget_modules(self):
    for name in list(sys.modules):
        if name.startswith(("harness", "numpy", "json")):
            del sys.modules[name]


def replace_query(self):
    self.query = lambda query, k: self.exact(query, k)[::-1].copy()


def write_into_query(self):
    self.last[0][:] = 0


def mapped_dataset():
    """The file from which the rows are mapped."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(Path(line.split(maxsplit=5)[5]) for line in lines if line.endswith(".hdf5"))


def cut_dataset(self):
    """What the harness has mapped ends here: to read more ends a process."""
    os.truncate(mapped_dataset(), 1 << 10)


def rewrite_dataset(self):
    """Make all rows alike, so that every answer is right, and put the times of the file back."""
    path = mapped_dataset()
    before, size = path.stat(), self.base.nbytes
    with path.open("r+b") as file:
        data = file.read()
        at = data.index(self.base[0].tobytes())
        file.seek(at)
        file.write(self.base[0].tobytes() * (size // self.base[0].nbytes))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


ACTS = {
    "cut-dataset": cut_dataset,
    "rewrite-dataset": rewrite_dataset,
    "nothing": lambda self: None,
    "wait": wait,
    "no-lengths": never_compare,
    "clock-runs-slowly": change_clock(lambda now, first: first + (now - first) // 1000),
    "clock-runs-back": change_clock(lambda now, first: first - now),
    "clock-stands": change_clock(lambda now, first: first),
    "clock-of-fractions": change_clock(lambda now, first: float("nan")),
    "clock-of-text": change_clock(lambda now, first: "now"),
    "answer-after-the-clock": answer_after_the_clock,
    "no-memory": limit(resource.RLIMIT_AS, 1 << 20),
    "no-files": limit(resource.RLIMIT_NOFILE, 0),
    "no-file-sizes": limit(resource.RLIMIT_FSIZE, 0),
    "no-processor-time": limit(resource.RLIMIT_CPU, 1),
    "raise-in-a-handler": raise_in_a_handler,
    "ignore-all-signals": lambda self: [
        signal.signal(number, signal.SIG_IGN)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
        if number < 32
    ],
    "leave-a-thread": leave_a_thread,
    "hang-at-exit": lambda self: atexit.register(wait),
    "trace": trace,
    "no-recursion": lambda self: sys.setrecursionlimit(60),
    "raise-for-warnings": lambda self: warnings.simplefilter("error"),
    "raise-for-overflow": lambda self: np.seterr(all="raise"),
    "one-processor": lambda self: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    "own-group": lambda self: os.setpgid(0, 0),
    "dig": dig,
    "lock-folder": lock_folder,
    "litter": litter,
    "fork-and-answer": fork_and_answer,
    "raise-interrupt": raise_oddly(KeyboardInterrupt()),
    "raise-generator-exit": raise_oddly(GeneratorExit()),
    "raise-cancelled": raise_oddly(asyncio.CancelledError()),
    "raise-group": raise_oddly(ExceptionGroup("a\x1b[2J", [ValueError("x" * 10**6)] * 1000)),
    "raise-mute": raise_oddly(Mute()),
    "raise-odd-name": raise_oddly(ODD_NAME("so")),
    "raise-stop": raise_oddly(StopIteration()),
    "undumpable": prctl(4, 0, 0, 0, 0),
    "outlive-parent": prctl(1, 0, 0, 0, 0),
    "read-input": read_input,
    "become-another-program": become_another_program,
    "stop-supervisor": stop_supervisor,
    "forget-modules": forget_modules,
    "replace-query": replace_query,
    "write-into-query": write_into_query,
    "closed-output": lambda self: contextlib.ExitStack().enter_context(sys.stdout).close(),
}


def same_buffer(self, ids):
    if self.buffer is None:
        self.buffer = np.empty(len(ids), dtype=np.int64)
    self.buffer[:] = ids
    return self.buffer


ANSWERS = {
    "same-buffer": same_buffer,
    "unsigned": lambda self, ids: np.full(len(ids), 2**64 - 1, dtype=np.uint64),
    "big-endian": lambda self, ids: ids.astype(">i4"),
    "truths": lambda self, ids: ids > 3,
    "endless-ints": lambda self, ids: [10**40] * len(ids),
    "ragged": lambda self, ids: [[1], [2, 3]],
    "masked": lambda self, ids: np.ma.masked_array(ids),
    "record": lambda self, ids: ids.view(np.recarray),
    "nothing-at-all": lambda self, ids: ids[:0],
    "reversed-view": lambda self, ids: ids[::-1],
    "readonly": lambda self, ids: (ids.setflags(write=False), ids)[1],
    "set": lambda self, ids: set(ids.tolist()),
    "generator": lambda self, ids: (i for i in ids),
    "text": lambda self, ids: " ".join(map(str, ids)),
    "tuple-of-numpy-ints": lambda self, ids: tuple(ids),
}
