"""The kernels of every kind of processor: the same answers from all that this processor can run.

Each runs in a process of its own, which is told to compile for less than the processor has, or
where the processor cannot run it, for another processor.
"""

import json
import os
import re
import subprocess
import sys

import llvmlite.binding
import pytest
from harness.algorithms.quantization.simd import byte_lanes

pytestmark = pytest.mark.slow

INSTRUCTIONS = {"avx512-vbmi": r"vperm(b|[it]2b)", "avx512": "vpshufb", "avx2": "vpshufb"}
REGISTERS = {"avx512-vbmi": "%zmm", "avx512": "%zmm", "avx2": "%ymm"}
LACKS = {"avx512-vbmi": (), "avx512": ("avx512vbmi",), "avx2": ("avx512",)}
PROCESSOR = "icelake-server"  # has what every kind needs

PROGRAM = """
import json
import numba
import numpy as np
from harness.algorithms.quantization.simd import bounded_scan, byte_lanes
from harness.algorithms.quantization.simd.bounded_scan import rows_below, scan
from harness.algorithms.quantization.list_scanner import _in_shorts
from harness.algorithms.quantization.simd.byte_lanes import BLOCKS
from harness.algorithms.quantization.simd.nearest_lists import fill_list_costs, in_shorts
from harness.algorithms.quantization.simd.tables import GROUP, ROWS


@numba.njit
def four_blocks(packed, order, steps, starts, sums):
    size = steps.shape[0] // 32 * ROWS
    places = order[0] * size, order[1] * size, order[2] * size, order[3] * size
    starts = starts[0], starts[1], starts[2], starts[3]
    return rows_below(packed, places, places, steps, 32, starts, sums)


rng = np.random.default_rng(0)
found = {"kind": byte_lanes.KIND}
for M in (20, 72):  # sums of 72 subspaces are lowered on the way
    codes = rng.integers(0, 16, (9000, M), np.uint8)
    slopes = rng.standard_normal((M, 2, 16)).astype(np.float32)
    both = np.zeros((-(-len(codes) // GROUP) * GROUP, M // 2), np.uint8)
    both[: len(codes)] = codes[:, ::2] | codes[:, 1::2] << 4
    packed, blocks = (
        both.reshape(-1, rows, M // 2).transpose(0, 2, 1).ravel() for rows in (GROUP, ROWS)
    )
    queries = rng.standard_normal((22, 2 * M)).astype(np.float32)  # some at once, two one by one
    ids = np.empty((len(queries), 10), np.int64)
    offsets, every = np.zeros(16 * M, np.float32), np.empty(0, np.uint8)
    scan(packed, len(codes), slopes, slopes[:0], offsets, False, queries, every, ids)
    same = True
    for query, best in zip(queries, ids):
        tables = np.einsum("mj,mjc->mc", query.reshape(M, 2).astype(float), slopes)
        costs = tables[np.arange(M), codes].sum(axis=1)
        same &= bool(np.allclose(costs[best], np.sort(costs)[:10], atol=1e-4))
    found[f"best of {M}"] = same
    if M == 20:
        steps, sums = rng.integers(0, 25, 16 * M, np.uint8), np.empty(BLOCKS * ROWS, np.uint8)
        order, starts = np.array([5, 0, 90, 2]), np.array([3, 0, 40, 255], np.uint8)
        rows = (order[:, None] * ROWS + np.arange(ROWS)).ravel()
        entries = steps.reshape(M, 16)[np.arange(M), codes[rows]].sum(axis=1, dtype=int)
        expected = np.minimum(np.repeat(starts, ROWS) + entries, 255)
        below, _ = four_blocks(blocks, order, steps, starts, sums)
        bits = np.array(below).view(np.uint8)
        found["four blocks"] = bool(
            (sums == expected).all()
            and (np.unpackbits(bits, bitorder="little") == (expected < 255)).all()
            and 0 < (expected < 255).mean() < 1
        )


codes = rng.integers(0, 256, (9000, 5), np.uint8)  # of 8 bits, the last a coarse one
slopes = rng.standard_normal((4, 2, 256)).astype(np.float32)
wide = rng.standard_normal((1, 8, 256)).astype(np.float32)
packed = np.zeros((-(-len(codes) // GROUP) * GROUP, 5), np.uint8)
packed[: len(codes)] = codes
packed = packed.reshape(-1, GROUP, 5).transpose(0, 2, 1).ravel()
queries = rng.standard_normal((6, 8)).astype(np.float32)
ids = np.empty((len(queries), 10), np.int64)
offsets = np.zeros(5 * 256, np.float32)
scan(packed, len(codes), slopes, wide, offsets, False, queries, every, ids)
same = True
for query, best in zip(queries, ids):
    tables = np.einsum("mj,mjc->mc", query.reshape(4, 2).astype(float), slopes)
    tables = np.concatenate([tables, query.astype(float) @ wide])
    costs = tables[np.arange(5), codes].sum(axis=1)
    same &= bool(np.allclose(costs[best], np.sort(costs)[:10], atol=1e-4))
found["coarse codes"] = same


@numba.njit
def costs_of_lists(query, centres, steps, offsets, costs):
    pairs = np.empty(centres.shape[1], np.int32)
    step = in_shorts(query, pairs)
    fill_list_costs(pairs, step, centres, steps, offsets, np.float32(2), costs)


close = True
for d in (1, 21, 32):  # an odd dimension, and a single one
    centres = rng.standard_normal((130, d)).astype(np.float32)
    centres[0], centres[1], centres[2] = 0, 1e12, 1e-12
    shorts, steps = _in_shorts(centres)
    offsets, costs = rng.standard_normal(len(steps)).astype(np.float32), np.empty_like(steps)
    for query in (*rng.standard_normal((3, d)), np.ones(d), np.zeros(d)):  # ones: large sums
        query = query.astype(np.float32)
        costs_of_lists(query, shorts, steps, offsets, costs)
        expected = 2 * offsets[:130] - centres.astype(float) @ query
        reach = np.linalg.norm(centres, axis=1) * np.linalg.norm(query)
        rounding = reach * d**0.5 / 32767  # half a unit in every dimension, of both
        close &= bool((np.abs(costs[:130] - expected) <= 1e-6 + 1.1 * rounding).all())
    costs_of_lists(np.full(d, np.nan, np.float32), shorts, steps, offsets, costs)
    close &= bool((costs == 2 * offsets).all())
found["costs of lists"] = close
kernels = bounded_scan._next_found, four_blocks
found["code"] = "".join(code for kernel in kernels for code in kernel.inspect_asm().values())
print(json.dumps(found))
"""

