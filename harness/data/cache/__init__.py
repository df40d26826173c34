"""The cache of datasets: its folder, the cached form, and how it is written."""
