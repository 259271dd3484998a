"""Validates request bodies: the fields that the gateway reads, and those it passes on."""

import re
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from experts.errors import RequestError
from experts.mistakes import explain, locate
from experts.types import Operation, Request
from orchestrator.config.budget import BudgetConfig
from orchestrator.request.context import RequestOptions
from orchestrator.server.bodies.objects import parse_object, path_of, said
from orchestrator.server.bodies.operations import BODIES
from orchestrator.server.fields import FIELDS

__all__ = ["Extension", "parse", "parse_body", "parse_object", "validated"]

Body = TypeVar("Body", bound=BaseModel)
MOST_EXPERTS = 64
_YAML = re.compile(r", but YAML reads it as .*$")
_INSTANCE = re.compile(r"(must be an object) or instance of .*$")


class Extension(BaseModel):
    """The body field `coterie`: what a client may ask for beyond OpenAI's protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    explain: bool = False
    """Explain why this expert was chosen; in a stream, in a first chunk without choices."""

    request_class: str | None = Field(None, alias="class")
    """The request class, which says how long the request may be made to wait."""

    role: str | None = None
    """Which member of a fused expert speaks; a name that it does not have is refused."""

    tokens: bool = False
    """Report for every token which member of a fused expert produced it."""

    router: str | None = None
    """A router from the configuration, instead of the composition's."""

    aggregator: str | None = None
    """An aggregator from the configuration, or a type of one, instead of the composition's."""

    experts: int | tuple[str, ...] | None = None
    """How many experts answer together, or which."""

    budget: BudgetConfig | None = None
    """What the answer may cost, instead of the composition's bounds."""

    progress: Literal["comments", "reasoning"] = "comments"
    """Where a stream reports the progress of a composed answer."""

    source: str = ""
    """The text that a debate's quotes are checked against."""

    tests: tuple[str, ...] = ()
    """Python statements that pass for correct code, for a vote that runs them."""

    @field_validator("experts", mode="before")
    @classmethod
    def _some_experts(cls, value: Any) -> Any:
        count = len(value) if isinstance(value, list) else value
        names = not isinstance(value, list) or all(isinstance(name, str) for name in value)
        whole = isinstance(count, int) and not isinstance(count, bool)
        if value is not None and not (names and whole and 1 <= count <= MOST_EXPERTS):
            raise ValueError(f"must be a number from 1 to {MOST_EXPERTS}, or names of experts")
        return value

    @property
    def options(self) -> RequestOptions:
        """What is asked of the composition."""
        return RequestOptions(
            self.explain,
            self.tokens,
            self.progress,
            self.router,
            self.aggregator,
            self.experts,
            self.budget,
            self.role,
        )


def parse(
    raw: bytes, operation: Operation, request_id: str, expert: str | None = None
) -> tuple[Request, str, Extension]:
    """The request, the model it asks for, and our extension. Raises RequestError.

    On an expert's own path (`expert`) the model may be missing and is not looked at.
    """
    return parse_body(parse_object(raw), operation, request_id, expert)


def parse_body(
    body: dict[str, Any], operation: Operation, request_id: str, expert: str | None = None
) -> tuple[Request, str, Extension]:
    """`parse` for a body that is an object already; takes our field out of it."""
    model = expert or body.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError("`model` must be a non-empty string.", param="model")
    extension = _extension(body.pop("coterie", None))
    for field in body:
        if field not in FIELDS[operation]:
            raise _unknown(field)
    body = said(body)
    if expert is not None:
        body.pop("model", None)
    validated(BODIES[operation], body)
    _check_together(body, operation)
    if extension.role is not None:
        _set_role(body, operation, extension.role)
    request = Request(request_id, operation, body, source=extension.source, tests=extension.tests)
    return request, model, extension


def validated(kind: type[Body], value: Any, *place: str) -> Body:
    """A body, or the part of one at `place`. Raises RequestError with the path of a mistake."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        inner = locate(kind, error.errors(include_url=False)[0]["loc"]).path
        what = explain(kind, error)[0].removeprefix(".".join(inner))
        # A mapping is what YAML calls it, and YAML is what it talks about.
        what = what.replace("a mapping", "an object")
        what = _INSTANCE.sub(r"\1.", _YAML.sub(".", what))
        path = path_of([*place, *inner])
        raise RequestError(f"{path}{what}", param=path) from error


def _unknown(field: str) -> RequestError:
    hint = ""
    if field.startswith("guided_"):
        hint = "Constrain an answer with `response_format` or `structured_outputs`."
    message = f"Unrecognized request argument supplied: {field}."
    return RequestError(message, hint=hint, param=field)


def _check_together(body: dict[str, Any], operation: Operation) -> None:
    """What depends on more than one field. Raises RequestError."""
    if operation == "completions" and "prompt" not in body and "prompt_embeds" not in body:
        raise RequestError("`prompt` is required.", param="prompt")
    if body.get("stream_options") and not body.get("stream"):
        raise RequestError(
            "`stream_options` can be given with `stream: true` only.", param="stream_options"
        )
    if body.get("best_of", body.get("n", 1)) != body.get("n", 1):
        raise RequestError(
            "`best_of` is not supported: no answer is made that is not sent.",
            hint="Ask for `n` answers.",
            param="best_of",
        )


def _set_role(body: dict[str, Any], operation: Operation, role: str) -> None:
    """Roles reach the engine through the chat template."""
    if operation != "chat/completions":
        raise RequestError("A role can be chosen in chat completions only.", param="coterie.role")
    body["chat_template_kwargs"] = {**body.get("chat_template_kwargs", {}), "role": role}


def _extension(value: Any) -> Extension:
    if value is None:
        return Extension()
    if isinstance(value, dict):
        value = said(value)
        if isinstance(value.get("budget"), dict):
            value["budget"] = said(value["budget"])
    return validated(Extension, value, "coterie")
