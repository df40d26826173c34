"""An adapter that does one named wrong thing, for the tests of isolation."""

import contextlib
import ctypes
import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import faiss
import numpy as np

from harness.contracts import Algorithm

MARK = "annharness-misbehaving-sleeper"


class Misbehaving(Algorithm):
    """Exact search, but for what `how` names."""

    def __init__(self, metric, how, seed=0):
        super().__init__(metric, how=how, seed=seed)
        self.calls = 0
        self.act("init")

    def fit(self, base):
        self.index = faiss.IndexFlatIP(base.shape[1])
        self.index.add(base)
        self.base = base
        self.act("fit")

    def set_search(self, setting=0):
        self.setting = setting
        self.act("set_search")
        if setting == 1:
            self.act("second")

    def query(self, query, k):
        self.calls += 1
        ids = self.index.search(query[None], k)[1][0]
        self.act("query")
        change = ANSWERS.get(self.build["how"])
        if self.build["how"] == "setting-1-wrong":
            change = ANSWERS["repeated"] if self.setting == 1 else None
        return ids if change is None else change(self, ids)

    def distance_computations(self, queries, k):
        """Right for the second setting, so that a wrong one of the first can be told from it."""
        right = len(queries) * len(self.base)
        if self.setting == 1:
            return right
        self.act("count")
        return COUNTS.get(self.build["how"], right)

    def index_bytes(self):
        return SIZES.get(self.build["how"], self.base.nbytes)

    def diagnostics(self):
        return TABLES.get(self.build["how"], {})

    def act(self, where):
        how = self.build["how"]
        if how.startswith(where + "-"):
            ACTS[how.removeprefix(where + "-")](self)


def raise_error(self):
    raise RuntimeError("it went <wrong>")


def segfault(self):
    ctypes.string_at(0)


def loop_in_c(self):
    # The GIL is held for as long as this computes.
    pow(3, 10**9)


def loop(self):
    while True:
        pass


def grow_slowly(self):
    self.hoard = []
    while True:
        self.hoard.append(bytearray(os.urandom(1) * (16 << 20)))
        time.sleep(0.01)


def grow_fast(self):
    self.hoard = np.ones((1 << 36) // 8)


def grow_out_of_sight(self):
    """Memory that is in no process's count: what is written to a memfd, and mapped by nobody."""
    self.hoard = os.fdopen(os.memfd_create("hoard"), "wb", buffering=0)
    for _ in range(50):
        self.hoard.write(bytes(16 << 20))
        time.sleep(0.01)


def grow_in_dev_shm(self):
    with Path(f"/dev/shm/annharness-hoard-{os.getpid()}").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(16 << 20))
            time.sleep(0.01)


def leave_in_dev_shm(self):
    with Path(f"/dev/shm/annharness-hoard-{os.getpid()}").open("wb") as file:
        file.write(bytes(16 << 20))
        file.flush()
        time.sleep(0.2)


def fork_bomb(self):
    self.children = [sleeper() for _ in range(50)]


def sleeper():
    code = f"import time; '{MARK}'; time.sleep(600)"
    return subprocess.Popen([sys.executable, "-S", "-c", code])


def daemon(self):
    """A grandchild in a session of its own, which holds our standard output."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            sleeper().wait()
        os._exit(0)


def flood(self):
    for _ in range(200):
        os.write(1, b"x" * (1 << 20))


def warn(self):
    for number in range(1000):
        warnings.warn(f"{number} \x1b[2J\udcff{'x' * (number << 12)}", stacklevel=1)


def close_stdout(self):
    os.close(1)
    sys.stdout = None


def write_base(self):
    self.base[0] = 0


def write_base_in_c(self):
    ctypes.memset(self.base.ctypes.data, 0, 16)


def change_world(self):
    os.chdir("/")
    os.environ.clear()
    random.seed(0)
    np.random.seed(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faiss.omp_set_num_threads(64)


def empty_the_index(self):
    self.index.reset()


def grow_a_little(self):
    self.__dict__.setdefault("hoard", []).append(bytearray(os.urandom(1) * (16 << 20)))


def die_while_others_have_their_turn(self):
    """The alarm goes off while this process is paused, and ends it when it may go on."""
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(0.02)


def spin_in_a_thread(self):
    def spin():
        while True:
            pass

    threading.Thread(target=spin, daemon=True).start()


def spin_in_a_daemon(self):
    """A process outside our session, which would burn a processor in everybody's turns."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-S", "-c", f"'{MARK}'\nwhile True: pass"])
        os._exit(0)


def on_messages(change):
    """Change what the worker's end of the channel sends."""

    def act(self):
        from harness.running import messages

        send = messages.Channel.send
        messages.Channel.send = lambda channel, message: change(send, channel, message)

    return act


def twice(send, channel, message):
    send(channel, message)
    if type(message).__name__ == "Answered" and message.turn >= 0:
        send(channel, message)


def of_another_turn(send, channel, message):
    if type(message).__name__ == "Answered" and message.turn >= 0:
        message = dataclasses.replace(message, turn=message.turn + 1)
    send(channel, message)


def never_done(send, channel, message):
    while type(message).__name__ == "Done":
        time.sleep(0.1)
    send(channel, message)


def finished_at_once(send, channel, message):
    """Claim to have described an index that nobody asked about."""
    from harness.running.messages import Described

    send(channel, Described(1) if type(message).__name__ == "Built" else message)


