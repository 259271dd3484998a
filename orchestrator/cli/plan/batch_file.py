"""Reads a file of requests: OpenAI's batch lines, or one bare request body per line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from experts.errors import ConfigError, RequestError
from experts.files.jsonl import lines_of, read_text
from experts.types import EMBEDDINGS, Operation, Request
from orchestrator.cli.plan.terms import check_terms
from orchestrator.config.model import Config
from orchestrator.request.compositions import Composition, Compositions
from orchestrator.request.context import RequestContext
from orchestrator.request.embedding.own import EMBEDDING_MODEL
from orchestrator.request.likelihood_answer import scoring_of
from orchestrator.server.classes import check_class
from orchestrator.server.schemas import parse_body, parse_object

LINE_KEYS = ("custom_id", "method", "url", "body")
URLS = {f"/v1/{name}": name for name in get_args(Operation)}
_BY_FIELD: Mapping[str, Operation] = {
    "messages": "chat/completions",
    "prompt": "completions",
    "prompt_embeds": "completions",
    "input": EMBEDDINGS,
}
"""What a bare body is, by what it has."""


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One request of the file; `request.id` is its custom_id, or `line-N`."""

    request: Request
    model: str
    composition: Composition | None
    """What the model's name and the options mean, unless it is an expert's."""


def read_batch(path: Path, config: Config) -> list[BatchLine]:
    """Every request of the file. Raises ConfigError with every mistake, each as FILE:LINE."""
    compositions = Compositions(config)
    lines: list[BatchLine] = []
    problems: list[str] = []
    first_seen: dict[str, int] = {}
    for number, text in lines_of(read_text(path)):
        try:
            line = _parse_line(text.encode(), number, config, compositions)
            if (earlier := first_seen.setdefault(line.request.id, number)) != number:
                raise RequestError(
                    f"The custom_id `{line.request.id}` is already used in line {earlier}."
                )
        except RequestError as error:
            problems.append(f"{path}:{number}: {error}")
        else:
            lines.append(line)
    if problems:
        count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}"
        raise ConfigError(f"{path} has {count}.", problems=tuple(problems))
    if not lines:
        raise ConfigError(f"{path} has no request in it: one JSON object per line is needed.")
    return lines


def single_prompts(lines: Sequence[BatchLine]) -> list[BatchLine]:
    """The lines as a composition answers them: each prompt of a list is a request of its own.

    An expert, and those that score together, get all prompts of a line at once.
    """
    return [part for line in lines for part in _parts(line)]


def _parts(line: BatchLine) -> list[BatchLine]:
    prompt = line.request.body.get("prompt")
    routed = line.composition is not None and scoring_of(line.composition) is None
    if not routed or not isinstance(prompt, list) or all(isinstance(one, int) for one in prompt):
        return [line]
    requests = (
        replace(
            line.request,
            id=f"{line.request.id}-{number}",
            body={**line.request.body, "prompt": one},
        )
        for number, one in enumerate(prompt)
    )
    return [replace(line, request=request) for request in requests]


def _parse_line(raw: bytes, number: int, config: Config, compositions: Compositions) -> BatchLine:
    """Raises RequestError."""
    limit_mb = config.server.max_body_mb
    if len(raw) > limit_mb * (1 << 20):
        raise RequestError(f"The line is larger than {limit_mb:g} MB (server.max_body_mb).")
    entry = parse_object(raw)
    if any(key in entry for key in ("custom_id", "url", "body")):
        request_id, operation, body = _unwrap(entry)
    else:
        request_id, body = f"line-{number}", entry
        found = next((one for field, one in _BY_FIELD.items() if field in entry), None)
        if found is None:
            raise RequestError("`messages` (chat), `prompt` or `input` (embeddings) is required.")
        operation = found
    request, model, extension = parse_body(dict(body), operation, request_id)
    # Models that give embeddings are no compositions.
    embeds = operation == EMBEDDINGS or model == EMBEDDING_MODEL
    composition = None if embeds else compositions.find(model, extension.options)
    check_terms(RequestContext(request, model, options=extension.options), composition, config)
    if extension.request_class is not None:
        check_class(config, extension.request_class)
    return BatchLine(request, model, composition)


def _unwrap(entry: dict[str, Any]) -> tuple[str, Operation, dict[str, Any]]:
    """The parts of an OpenAI batch line."""
    for key in entry:
        if key not in LINE_KEYS:
            raise RequestError(f"Unknown key `{key}` (known: {', '.join(LINE_KEYS)}).")
    request_id, url, body = (entry.get(key) for key in ("custom_id", "url", "body"))
    if not isinstance(request_id, str) or not request_id:
        raise RequestError("`custom_id` must be a non-empty string.")
    if entry.get("method", "POST") != "POST":
        raise RequestError("`method` must be POST.")
    if not isinstance(url, str) or url not in URLS:
        raise RequestError(f"`url` must be one of {', '.join(URLS)}.")
    if not isinstance(body, dict):
        raise RequestError("`body` must be a JSON object.")
    return request_id, URLS[url], body
