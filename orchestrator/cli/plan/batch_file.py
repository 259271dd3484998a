"""Reads a file of requests: OpenAI's batch lines, or one bare request body per line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from experts.errors import ConfigError, RequestError
from experts.files.jsonl import lines_of, read_text
from experts.types import EMBEDDINGS, Operation, Request
from orchestrator.batch.line import line_of, parse_entry, too_long
from orchestrator.cli.plan.terms import check_terms
from orchestrator.config.model import Config
from orchestrator.request.compositions import Composition, Compositions
from orchestrator.request.context import RequestContext
from orchestrator.request.embedding.own import EMBEDDING_MODEL
from orchestrator.request.likelihood_answer import scoring_of
from orchestrator.server.classes import check_class
from orchestrator.server.schemas import parse_inner

OPERATIONS: Mapping[str, Operation] = {f"/v1/{name}": name for name in get_args(Operation)}
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
    limit_mb = config.batches.max_line_mb
    if len(raw) > limit_mb * (1 << 20):
        raise too_long(limit_mb)
    entry = parse_entry(raw)
    if any(key in entry for key in ("custom_id", "url", "body")):
        line = line_of(entry)
        request_id, operation, body = line.custom_id, OPERATIONS[line.url], line.body
    else:
        request_id, body = f"line-{number}", entry
        found = next((one for field, one in _BY_FIELD.items() if field in entry), None)
        if found is None:
            raise RequestError("`messages` (chat), `prompt` or `input` (embeddings) is required.")
        operation = found
    request, model, extension = parse_inner(body, operation, request_id)
    # Models that give embeddings are no compositions.
    embeds = operation == EMBEDDINGS or model == EMBEDDING_MODEL
    composition = None if embeds else compositions.find(model, extension.options)
    check_terms(RequestContext(request, model, options=extension.options), composition, config)
    if extension.request_class is not None:
        check_class(config, extension.request_class)
    return BatchLine(request, model, composition)
