"""What a service tells of itself: metrics, and where the traces of requests go."""
