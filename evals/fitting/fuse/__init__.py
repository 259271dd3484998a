"""Commands that fuse experts into one model."""
