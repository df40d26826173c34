"""The contract checks of plug-ins."""
