"""Runs suites: plan, blocks, worker processes, executors."""
