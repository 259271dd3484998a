"""What the gateway costs beside the engine's own endpoint."""
