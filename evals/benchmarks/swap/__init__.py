"""More experts than memory, on the real engine: what queueing by expert saves."""
