"""Files on disk: atomic replacement, temporary files, locks, free space, progress."""