COMPILING = """
import json
from numba import types
from harness.algorithms.quantization.simd import bounded_scan, byte_lanes
longs = types.int64
bounded_scan._next_found.compile((
    types.uint8[::1], types.uint8[:, ::1], longs, longs, longs, longs,
    types.UniTuple(types.uint8, 4 * byte_lanes.QUERIES),
    types.boolean if byte_lanes.QUERIES > 1 else types.none, types.int64[::1],
))
print(json.dumps({"code": next(iter(bounded_scan._next_found.inspect_asm().values()))}))
"""


def run(program, folder, features, processor=None):
    told = {"NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(folder)}
    told |= {"NUMBA_CPU_NAME": processor} if processor else {}
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | told, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def features_without(lacking):
    features = llvmlite.binding.get_host_cpu_features()
    signs = {name: "+" if there else "-" for name, there in features.items()}
    signs |= {name: "-" for name in signs if lacking and name.startswith(lacking)}
    return ",".join(sign + name for name, sign in signs.items())


def can_run(kind):
    kinds = list(INSTRUCTIONS)
    return byte_lanes.KIND is not None and kinds.index(kind) >= kinds.index(byte_lanes.KIND)


def features_of(kind):
    needs = byte_lanes._NEEDS[kind]
    features = ",".join(f"+{name}" for name in ("avx2", "fma", "f16c", *needs))
    features += "".join(f",-{name}" for name in LACKS[kind])
    return f"{features},-avx512f" if kind == "avx2" else features


@pytest.fixture(scope="module", params=INSTRUCTIONS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def found(kind, tmp_path_factory):
    """What a process of this kind found, and its machine code; the code alone if none can run."""
    folder = tmp_path_factory.mktemp(kind)
    if can_run(kind):
        return run(PROGRAM, folder, features_without(LACKS[kind]))
    return run(COMPILING, folder, features_of(kind), PROCESSOR)


def test_every_kernel_that_the_processor_can_run_finds_the_best(kind, found):
    if not can_run(kind):
        pytest.skip(f"this processor cannot run {kind}; the test below compiles it")
    answers = {name: value for name, value in found.items() if name != "code"}
    names = ("best of 20", "four blocks", "best of 72", "coarse codes", "costs of lists")
    assert answers == {"kind": kind} | dict.fromkeys(names, True)


def test_every_kernel_is_compiled_to_its_look_up(kind, found):
    look_ups = [line for line in found["code"].splitlines() if re.search(INSTRUCTIONS[kind], line)]
    assert len(look_ups) > 8
    assert all(REGISTERS[kind] in line for line in look_ups)


def test_no_kernel_is_chosen_where_numba_is_told_to_do_without():
    program = "from harness.algorithms.quantization.simd import byte_lanes; print(byte_lanes.KIND)"
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CPU_FEATURES"}
    told = [sys.executable, "-c", program]
    done = subprocess.run(told, env=env | {"NUMBA_ENABLE_AVX": "0"}, capture_output=True, text=True)
    assert done.stdout.strip() == "None", done.stderr
