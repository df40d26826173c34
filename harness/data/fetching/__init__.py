"""Sources of datasets: downloads, archives, packages, and their hashes."""
