"""Sixteen float32 numbers at once, for numba kernels: the shape of a table of 4-bit codes.

numba leaves vectorising to LLVM, which does not do it for loops as short as 16 codewords. `Lanes`
is LLVM's own vector type, which it maps to whatever registers the processor has. The operations
are for use inside kernels only; a `Lanes` value never leaves one.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

WIDTH = 16

_VECTOR = ir.VectorType(ir.FloatType(), WIDTH)
_INDEX = ir.IntType(32)
_FUSE = ("contract",)  # a * b + c may be one instruction


class LanesType(types.Type):
    """The numba type of a value of 16 float32 lanes."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


def vector_address(
    context: Any, builder: Any, array_type: Any, array: Any, offset: Any, vector: Any = _VECTOR
) -> Any:
    """Return the LLVM address of an array's element, as that of a vector, for other lanes' code."""
    start = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(start, [offset]), vector.as_pointer())


def chosen_lanes(builder: Any, value: Any, chosen: list[int]) -> Any:
    """Return the LLVM vector of these lanes of a vector, for other lanes' code."""
    mask = ir.Constant(ir.VectorType(_INDEX, len(chosen)), chosen)
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)


def call_intrinsic(
    builder: Any, name: str, result: Any, arguments: Any, fastmath: tuple[str, ...] = ()
) -> Any:
    """Return the LLVM value of a call of one of LLVM's intrinsics, for other lanes' code."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, arguments, fastmath=fastmath)


def _half(builder: Any, value: Any, first: bool) -> Any:
    lanes = list(range(value.type.count))
    middle = len(lanes) // 2
    return chosen_lanes(builder, value, lanes[:middle] if first else lanes[middle:])


def call_by_halves(builder: Any, name: str, result: Any, values: Any) -> Any:
    """Return what an intrinsic for half as many lanes gives, for other lanes' code.

    It is called with the first halves of the values, and with their second halves.
    """
    half, halves = ir.VectorType(result.element, result.count // 2), []
    for first in (True, False):
        parts = [_half(builder, value, first) for value in values]
        halves.append(call_intrinsic(builder, name, half, parts))
    every = ir.Constant(ir.VectorType(_INDEX, result.count), list(range(result.count)))
    return builder.shuffle_vector(*halves, every)


@intrinsic
def load(typing_context, array, offset):
    """Lanes from 16 neighbours of a C-contiguous float32 array, `offset` elements on."""

    def generate(context, builder, signature, arguments):
        place = vector_address(context, builder, signature.args[0], *arguments)
        return builder.load(place, align=4)

    return LANES(array, types.intp), generate


@intrinsic
def store(typing_context, array, offset, lanes):
    """Write lanes to 16 neighbours of a C-contiguous float32 array."""

    def generate(context, builder, signature, arguments):
        place = vector_address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, LANES), generate


def spread_value(builder: Any, value: Any, width: int = WIDTH) -> Any:
    """Return the LLVM vector of so many times the value, for other lanes' code."""
    none = ir.Constant(ir.VectorType(value.type, width), ir.Undefined)
    return chosen_lanes(builder, builder.insert_element(none, value, _INDEX(0)), [0] * width)


@intrinsic
def spread(typing_context, value):
    """The same number in every lane."""

    def generate(context, builder, signature, arguments):
        return spread_value(builder, arguments[0])

    return LANES(types.float32), generate


@intrinsic
def minus(typing_context, a, b):
    """a - b."""

    def generate(context, builder, signature, arguments):
        return builder.fsub(*arguments)

    return LANES(LANES, LANES), generate


@intrinsic
def negated(typing_context, a):
    """-a."""

    def generate(context, builder, signature, arguments):
        return builder.fneg(*arguments)

    return LANES(LANES), generate


