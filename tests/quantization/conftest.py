"""Threads that wait must not burn the cores of other tests: set before FAISS and numba load."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
