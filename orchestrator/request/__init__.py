"""The path of one request, from its model name to the last byte of its answer."""
