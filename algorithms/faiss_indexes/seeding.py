"""Giving the seed to all parts of an index that draw at random.

FAISS fixes the seeds of two: the start of OPQ's rotation, and NN-descent below an NSG.
"""

from typing import Any

import faiss

from .layers import layers


def seed_all(index: faiss.Index, seed: int) -> None:
    """Set every seed that FAISS lets callers set, before training."""
    for layer in layers(index):
        for clustering in _clusterings(layer):
            clustering.seed = seed
        if hasattr(layer, "lsq"):
            layer.lsq.random_seed = seed
        for graph in ("hnsw", "nsg"):
            if hasattr(layer, graph):
                getattr(layer, graph).rng = faiss.RandomGenerator(seed)
        if isinstance(layer, faiss.IndexPreTransform):
            _seed_rotations(layer, seed)


def _clusterings(layer: faiss.Index) -> list[Any]:
    owners = (layer, *(getattr(layer, name, None) for name in ("pq", "rq")))
    return [owner.cp for owner in owners if hasattr(owner, "cp")]


def _seed_rotations(layer: faiss.IndexPreTransform, seed: int) -> None:
    for place in range(layer.chain.size()):
        transform = faiss.downcast_VectorTransform(layer.chain.at(place))
        if isinstance(transform, faiss.RandomRotationMatrix):
            transform.init(seed)
