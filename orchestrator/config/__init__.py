"""The configuration: one YAML file, checked, as one frozen tree."""
