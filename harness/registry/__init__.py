"""YAML to checked definitions, and the finding and loading of plug-ins."""
