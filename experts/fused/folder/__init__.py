"""A fused expert on disk: what its config.json says, how it is written, and its members."""
