"""Files as people write them: lines of JSON, and YAML."""
