"""How kernels are compiled.

To numba, a constant as an argument is a type of its own, and so is a variable that begins as one:
the function is compiled for each. Where that takes long, `np.int64` makes a plain number of it.
"""

from __future__ import annotations

from typing import Any

from numba import njit

LEAF: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
"""Options without counts of the references to arrays.

Numba counts them around every call of a function with loops or branches: an atomic addition for
each array, and vectors are moved out of their registers for it. In the innermost loops of a search
that took nearly as long as the search itself. A function that allocates cannot be compiled so.
"""

ANY_ORDER = {"reassoc", "contract", "nsz"}
"""The `fastmath` of sums that may be added up in any order: in vectors, that is.

Infinity and NaN keep their meaning.
"""

leaf = njit(**LEAF)

inlined = njit(**LEAF, forceinline=True)
"""Made part of the function that calls it, so that vectors stay in registers."""
