"""Factory strings from named parameters.

`width` is dimensions per code. Where it does not divide d, rows are padded by zeros up to a
multiple; OPQ leaves the last directions out instead.
"""

import math

from harness.contracts import Metric

_LANES = 8
_ADDITIVE_NORMS = {"RQ": "rq2x4", "LSQ": "lsq2x4"}


def lists(n: int, nlist: int | None) -> int:
    """Return nlist, or where it is None the power of two from 2 sqrt(n) to 4 sqrt(n), at most n."""
    return nlist or min(n, 1 << int(math.log2(4 * math.sqrt(n))))


def refined(codes: str, refine: str) -> str:
    """Append the copy that candidates are re-ranked by: `none`, `flat`, `fp16` or `sq8`."""
    copies = {"none": "", "flat": ",RFlat", "fp16": ",Refine(SQfp16)", "sq8": ",Refine(SQ8)"}
    return codes + copies[refine]


def scalar(d: int, codec: str, before: str = "") -> str:
    """Return rows stored as `Flat`, `SQfp16`, `SQ8`, ...; `before` stands ahead of it.

    FAISS scans scalar codes in registers only where the dimension is a multiple of 8, and else
    up to ten times slower: rows are padded to that.
    """
    padded = -(-d // _LANES) * _LANES
    pad = "" if codec == "Flat" or padded == d else f"Pad{padded},"
    return f"{pad}{before}{codec}"


def ivf(n: int, d: int, nlist: int | None, storage: str) -> str:
    """Return inverted lists of rows stored as in `scalar`."""
    return scalar(d, storage, before=f"IVF{lists(n, nlist)},")


def pq(d: int, codes: str, *, width: int, rotation: str, refine: str, before: str = "") -> str:
    """Return product quantization with codes such as `x4fs`; `before` stands ahead of it."""
    turned, subspaces = _turned(d, width, rotation)
    return refined(f"{turned}{before}PQ{subspaces}{codes}", refine)


def ivf_pq(
    n: int, d: int, codes: str, *, nlist: int | None, width: int, rotation: str, refine: str
) -> str:
    """Return inverted lists of product quantization."""
    before = f"IVF{lists(n, nlist)},"
    return pq(d, codes, width=width, rotation=rotation, refine=refine, before=before)


def additive(metric: Metric, *, method: str, M: int, nbits: int, refine: str) -> str:
    """Return `RQ` or `LSQ`; 4-bit codes are scanned in registers, other sizes by float tables.

    By L2 the norm of each row is stored, too: in two more 4-bit codes, or in a byte.
    """
    fast = nbits == 4
    norm = ""
    if metric == "euclidean":
        norm = "_N" + (_ADDITIVE_NORMS[method] if fast else "qint8")
    return refined(f"{method}{M}x{nbits}{'fs' if fast else ''}{norm}", refine)


def rabitq(n: int, d: int, *, nbits: int, nlist: int, refine: str) -> str:
    """Return RaBitQ, over all rows if nlist is 0."""
    before = "" if nlist == 0 else f"IVF{lists(n, nlist)},"
    return refined(f"RR{d},{before}RaBitQfs{nbits if nbits > 1 else ''}", refine)


def _turned(d: int, width: int, rotation: str) -> tuple[str, int]:
    if rotation == "opq":
        subspaces = max(1, d // width)
        return f"OPQ{subspaces}_{min(d, subspaces * width)},", subspaces
    subspaces = math.ceil(d / width)
    padded = subspaces * width
    turned = {"none": "", "random": f"RR{padded},"}[rotation]
    return ("" if padded == d else f"Pad{padded},") + turned, subspaces
