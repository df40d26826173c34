"""The shape of registry and suite files."""
