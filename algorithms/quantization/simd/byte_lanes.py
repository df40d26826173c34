"""Thirty-two bytes at once, for numba kernels that scan 4-bit codes.

`ByteLanes` is LLVM's own vector type, as `Lanes` is in `lanes.py`. LLVM has no portable look-up by
vector; the one used here is AVX2's (16 entries, held twice, one table for each half).
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

from .lanes import LANES, spread_value, vector_address

WIDTH = 32
CAP = 255

_VECTOR = ir.VectorType(ir.IntType(8), WIDTH)
_MASK = ir.IntType(WIDTH)
_STEPS = ir.VectorType(ir.IntType(8), WIDTH // 2)
_ROUNDED = ir.VectorType(ir.IntType(32), WIDTH // 2)


def available() -> bool:
    """Whether this machine's processor has the look-up."""
    return bool(llvmlite.binding.get_host_cpu_features().get("avx2", False))


class ByteLanesType(types.Type):
    """The numba type of a value of 32 unsigned bytes."""

    def __init__(self) -> None:
        super().__init__(name="ByteLanes")


BYTE_LANES = ByteLanesType()


@register_model(ByteLanesType)
class _ByteLanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


def _all(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * WIDTH)


def _spread(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
    first = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), first)


def _bits_below(builder: Any, value: Any, levels: Any) -> Any:
    return builder.bitcast(builder.icmp_unsigned("<", value, levels), _MASK)


def _call(builder: Any, name: str, result: Any, arguments: Any) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, arguments)


@intrinsic
def filled(typing_context, value):
    """The same byte in every lane."""

    def generate(context, builder, signature, arguments):
        return _spread(builder, arguments[0])

    return BYTE_LANES(types.uint8), generate


@intrinsic
def load(typing_context, array, offset):
    """Lanes from 32 neighbours of a C-contiguous uint8 array, `offset` elements on."""

    def generate(context, builder, signature, arguments):
        return builder.load(
            vector_address(context, builder, signature.args[0], *arguments, _VECTOR), align=1
        )

    return BYTE_LANES(array, types.intp), generate


@intrinsic
def store(typing_context, array, offset, a):
    """Write lanes to 32 neighbours of a C-contiguous uint8 array."""

    def generate(context, builder, signature, arguments):
        array, offset, value = arguments
        place = vector_address(context, builder, signature.args[0], array, offset, _VECTOR)
        builder.store(value, place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, BYTE_LANES), generate


@intrinsic
def low_codes(typing_context, a):
    """The low four bits of every lane."""

    def generate(context, builder, signature, arguments):
        return builder.and_(arguments[0], _all(15))

    return BYTE_LANES(BYTE_LANES), generate


@intrinsic
def high_codes(typing_context, a):
    """The high four bits of every lane."""

    def generate(context, builder, signature, arguments):
        return builder.lshr(arguments[0], _all(4))

    return BYTE_LANES(BYTE_LANES), generate


@intrinsic
def look_up(typing_context, table, codes):
    """The table's entry for every lane's code; the table holds its 16 entries twice."""

    def generate(context, builder, signature, arguments):
        return _call(builder, "llvm.x86.avx2.pshuf.b", _VECTOR, arguments)

    return BYTE_LANES(BYTE_LANES, BYTE_LANES), generate


@intrinsic
def plus_capped(typing_context, a, b):
    """a + b, or 255 where that is more."""

    def generate(context, builder, signature, arguments):
        return _call(builder, f"llvm.uadd.sat.v{WIDTH}i8", _VECTOR, arguments)

    return BYTE_LANES(BYTE_LANES, BYTE_LANES), generate


@intrinsic
def lowered(typing_context, a, amount):
    """a - amount, or 0 where that is negative."""

    def generate(context, builder, signature, arguments):
        a, amount = arguments
        return _call(builder, f"llvm.usub.sat.v{WIDTH}i8", _VECTOR, [a, _spread(builder, amount)])

    return BYTE_LANES(BYTE_LANES, types.uint8), generate


@intrinsic
def both_at_cap(typing_context, a, b):
    """Whether every lane of both is 255."""

    def generate(context, builder, signature, arguments):
        below = _bits_below(builder, builder.and_(*arguments), _all(CAP))
        return builder.icmp_unsigned("==", below, ir.Constant(_MASK, 0))

    return types.boolean(BYTE_LANES, BYTE_LANES), generate


@intrinsic
def bits_below(typing_context, a, b, level):
    """64 bits, one for every lane of a, then of b, that is less than the level."""

    def generate(context, builder, signature, arguments):
        *values, level = arguments
        levels = _spread(builder, level)
        low, high = (
            builder.zext(_bits_below(builder, value, levels), ir.IntType(64)) for value in values
        )
        return builder.or_(low, builder.shl(high, ir.Constant(ir.IntType(64), WIDTH)))

    return types.int64(BYTE_LANES, BYTE_LANES, types.uint8), generate


@intrinsic
def first_bit(typing_context, bits):
    """The number of the lowest bit that is set."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@intrinsic
def store_steps(typing_context, array, offset, lanes, scale):
    """Write `lanes * scale`, rounded down and at most 255, twice: the table that `look_up` reads.

    `lanes` are 16 float32 numbers, none negative.
    """

    def generate(context, builder, signature, arguments):
        array, offset, lanes, scale = arguments
        floats = lanes.type
        scaled = builder.fmul(lanes, spread_value(builder, scale))
        most = ir.Constant(floats, [float(CAP)] * (WIDTH // 2))
        capped = builder.select(builder.fcmp_ordered("<", scaled, most), scaled, most)
        steps = builder.trunc(builder.fptosi(capped, _ROUNDED), _STEPS)
        twice = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), list(range(WIDTH // 2)) * 2)
        table = builder.shuffle_vector(steps, ir.Constant(_STEPS, ir.Undefined), twice)
        place = vector_address(context, builder, signature.args[0], array, offset, _VECTOR)
        builder.store(table, place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, LANES, types.float32), generate
