"""The contract checks. The order of the imports is that of the checks: do not sort them.

`builds` comes first: if it fails, all others are skipped.
"""

# isort: off
from harness.checks.promises import answers
from harness.checks.promises import inputs
from harness.checks.promises import repeats
from harness.checks.promises import resources
from harness.checks.promises import parameters

__all__ = ["answers", "inputs", "parameters", "repeats", "resources"]
