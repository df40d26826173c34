"""Sums of the 64 rows of a block in bytes, for numba kernels that scan codes of 4 or 8 bits.

They are LLVM's own vectors, as `Lanes` are in `lanes.py`. The sums of four blocks are made
together: they share what is loaded of the tables, and their additions need not wait for one
another. Several queries share what is loaded of the codes. The sums of a block fill one register of
512 bits, or two of 256. LLVM has no portable look-up by vector, so each kind of processor has its
own:

- `avx512-vbmi`: `vpermb` reads six bits of every byte. The table's 16 entries fill its 64 places
  four times, so that the two bits above a code, whatever they are, choose among equal entries: no
  bits need masking. `vpermi2b` reads seven bits; two of them look up codes of 8 bits, or two of 4
  bits in one byte (`tables.fill_pairs`), no slower.
- `avx512`: `vpshufb` on 512 bits. It reads four bits, but also the highest, which must be 0.
- `avx2`: the same on each half.

`NUMBA_CPU_FEATURES` and `NUMBA_ENABLE_AVX`, by which numba is told to compile for less than the
processor has, choose the look-up too.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import Any

import numba
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from .lanes import (
    LANES,
    ask_for,
    call_by_halves,
    call_intrinsic,
    chosen_lanes,
    spread_value,
    vector_address,
)

WIDTH = 64
BLOCKS = 4  # whose sums are made at once
CAP = 255
ENTRIES = 16  # of a table

_BYTE, _WORD = ir.IntType(8), ir.IntType(16)
_VECTOR = ir.VectorType(_BYTE, WIDTH)
_WORDS = ir.VectorType(_WORD, WIDTH // 2)
_MASK = ir.IntType(WIDTH)
_TABLE = ir.VectorType(_BYTE, ENTRIES)
_ROUNDED = ir.VectorType(ir.IntType(32), ENTRIES)
_NEEDS = {"avx512-vbmi": ("avx512bw", "avx512vbmi"), "avx512": ("avx512bw",), "avx2": ("avx2",)}


def _best_kind() -> str | None:
    told = numba.config.CPU_FEATURES
    if told is None:
        found = binding.get_host_cpu_features()
        has = {name for name, there in found.items() if there and numba.config.ENABLE_AVX}
    else:
        has = {part[1:] for part in told.split(",") if part.startswith("+")}
    return next((kind for kind, needs in _NEEDS.items() if has.issuperset(needs)), None)


KIND = _best_kind()  # of look-up; None where there is none
QUERIES = 1 if KIND == "avx2" else 4  # scanned at once: their sums fill half of the registers
CODE_BITS = {None: (), "avx512-vbmi": (4, 8)}.get(KIND, (4,))  # sizes of codes that are scanned


class SumsType(types.Type):
    """The numba type of the sums of four blocks, 64 unsigned bytes each, for one query or more.

    `parts` is four times the number of queries; the four of a query are neighbours.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts
        super().__init__(name=f"Sums({parts})")


PLACES = types.UniTuple(types.intp, BLOCKS)


@register_model(SumsType)
class _SumsModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, ir.ArrayType(_VECTOR, fe_type.parts))


def _parts(builder: Any, sums: Any) -> list[Any]:
    return [builder.extract_value(sums, block) for block in range(sums.type.count)]


def _joined(builder: Any, parts: list[Any]) -> Any:
    sums = ir.Constant(ir.ArrayType(_VECTOR, len(parts)), ir.Undefined)
    for block, part in enumerate(parts):
        sums = builder.insert_value(sums, part, block)
    return sums


def _all(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * WIDTH)


def _look_up(builder: Any, table: Any, codes: Any) -> Any:
    """Return the entries for codes, the low four bits of every lane."""
    if KIND == "avx512-vbmi":
        return call_intrinsic(builder, "llvm.x86.avx512.permvar.qi.512", _VECTOR, [table, codes])
    codes = builder.and_(codes, _all(15))
    if KIND == "avx512":
        return call_intrinsic(builder, "llvm.x86.avx512.pshuf.b.512", _VECTOR, [table, codes])
    return call_by_halves(builder, "llvm.x86.avx2.pshuf.b", _VECTOR, [table, codes])


