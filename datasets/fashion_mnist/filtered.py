"""Filters of images: what they show, and random subsets."""

import numpy as np

from harness.contracts import Category, Contains, Equals, Filter, FilteredQueries, In
from harness.contracts.dataset import FilterSource
from harness.data.formats.binary import read_idx
from harness.data.making_filters import SELECTIVITIES, FilterDraft, random_subsets, subset_name

_NAMES = ("t-shirt", "trouser", "pullover", "dress", "coat",
          "sandal", "shirt", "sneaker", "bag", "ankle boot")  # fmt: skip
_FOLDER = "usr/share/datasets/fashion-mnist/"
_BASE = (
    "train-labels-idx1-ubyte.gz",
    ("0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"),
)
_QUERIES = (
    "t10k-labels-idx1-ubyte.gz",
    ("8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"),
)
_COUNT = 2000


def filters(source: FilterSource) -> FilteredQueries:
    """Return a filter for each of the first 2,000 queries.

    They take turns to ask for what they show themselves (correlated), for something else, for one
    of three things, and in random subsets.
    """
    base, queries = (
        read_idx(source.file(_FOLDER + name, sha256)).rows[:, 0]
        for name, sha256 in (_BASE, _QUERIES)
    )
    draft = FilterDraft(
        {
            "label": Category(np.asarray(base, dtype=np.uint8), _NAMES),
            "subsets": random_subsets(len(base)),
        }
    )
    for row, label in enumerate(queries[:_COUNT].tolist()):
        some = tuple(_NAMES[(label + step) % len(_NAMES)] for step in (0, 3, 6))
        every: list[Filter] = [
            *(Contains("subsets", subset_name(one)) for one in SELECTIVITIES),
            Equals("label", _NAMES[label]),
            Equals("label", _NAMES[(label + 5) % len(_NAMES)]),
            In("label", some),
        ]
        draft.add(row, every[row % len(every)])
    return draft.finished()
