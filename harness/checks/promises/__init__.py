"""One promise of the contract in each file; `harness.checks.catalog` holds their order."""
