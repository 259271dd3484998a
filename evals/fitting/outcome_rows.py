"""Scored answers of a running service become rows of an outcome table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experts.errors import ConfigError
from experts.files.jsonl import LineProblem, read_jsonl, wrong_lines
from experts.files.versions import expert_version
from experts.mistakes import explain
from experts.spec import ExpertSpec
from orchestrator.config.model import load_config
from routers.outcomes import Outcome, OutcomeTable
from routers.registry import shared_encoder

Line = TypeVar("Line", bound=BaseModel)


class Scored(BaseModel):
    """A line that `feedback.file` collects, or that a judge wrote."""

    model_config = ConfigDict(extra="forbid")

    query_id: str = Field(min_length=1)
    task: str
    query: str
    expert: str
    score: float = Field(ge=0, le=1)


class Traced(BaseModel):
    """What a line of `traces.file` adds to a scored answer; it has more keys than these."""

    query_id: str
    completion_tokens: int | None = Field(None, ge=0)
    seconds: float | None = Field(None, ge=0)


def add_file(file: Path, table: Path, config: Path, traces: Path | None) -> None:
    """`coterie outcomes add`. Raises ConfigError."""
    rows, new = add_scored(file, table, load_config(config).experts, traces)
    typer.echo(f"{table}: {rows} outcome{'' if rows == 1 else 's'}, {new} new")


def add_scored(
    file: Path, table: Path, experts: Mapping[str, ExpertSpec], traces: Path | None = None
) -> tuple[int, int]:
    """Append a file's rows to a table; returns how many it has, and how many of them are new.

    Raises ConfigError.
    """
    rows = read_scored(file, experts, traces)
    known = OutcomeTable.read(table) if table.exists() else None
    grown = known.append(rows) if known else OutcomeTable.from_rows(rows)
    grown.with_embeddings(shared_encoder()()).write(table)
    return len(grown), len(grown) - (len(known) if known else 0)


def read_scored(
    file: Path, experts: Mapping[str, ExpertSpec], traces: Path | None = None
) -> list[Outcome]:
    """The rows of a file, with tokens and seconds from the traces of the same requests.

    Raises ConfigError with every line that is wrong, and where no trace is about any of the rows.
    """
    traced = {} if traces is None else {t.query_id: t for t in _read(traces, Traced).values()}
    lines = _read(file, Scored)
    if strangers := [n for n, one in lines.items() if one.expert not in experts]:
        raise wrong_lines(
            file, [f"line {n}: no expert is called `{lines[n].expert}`" for n in strangers]
        )
    if not lines:
        raise ConfigError(f"{file} holds no outcomes.")
    if traces is not None and not any(one.query_id in traced for one in lines.values()):
        raise ConfigError(
            f"{traces} has no trace of any answer that {file} scores: no `query_id` is in both.",
            hint="Give the traces of the same service, or leave out --traces.",
        )
    return [_row(one, traced.get(one.query_id), experts) for one in lines.values()]


def _row(one: Scored, traced: Traced | None, experts: Mapping[str, ExpertSpec]) -> Outcome:
    return Outcome(
        one.query_id,
        one.task,
        one.query,
        one.expert,
        expert_version(one.expert, experts),
        one.score,
        (traced and traced.completion_tokens) or 0,
        (traced and traced.seconds) or 0.0,
    )


def _read(file: Path, kind: type[Line]) -> dict[int, Line]:
    """The lines of a file by their number. Raises ConfigError."""

    def parse(value: Any) -> Line:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            words = explain(kind, error)
            raise LineProblem(*(one.removeprefix(": ") for one in words)) from error

    return read_jsonl(file, parse)
