"""The service that a command of the evaluation starts for itself."""

from orchestrator.config.model import Config


def without_keys(settings: Config) -> Config:
    """A service for our own questions, on a port of its own: it asks for no API key."""
    return settings.model_copy(
        update={"server": settings.server.model_copy(update={"api_keys": {}})}
    )
