"""What a request may claim of the service: its class, which bounds its wait, and its time."""

import math

from starlette.types import Scope

from experts.errors import RequestError, TooManyRequests
from experts.upstream.quoting import quoted
from orchestrator.config.model import BATCH_CLASS, DEFAULT_CLASS, Config
from orchestrator.request.context import RequestOptions
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
            f"There is no request class `{quoted(asked)}`.",
            hint=f"Known classes: {', '.join(config.classes)}.",
            param="coterie.class",
        )


def refuse_overload(config: Config, request_class: str, in_flight: int) -> None:
    """Raise TooManyRequests where a request without an age bound leaves the others no room.

    `in_flight` counts it, too.
    """
    server = config.server
    if in_flight <= max(1.0, server.batch_share * server.max_in_flight):
        return
    if config.classes[request_class].max_wait_s is None:
        raise TooManyRequests(
            f"Too many requests are under way for one of class {request_class}"
            " (server.batch_share of server.max_in_flight)."
        )


def timeout_of(config: Config, options: RequestOptions) -> float:
    """Seconds within which an answer must be complete: what both sides allow."""
    ours, theirs = config.server.request_timeout_s, options.timeout_s
    if theirs is None:
        return math.inf if ours is None else ours
    return theirs if ours is None else min(ours, theirs)
