"""Which request class a request has: how long it may be made to wait."""

from starlette.types import Scope

from experts.errors import RequestError
from orchestrator.config.model import BATCH_CLASS, DEFAULT_CLASS, Config
from orchestrator.server.auth import caller_of

BATCH_PATH = "/batch"
"""The same endpoints for clients that cannot add a field to the body: /batch/v1/..."""


def class_of(config: Config, scope: Scope, asked: str | None, model: str) -> str:
    """What the body asks for, else the path's, the key's, the composition's class, or ours.

    Raises RequestError for a class that is not configured.
    """
    if asked is not None:
        check_class(config, asked)
        return asked
    if scope["path"].startswith(f"{BATCH_PATH}/"):
        return BATCH_CLASS
    caller = caller_of(scope)
    # Its class may have left the configuration in this very moment.
    if caller is not None and caller.request_class in config.classes:
        return caller.request_class
    composition = config.compositions.get(model)
    return (composition and composition.request_class) or DEFAULT_CLASS


def check_class(config: Config, asked: str) -> None:
    """Raise RequestError for a class that is not configured."""
    if asked not in config.classes:
        raise RequestError(
            f"There is no request class `{asked}`.",
            hint=f"Known classes: {', '.join(config.classes)}.",
            param="coterie.class",
        )
