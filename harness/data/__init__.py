"""Formats, sources, cache and ground truth of datasets."""
