"""Inner products of a query with 16 vectors at once, all of int16, for numba kernels.

`vpmaddwd` multiplies 32 pairs of numbers and adds each two neighbouring products, so 16 sums take
in two dimensions at a time. Reading the centres of lists from the cache takes longer than
multiplying them, and int16 is half of float32. Where the processor has VNNI, LLVM makes one
instruction of the products and the addition.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

from .byte_lanes import KIND
from .lanes import LANES, WIDTH, call_by_halves, call_intrinsic, spread_value, vector_address

MOST = 32767
"""How long (L2) a vector is made: its values fit int16, and products of two, summed up, int32."""

_SHORTS = ir.VectorType(ir.IntType(16), 2 * WIDTH)
_WHOLE = ir.VectorType(ir.IntType(32), WIDTH)
_FLOATS = ir.VectorType(ir.FloatType(), WIDTH)


class ProductsType(types.Type):
    """The numba type of 16 sums of products, int32."""

    def __init__(self) -> None:
        super().__init__(name="Products")


PRODUCTS = ProductsType()


@register_model(ProductsType)
class _ProductsModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _WHOLE)


def _products(builder: Any, a: Any, b: Any) -> Any:
    if KIND in ("avx512", "avx512-vbmi"):
        return call_intrinsic(builder, "llvm.x86.avx512.pmaddw.d.512", _WHOLE, [a, b])
    return call_by_halves(builder, "llvm.x86.avx2.pmadd.wd", _WHOLE, [a, b])


@intrinsic
def no_products(typing_context):
    """Sums of nothing."""

    def generate(context, builder, signature, arguments):
        return ir.Constant(_WHOLE, [0] * WIDTH)

    return PRODUCTS(), generate


@intrinsic
def plus_products(typing_context, sums, vectors, offset, pair):
    """Add two dimensions' products of 16 vectors with one to the sums.

    Those of the vectors are 32 neighbours of a C-contiguous int16 array, `offset` elements on, and
    those of the one are the two halves of `pair`, an int32.
    """

    def generate(context, builder, signature, arguments):
        sums, vectors, offset, pair = arguments
        place = vector_address(context, builder, signature.args[1], vectors, offset, _SHORTS)
        every = builder.bitcast(spread_value(builder, pair), _SHORTS)
        return builder.add(sums, _products(builder, builder.load(place, align=2), every))

    return PRODUCTS(PRODUCTS, vectors, types.intp, types.int32), generate


@intrinsic
def as_lanes(typing_context, sums):
    """The sums as float32."""

    def generate(context, builder, signature, arguments):
        return builder.sitofp(arguments[0], _FLOATS)

    return LANES(PRODUCTS), generate
