"""The contract checks. The order of the imports is that of the checks: do not sort them.

`builds` comes first: if it fails, all others are skipped. Those of one index come before those of
several in a process, which an adapter with shared state spoils for what follows.
"""

# isort: off
from harness.checks.rules import answers
from harness.checks.rules import inputs
from harness.checks.rules import repeats
from harness.checks.rules import resources
from harness.checks.rules import filters

__all__ = ["answers", "filters", "inputs", "repeats", "resources"]
