"""Which expert is in which slot, who waits for it, and what moving it costs."""
