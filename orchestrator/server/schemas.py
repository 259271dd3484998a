"""Validates request bodies: the fields that the gateway reads, and those it passes on."""

import json
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from experts.errors import RequestError
from experts.mistakes import explain, locate
from experts.types import Operation, Request
from orchestrator.config.budget import BudgetConfig
from orchestrator.request.context import RequestOptions
from orchestrator.server.fields import FIELDS

Body = TypeVar("Body", bound=BaseModel)
MOST_EXPERTS = 64


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
            raise RequestError(f"Unrecognized request argument supplied: {field}.", param=field)
    _check_input(body, operation)
    if extension.role is not None:
        _set_role(body, operation, extension.role)
    if not isinstance(body.get("stream", False), bool | None):
        raise RequestError("`stream` must be true or false.", param="stream")
    request = Request(request_id, operation, body, source=extension.source, tests=extension.tests)
    return request, model, extension


def parse_object(raw: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises RequestError."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body is not valid JSON: {error}.") from error
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    return body


def validated(kind: type[Body], value: Any, *place: str) -> Body:
    """A body, or the part of one at `place`. Raises RequestError with the path of a mistake."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        inner = locate(kind, error.errors(include_url=False)[0]["loc"]).path
        path = ".".join([*place, *inner])
        # A mapping is what YAML calls it.
        what = explain(kind, error)[0].removeprefix(".".join(inner))
        what = what.replace("must be a mapping", "must be an object")
        raise RequestError(f"{path}{what}", param=path) from error


def _set_role(body: dict[str, Any], operation: Operation, role: str) -> None:
    """Roles reach the engine through the chat template."""
    settings = body.get("chat_template_kwargs") or {}
    if operation != "chat/completions" or not isinstance(settings, dict):
        raise RequestError("A role can be chosen in chat completions only.", param="coterie.role")
    body["chat_template_kwargs"] = {**settings, "role": role}


def _check_input(body: dict[str, Any], operation: Operation) -> None:
    if operation == "completions":
        if "prompt" not in body and "prompt_embeds" not in body:
            raise RequestError("`prompt` is required.", param="prompt")
        return
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestError("`messages` must be a non-empty list.", param="messages")
    for i, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RequestError(
                f"`messages[{i}]` must be an object with a `role`.", param=f"messages[{i}]"
            )
        if not _is_content(message.get("content")):
            raise RequestError(
                f"`messages[{i}].content` must be a string or a list of parts.",
                param=f"messages[{i}].content",
            )


def _is_content(content: Any) -> bool:
    """What routers read: a text, or parts of which the text ones have a text."""
    if not isinstance(content, list):
        return isinstance(content, str | None)
    return all(
        isinstance(part, dict) and (part.get("type") != "text" or isinstance(part.get("text"), str))
        for part in content
    )


def _extension(value: Any) -> Extension:
    if value is None:
        return Extension()
    return validated(Extension, value, "coterie")


class EmbeddingsBody(BaseModel):
    """The body of /v1/embeddings, as OpenAI documents it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    input: str | list[str]
    encoding_format: str = "float"
    dimensions: int | None = None
    user: str | None = None
