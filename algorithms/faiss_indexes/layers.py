"""Walking through the indexes that an index is made of, and their size."""

from collections.abc import Iterator

import faiss

_BLOCK_BYTES = 1 << 20


def layers(index: faiss.Index) -> Iterator[faiss.Index]:
    """Yield the index and every index inside it, as the classes they are."""
    index = faiss.downcast_index(index)
    yield index
    for inside in ("base_index", "index", "quantizer"):
        part = getattr(index, inside, None)
        if isinstance(part, faiss.Index):
            yield from layers(part)


def saved_bytes(index: faiss.Index) -> int:
    """Return the bytes that FAISS would write; they are counted and let go."""
    sizes: list[int] = []
    writer = faiss.PyCallbackIOWriter(lambda block: sizes.append(len(block)), _BLOCK_BYTES)
    buffered = faiss.BufferedIOWriter(writer, _BLOCK_BYTES)
    faiss.write_index(index, buffered)
    del buffered  # flushes
    return sum(sizes)
