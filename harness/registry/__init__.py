"""YAML to checked definitions, and the finding and loading of plug-ins."""

from harness.registry.plugins import user_plugin_folder
from harness.registry.registry import Registry, load_registry

__all__ = ["Registry", "load_registry", "user_plugin_folder"]
