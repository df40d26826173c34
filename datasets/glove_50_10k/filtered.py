"""Filters of words: frequency rank, first letter, random subsets."""

from harness.contracts import FilteredQueries
from harness.contracts.dataset import FilterSource
from harness.data.making_filters import word_filters


def filters(source: FilterSource) -> FilteredQueries:
    """Return a filter for each of the 1,000 queries."""
    return word_filters(source, 1000)
