"""A client of HTTP/1.1 for what every request of the gateway does: one POST, and its answer."""
