"""The keys of what the service tells about itself: traces, recent requests, metrics."""
