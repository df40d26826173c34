"""The procedure of the notebook that this project began with, kept on purpose, faults and all.

Its score-aware loss takes the direction from the subvector, not from the whole vector, and its
encoding is the nearest codeword, not the least loss: both throw away what the loss should gain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Metric

from .adapter import AnisotropicPQ, training_table
from .encoding import Float32, Float64
from .training import Sample, Trained, random_codebooks, train
from .weights import Formula


class NotebookAnisotropicPQ(AnisotropicPQ):
    """Each subspace trained by itself with the score-aware loss of its subvectors.

    Parameters
    ----------
    **build
        As for `AnisotropicPQ`; the defaults are the notebook's: the limit formula for the whole
        dimension, a random start, at most 100 iterations, every base row trained on.
    codebook_tolerance
        A subspace stops when no codeword moves by more than this (absolute, and relative at 1e-5).
    """

    def __init__(
        self,
        metric: Metric,
        *,
        eta_formula: Formula = "limit",
        iterations: int = 100,
        codebook_tolerance: float = 1e-5,
        training_points: int | None = None,
        **build: Any,
    ) -> None:
        super().__init__(
            metric,
            eta_formula=eta_formula,
            iterations=iterations,
            codebook_tolerance=codebook_tolerance,
            training_points=training_points,
            **build,
        )

    def _training_rows(self, base: Float32) -> int:
        return int(self.build["training_points"] or len(base))

    def _train(self, sample: Sample) -> Trained:
        rng = np.random.default_rng([self.build["seed"], 1])
        subspaces, codewords = self._subspaces, 1 << self.build["nbits"]
        start = random_codebooks(sample.points, subspaces, codewords, rng)
        self._parts = [self._train_subspace(sample, m, start[m]) for m in range(subspaces)]
        codebooks = np.concatenate([part.codebooks for part in self._parts])
        return Trained(codebooks, self._mean_losses())

    def _train_subspace(self, sample: Sample, m: int, codebook: Float64) -> Trained:
        width = codebook.shape[1]
        vectors = np.ascontiguousarray(sample.points[:, m * width : (m + 1) * width])
        return train(
            Sample.of(vectors, sample.gains, sample.weights),
            codebook[None],
            iterations=self.build["iterations"],
            tolerance=-np.inf,
            codebook_tolerance=self.build["codebook_tolerance"],
        )

    def _mean_losses(self) -> list[float]:
        """Mean over the subspaces; one that has stopped keeps its last loss."""
        longest = max(len(part.losses) for part in self._parts)
        padded = [
            part.losses + part.losses[-1:] * (longest - len(part.losses)) for part in self._parts
        ]
        return [float(loss) for loss in np.mean(padded, axis=0)]

    def _encoding_eta(self) -> Float64:
        return np.ones(1)  # the nearest codeword

    def diagnostics(self) -> Mapping[str, Mapping[str, NDArray[Any]]]:
        """Return `training`, `training_by_subspace` and `distortion`."""
        tables = [training_table(part.losses) for part in self._parts]
        by_subspace = {
            "subspace": np.repeat(np.arange(len(tables)), [len(t["loss"]) for t in tables]),
            "iteration": np.concatenate([table["iteration"] for table in tables]),
            "loss": np.concatenate([table["loss"] for table in tables]),
        }
        return {**super().diagnostics(), "training_by_subspace": by_subspace}
