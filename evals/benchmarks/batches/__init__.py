"""A batch through a real gateway, beside the bare engines, and beside live requests."""
