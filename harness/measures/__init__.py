"""Distances, recall, latency and statistics: pure functions over arrays."""
