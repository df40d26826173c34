"""An adapter that does one named wrong thing, for the tests of isolation."""

import ctypes
import os
import random
import signal
import subprocess
import sys
import time

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

    def index_bytes(self):
        return self.base.nbytes

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


ACTS = {
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
    "close-stdout": close_stdout,
    "write-base": write_base,
    "write-base-in-c": write_base_in_c,
    "change-world": change_world,
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
    "padding-first": lambda self, ids: np.concatenate([[-1], ids[1:]]),
    "depends-on-order": lambda self, ids: np.random.default_rng(self.calls).permutation(ids),
}
