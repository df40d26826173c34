"""Our encoder against the scann package itself: the same codes from the same codebooks."""

import struct
from pathlib import Path

import numpy as np
import pytest
from harness.algorithms.quantization.encoding import encode
from harness.algorithms.quantization.loss import eta_limit

pytestmark = pytest.mark.adapters


def fields(message):
    """Yield (number, content) of a protocol buffer message; integers and nested bytes alone."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 == 0:
            value, at = varint(message, at)
        else:
            assert key & 7 == 2
            length, at = varint(message, at)
            value, at = message[at : at + length], at + length
        yield key >> 3, value


def varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def codebooks_of(path):
    """Scann's file: subspaces of centres of packed floats (field 4)."""
    return np.array(
        [
            [
                np.array(struct.unpack(f"<{len(floats) // 4}f", floats))
                for _, centre in fields(subspace)
                if isinstance(centre, bytes)
                for number, floats in fields(centre)
                if number == 4
            ]
            for _, subspace in fields(path.read_bytes())
            if isinstance(subspace, bytes)
        ]
    )


@pytest.mark.parametrize(("width", "threshold"), [(2, 0.2), (4, 0.2), (4, 0.35)])
def test_codes_are_scanns(tmp_path, width, threshold):
    scann = pytest.importorskip("scann")
    rows = np.random.default_rng(0).standard_normal((5000, 100)) * (0.98 ** np.arange(100))
    base = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    builder = scann.scann_ops_pybind.builder(base, 10, "dot_product")
    builder = builder.score_ah(width, anisotropic_quantization_threshold=threshold)
    builder.build().serialize(str(tmp_path))
    theirs = np.load(tmp_path / "hashed_dataset.npy", allow_pickle=False)
    codebooks = codebooks_of(Path(tmp_path) / "ah_codebook.pb")
    assert codebooks.shape == (100 // width, 16, width)
    base.flags.writeable = False
    gains = np.array([eta_limit(threshold, 100) - 1], np.float32)
    ruled = encode(base, gains, codebooks, scann_compatible=True).codes
    free = encode(base, gains, codebooks).codes
    assert theirs.shape == ruled.shape
    # a handful in a million may differ where two costs are equal to float32's last digit
    assert (theirs == ruled).mean() > 0.9999
    assert (theirs == free).mean() < (theirs == ruled).mean()