def write_to_every_descriptor(self):
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\xff" * 64)


def close_descriptors(self):
    os.closerange(3, 256)


def kill_supervisor(self):
    self.child = sleeper()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1)


def kill_group(self):
    os.killpg(os.getpgrp(), signal.SIGKILL)
    time.sleep(1)


def die_by_a_real_time_signal(self):
    os.kill(os.getpid(), 40)
    time.sleep(1)


def take_an_odd_name(self):
    """A name that is not UTF-8, as the kernel shows it to whoever looks at our memory."""
    ctypes.CDLL(None).prctl(15, b"\xff\xfe", 0, 0, 0)


def always(phase):
    """Say again and again that a phase begins, which would put off every time-out."""

    def act(self):
        from harness.running import messages

        send = messages.Channel.send

        def sending(channel, message):
            while type(message).__name__ == "Built":
                send(channel, messages.Phase(phase, None))
                time.sleep(0.01)
            send(channel, message)

        messages.Channel.send = sending

    return act


def send_what_cannot_be(self):
    """Claim that the index was built in a time that is no number."""

    def odd(send, channel, message):
        if type(message).__name__ == "Built":
            message = dataclasses.replace(message, build_seconds=float("nan"))
        send(channel, message)

    on_messages(odd)(self)


def stop_self(self):
    os.kill(os.getpid(), signal.SIGSTOP)


def spoil_folder(self):
    """Leave a pipe where the worker's folder was."""
    folder = os.environ["ANNHARNESS_JOB"]
    shutil.rmtree(folder)
    os.mkfifo(folder)


class Lazy:
    """An answer that is computed when it is read."""

    def __init__(self, ids):
        self.ids = ids

    def __array__(self, dtype=None, copy=None):
        return self.ids

    def __len__(self):
        return len(self.ids)


class LazyArray(np.ndarray):
    """An array of a type of its own."""


ACTS = {
    "die-by-a-real-time-signal": die_by_a_real_time_signal,
    "take-an-odd-name": take_an_odd_name,
    "build-for-ever": always("build"),
    "send-what-cannot-be": send_what_cannot_be,
    "grow-a-little": grow_a_little,
    "grow-out-of-sight": grow_out_of_sight,
    "grow-in-dev-shm": grow_in_dev_shm,
    "leave-in-dev-shm": leave_in_dev_shm,
    "die-while-others-have-their-turn": die_while_others_have_their_turn,
    "spin-in-a-thread": spin_in_a_thread,
    "spin-in-a-daemon": spin_in_a_daemon,
    "answer-twice": on_messages(twice),
    "answer-another-turn": on_messages(of_another_turn),
    "answer-something-else": on_messages(finished_at_once),
    "never-leave": on_messages(never_done),
    "write-to-every-descriptor": write_to_every_descriptor,
    "close-descriptors": close_descriptors,
    "kill-supervisor": kill_supervisor,
    "kill-group": kill_group,
    "stop-self": stop_self,
    "spoil-folder": spoil_folder,
    "nothing": lambda self: None,
    "raise": raise_error,
    "segfault": segfault,
    "abort": lambda self: os.abort(),
    "exit-0": lambda self: os._exit(0),
    "sys-exit": lambda self: sys.exit(0),
    "loop": loop,
    "loop-in-c": loop_in_c,
    "grow-slowly": grow_slowly,
    "grow-fast": grow_fast,
    "fork-bomb": fork_bomb,
    "daemon": daemon,
    "flood": flood,
    "warn": warn,
    "close-stdout": close_stdout,
    "write-base": write_base,
    "write-base-in-c": write_base_in_c,
    "change-world": change_world,
    "empty-the-index": empty_the_index,
}

ANSWERS = {
    "wrong-shape": lambda self, ids: ids[None],
    "too-few": lambda self, ids: ids[:-1],
    "float": lambda self, ids: ids.astype(float),
    "nan": lambda self, ids: ids * np.nan,
    "negative": lambda self, ids: ids - 10_000,
    "repeated": lambda self, ids: np.full_like(ids, ids[0]),
    "out-of-range": lambda self, ids: ids + 10_000,
    "none": lambda self, ids: None,
    "lazy": lambda self, ids: Lazy(ids),
    "lazy-array": lambda self, ids: ids.view(LazyArray),
    "padding-first": lambda self, ids: np.concatenate([[-1], ids[1:]]),
    "depends-on-order": lambda self, ids: np.random.default_rng(self.calls).permutation(ids),
}

SIZES = {"size-negative": -50, "size-true": True, "size-text": "12", "size-endless": 10**40}

COUNTS = {"counts-text": "12", "counts-endless": 10**40, "counts-negative": -1}

TABLES = {
    "table-slash": {"a/b": {"c": np.ones(2)}},
    "table-dot": {"a": {"..": np.ones(2)}},
    "table-nul": {"a\0": {"c": np.ones(2)}},
    "table-nameless": {"": {"c": np.ones(2)}},
    "table-number": {3: {"c": np.ones(2)}},
    "table-ragged": {"a": {"b": np.ones(2), "c": np.ones(3)}},
    "table-objects": {"a": {"b": np.array([object()])}},
    "table-empty": {"a": {}},
    "table-surrogate": {"a\udc80": {"c": np.ones(2)}},
    "table-odd-text": {"a": {"c": np.array(["a\0b", "\udc80", "\x1b[2J"])}},
    "table-huge": {"a": {"c": np.zeros(10_000_000)}},
}
