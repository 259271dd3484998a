"""What every call that changes the configuration asks first."""

from starlette.requests import Request as HttpRequest

from experts.errors import ConfigError, ReloadRefused, RequestError
from orchestrator.server.auth import require_admin
from orchestrator.server.context import Context, context_of
from orchestrator.server.reload.reloads import Reloads


def administered(http: HttpRequest) -> Context:
    """What the service runs with, for an administrator. Raises AdminOnly."""
    context = context_of(http)
    require_admin(context.keys, http.scope)
    return context


def reloads_of(http: HttpRequest) -> Reloads:
    """Who changes the configuration. Raises ReloadRefused where nobody does."""
    reloads: Reloads | None = http.app.state.reloads
    if reloads is None:
        raise ReloadRefused("This service does not reload.")
    return reloads


def alone(context: Context, would: str) -> None:
    """Raise ReloadRefused where other workers of the service know nothing of the change."""
    if why := context.reaches_one(would):
        raise why


def in_words(error: ConfigError) -> RequestError:
    """Every mistake in one message."""
    return RequestError(" ".join((error.message, *error.problems)), hint=error.hint)
