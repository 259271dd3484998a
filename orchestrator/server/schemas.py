"""Validates request bodies: the fields that the gateway reads, and those it passes on."""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from experts.errors import RequestError
from experts.files.json_object import path_of
from experts.mistakes import explain, locate
from experts.types import EMBEDDINGS, Operation, Request
from experts.upstream.quoting import quoted
from orchestrator.server.bodies.extension import NO_EXTENSION, AskedBudget, Extension
from orchestrator.server.bodies.numbers import with_whole_numbers
from orchestrator.server.bodies.objects import parse_object, said
from orchestrator.server.bodies.operations import BODIES
from orchestrator.server.bodies.readers import read_fields
from orchestrator.server.bodies.together import check_together
from orchestrator.server.fields import FIELDS

__all__ = ["Extension", "parse", "parse_body", "parse_inner", "parse_object", "validated"]

Body = TypeVar("Body", bound=BaseModel)
_YAML = re.compile(r", but YAML reads it as .*$")
_OWN_CLASS = re.compile(r", or module:Class for a class of your own")
_INSTANCE = re.compile(r"(must be an object) or instance of .*$")


def parse(
    raw: bytes, operation: Operation, request_id: str, expert: str | None = None
) -> tuple[Request, str, Extension]:
    """The request, the model it asks for, and our extension. Raises RequestError.

    On an expert's own path (`expert`) the model may be missing and is not looked at.
    """
    return parse_body(parse_object(raw), operation, request_id, expert)


def parse_inner(
    body: Mapping[str, Any], operation: Operation, request_id: str
) -> tuple[Request, str, Extension]:
    """`parse` for the body in a line of a batch: held to what every request is held to."""
    try:
        raw = json.dumps(body).encode()
    except RecursionError as error:
        raise RequestError("`body` is nested too deeply.", param="body") from error
    return parse(raw, operation, request_id)


def parse_body(
    body: dict[str, Any], operation: Operation, request_id: str, expert: str | None = None
) -> tuple[Request, str, Extension]:
    """`parse` for a body that is an object already; takes our field out of it."""
    model = expert or body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError("`model` must be a non-empty string.", param="model")
    extension = _extension(body.pop("coterie", None))
    if not body.keys() <= FIELDS[operation]:
        raise _unknown(next(field for field in body if field not in FIELDS[operation]))
    body = said(body)
    if expert is not None:
        body.pop("model", None)
    kind = BODIES[operation]
    try:
        body = with_whole_numbers(body, read_fields(kind, body))
    except ValidationError as error:
        raise _mistake(kind, error) from error
    if operation != EMBEDDINGS:
        check_together(body, operation)
    if extension.role is not None:
        _set_role(body, operation, extension.role)
    request = Request(request_id, operation, body, source=extension.source, tests=extension.tests)
    return request, model, extension


def validated(kind: type[Body], value: Any, *place: str) -> Body:
    """A body, or the part of one at `place`. Raises RequestError with the path of a mistake."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise _mistake(kind, error, *place) from error


def _mistake(kind: type[BaseModel], error: ValidationError, *place: str) -> RequestError:
    """The first one, with its path."""
    inner = locate(kind, error.errors(include_url=False)[0]["loc"]).path
    what = explain(kind, error)[0].removeprefix(".".join(inner))
    # A mapping is what YAML calls it, and YAML is what it talks about.
    what = what.replace("a mapping", "an object")
    what = _OWN_CLASS.sub("", _INSTANCE.sub(r"\1.", _YAML.sub(".", what)))
    if what.startswith(".type: "):  # Of one that does not exist, the key is the place.
        inner, what = (*inner, "type"), what.removeprefix(".type")
    path = path_of([*place, *inner])
    # A mistake of the whole has no path.
    return RequestError(f"{path}{what}".removeprefix(": "), param=path or None)


def _unknown(field: str) -> RequestError:
    hint = ""
    if field.startswith("guided_"):
        hint = "Constrain an answer with `response_format` or `structured_outputs`."
    message = f"Unrecognized request argument supplied: {quoted(field)}."
    return RequestError(message, hint=hint, param=field)


def _set_role(body: dict[str, Any], operation: Operation, role: str) -> None:
    """Roles reach the engine through the chat template."""
    if operation != "chat/completions":
        raise RequestError("A role can be chosen in chat completions only.", param="coterie.role")
    body["chat_template_kwargs"] = {**body.get("chat_template_kwargs", {}), "role": role}


def _extension(value: Any) -> Extension:
    if value is None:
        return NO_EXTENSION
    if isinstance(value, dict):
        value = _less_nulls(Extension, value)
        if isinstance(value.get("budget"), dict):
            value["budget"] = _less_nulls(AskedBudget, value["budget"])
    return validated(Extension, value, "coterie")


def _less_nulls(kind: type[BaseModel], value: dict[str, Any]) -> dict[str, Any]:
    """The keys that say something; one that nobody knows stays, and is refused."""
    known = {field.alias or name for name, field in kind.model_fields.items()}
    return {key: one for key, one in value.items() if one is not None or key not in known}
