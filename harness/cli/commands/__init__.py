"""The commands of `annharness`, a module each."""