@intrinsic
def plus(typing_context, a, b):
    """a + b."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments)

    return LANES(LANES, LANES), generate


@intrinsic
def times(typing_context, a, b):
    """a * b."""

    def generate(context, builder, signature, arguments):
        return builder.fmul(*arguments)

    return LANES(LANES, LANES), generate


@intrinsic
def times_plus(typing_context, a, b, c):
    """a * b + c."""

    def generate(context, builder, signature, arguments):
        a, b, c = arguments
        return builder.fadd(builder.fmul(a, b, flags=_FUSE), c, flags=_FUSE)

    return LANES(LANES, LANES, LANES), generate


@intrinsic
def smaller(typing_context, a, b):
    """The smaller one, lane by lane."""

    def generate(context, builder, signature, arguments):
        a, b = arguments
        return builder.select(builder.fcmp_ordered("<", a, b), a, b)

    return LANES(LANES, LANES), generate


@intrinsic
def where_within(typing_context, a, limit, value, otherwise):
    """`value` in the lanes where a^2 <= limit, else `otherwise`; the last three are the same for
    all lanes but `value`."""

    def generate(context, builder, signature, arguments):
        a, limit, value, otherwise = arguments
        within = builder.fcmp_ordered("<=", builder.fmul(a, a), spread_value(builder, limit))
        return builder.select(within, value, spread_value(builder, otherwise))

    return LANES(LANES, types.float32, LANES, types.float32), generate


@intrinsic
def least(typing_context, a):
    """The smallest lane."""

    def generate(context, builder, signature, arguments):
        name = f"llvm.vector.reduce.fmin.v{WIDTH}f32"
        return call_intrinsic(builder, name, ir.FloatType(), arguments, ("nnan", "nsz"))

    return types.float32(LANES), generate


@intrinsic
def lane(typing_context, a, number):
    """One lane."""

    def generate(context, builder, signature, arguments):
        return builder.extract_element(*arguments)

    return types.float32(LANES, types.intp), generate


@intrinsic
def first_equal(typing_context, a, value):
    """The number of the first lane that equals the value; 16 if none does."""

    def generate(context, builder, signature, arguments):
        a, value = arguments
        equal = builder.fcmp_ordered("==", a, spread_value(builder, value))
        mask = builder.zext(builder.bitcast(equal, ir.IntType(WIDTH)), ir.IntType(64))
        mask = builder.or_(mask, ir.Constant(ir.IntType(64), 1 << WIDTH))
        return builder.cttz(mask, ir.Constant(ir.IntType(1), 1))

    return types.intp(LANES, types.float32), generate


@intrinsic
def bits_up_to(typing_context, a, limit):
    """Bits of the lanes that are at most `limit`."""

    def generate(context, builder, signature, arguments):
        a, limit = arguments
        within = builder.fcmp_ordered("<=", a, spread_value(builder, limit))
        return builder.zext(builder.bitcast(within, ir.IntType(WIDTH)), ir.IntType(64))

    return types.int64(LANES, types.float32), generate


@intrinsic
def count_bits(typing_context, bits):
    """How many bits are set."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.int64), generate


@intrinsic
def widened(typing_context, value):
    """A number of a copy of the vectors as float32: float32, uint8, or float16 as its bits."""

    def generate(context, builder, signature, arguments):
        [value] = arguments
        if signature.args[0] == types.uint16:
            return builder.fpext(builder.bitcast(value, ir.HalfType()), ir.FloatType())
        return context.cast(builder, value, signature.args[0], types.float32)

    return types.float32(value), generate


def ask_for(builder: Any, place: Any) -> None:
    """Write the code of `prefetch`, for other lanes' code."""
    how = [_INDEX(0), _INDEX(3), _INDEX(1)]  # for reading, to all levels, of data
    call_intrinsic(builder, "llvm.prefetch.p0", ir.VoidType(), [place, *how])


@intrinsic
def prefetch(typing_context, array, offset):
    """Ask for the cache line of an element of a C-contiguous array, `offset` elements on."""

    def generate(context, builder, signature, arguments):
        place = vector_address(context, builder, signature.args[0], *arguments, ir.IntType(8))
        ask_for(builder, place)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate
