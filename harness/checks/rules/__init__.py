"""The contract checks. The order of the imports is that of the checks: do not sort them.

`builds` comes first: if it fails, all others are skipped.
"""

# isort: off
from harness.checks.rules import answers
from harness.checks.rules import inputs
from harness.checks.rules import resources

__all__ = ["answers", "inputs", "resources"]
