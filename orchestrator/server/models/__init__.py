"""The objects of `/v1/models`, and the endpoints that show them."""