@intrinsic
def sums_from(typing_context, starts):
    """The sums of four blocks, each all the same byte; four starts for every query."""

    def generate(context, builder, signature, arguments):
        starts = cgutils.unpack_tuple(builder, arguments[0])
        return _joined(builder, [spread_value(builder, start, WIDTH) for start in starts])

    return SumsType(starts.count)(starts), generate


def _added(look_up_all: Any) -> Any:
    """Return the code of adding to every block's sums what `look_up_all` adds for its codes.

    The 64 bytes of codes of each block begin at its place in the flat array `packed`, plus `plane`;
    tables begin at `table` of `steps`, those of each further query `apart` from the last. Where the
    processor does not foresee which blocks come next, the codes at the places of `ahead` are asked
    for.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, packed, places, ahead, plane, steps, table, apart = arguments
        _, packed_type, _, _, _, steps_type, _, _ = signature.args

        def entries(query: int, offset: int, count: int) -> Any:
            start = builder.add(table, ir.Constant(table.type, offset))
            start = builder.add(start, builder.mul(apart, ir.Constant(table.type, query)))
            kind = ir.VectorType(_BYTE, count)
            return builder.load(
                vector_address(context, builder, steps_type, steps, start, kind), align=1
            )

        def address(place: Any, kind: Any) -> Any:
            start = builder.add(place, plane)
            return vector_address(context, builder, packed_type, packed, start, kind)

        parts, codes = _parts(builder, sums), []
        for query in range(len(parts) // BLOCKS):
            add = look_up_all(builder, partial(entries, query))
            for block, place in enumerate(cgutils.unpack_tuple(builder, places)):
                if query == 0:  # not all at first, which LLVM makes slower code of
                    codes.append(builder.load(address(place, _VECTOR), align=1))
                part = BLOCKS * query + block
                parts[part] = add(parts[part], codes[block])
        if signature.args[3] != types.none:
            for place in cgutils.unpack_tuple(builder, ahead):
                ask_for(builder, address(place, _BYTE))
        return _joined(builder, parts)

    return generate


def _two_of_a_byte(builder: Any, entries: Any) -> Any:
    """Codes of 4 bits: the even subspace's in the low ones."""
    even, odd = (
        chosen_lanes(builder, entries(offset, ENTRIES), list(range(ENTRIES)) * 4)
        for offset in (0, ENTRIES)
    )
    four_bits = ir.Constant(_WORDS, [4] * (WIDTH // 2))

    def add(part: Any, codes: Any) -> Any:
        part = _plus_capped(builder, part, _look_up(builder, even, codes))
        words = builder.lshr(builder.bitcast(codes, _WORDS), four_bits)
        return _plus_capped(builder, part, _look_up(builder, odd, builder.bitcast(words, _VECTOR)))

    return add


def _one_of_a_byte(builder: Any, entries: Any) -> Any:
    """A whole byte: its highest bit chooses between two look-ups of the other seven."""
    if 8 not in CODE_BITS:  # never asked for then
        return lambda part, codes: part
    quarters = [entries(quarter * WIDTH, WIDTH) for quarter in range(4)]

    def look_up(first: Any, codes: Any, second: Any) -> Any:
        name = "llvm.x86.avx512.vpermi2var.qi.512"
        return call_intrinsic(builder, name, _VECTOR, [first, codes, second])

    def add(part: Any, codes: Any) -> Any:
        low = look_up(quarters[0], codes, quarters[1])
        high = look_up(quarters[2], codes, quarters[3])
        is_high = builder.icmp_signed("<", codes, _all(0))
        return _plus_capped(builder, part, builder.select(is_high, high, low))

    return add


def _sums_plus(sums: Any, packed: Any, ahead: Any, steps: Any) -> Any:
    whole = types.intp
    ahead = types.none if ahead == types.none else PLACES
    return sums(sums, packed, PLACES, ahead, whole, steps, whole, whole)


@intrinsic
def plus_two_entries(typing_context, sums, packed, places, ahead, plane, steps, table, apart):
    """Sums plus the entries of two subspaces of 4 bits (see `_added`), or 255 if that is more."""
    return _sums_plus(sums, packed, ahead, steps), _added(_two_of_a_byte)


@intrinsic
def plus_entries(typing_context, sums, packed, places, ahead, plane, steps, table, apart):
    """Sums plus the entries of whole bytes (see `_added`), or 255 if that is more."""
    return _sums_plus(sums, packed, ahead, steps), _added(_one_of_a_byte)


def _plus_capped(builder: Any, a: Any, b: Any) -> Any:
    return call_intrinsic(builder, f"llvm.uadd.sat.v{WIDTH}i8", _VECTOR, [a, b])


@intrinsic
def lowered(typing_context, sums, amount):
    """Sums less an amount, or 0 where that is negative."""

    def generate(context, builder, signature, arguments):
        sums, amount = arguments
        amounts = spread_value(builder, amount, WIDTH)
        name = f"llvm.usub.sat.v{WIDTH}i8"
        parts = _parts(builder, sums)
        return _joined(
            builder, [call_intrinsic(builder, name, _VECTOR, [part, amounts]) for part in parts]
        )

    return sums(sums, types.uint8), generate


@intrinsic
def bits_below(typing_context, sums, level):
    """For every query and block, 64 bits: one for each sum that is less than the level."""

    def generate(context, builder, signature, arguments):
        sums, level = arguments
        levels = spread_value(builder, level, WIDTH)
        parts = [builder.icmp_unsigned("<", part, levels) for part in _parts(builder, sums)]
        bits = [builder.bitcast(part, _MASK) for part in parts]
        return context.make_tuple(builder, signature.return_type, bits)

    return types.UniTuple(types.int64, sums.parts)(sums, types.uint8), generate


@intrinsic
def either(typing_context, first, second):
    """The bits that are set in one of two tuples of them."""

    def generate(context, builder, signature, arguments):
        pairs = zip(*(cgutils.unpack_tuple(builder, bits) for bits in arguments), strict=True)
        bits = [builder.or_(a, b) for a, b in pairs]
        return context.make_tuple(builder, signature.return_type, bits)

    return first(first, second), generate


@intrinsic
def any_of(typing_context, bits):
    """Whether any of a tuple of bits is set."""

    def generate(context, builder, signature, arguments):
        together = reduce(builder.or_, cgutils.unpack_tuple(builder, arguments[0]))
        return builder.icmp_signed("!=", together, ir.Constant(together.type, 0))

    return types.boolean(bits), generate


@intrinsic
def store_sums(typing_context, array, sums):
    """Write sums to a C-contiguous uint8 array, 64 for each block."""

    def generate(context, builder, signature, arguments):
        array, sums = arguments
        start = ir.Constant(ir.IntType(64), 0)
        place = vector_address(context, builder, signature.args[0], array, start, sums.type)
        builder.store(sums, place, align=1)
        return context.get_dummy_value()

    return types.void(array, sums), generate


@intrinsic
def first_bit(typing_context, bits):
    """The number of the lowest bit that is set."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@intrinsic
def store_steps(typing_context, array, offset, lanes, scale):
    """Write 16 bytes of a table: `lanes * scale`, rounded down, at most 255.

    `lanes` are 16 float32 numbers, none negative.
    """

    def generate(context, builder, signature, arguments):
        array, offset, lanes, scale = arguments
        scaled = builder.fmul(lanes, spread_value(builder, scale))
        most = ir.Constant(lanes.type, [float(CAP)] * ENTRIES)
        capped = builder.select(builder.fcmp_ordered("<", scaled, most), scaled, most)
        steps = builder.trunc(builder.fptosi(capped, _ROUNDED), _TABLE)
        place = vector_address(context, builder, signature.args[0], array, offset, _TABLE)
        builder.store(steps, place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, LANES, types.float32), generate
