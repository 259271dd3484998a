"""Scored answers of a running service become rows of an outcome table."""

import json
from collections.abc import Mapping
from pathlib import Path

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.fitting.versions import expert_version
from experts.errors import ConfigError
from experts.spec import ExpertSpec
from orchestrator.config.model import load_config
from routers.outcomes import Outcome, OutcomeTable
from routers.registry import shared_encoder


class Scored(BaseModel):
    """A line that `feedback.file` collects, or that a judge wrote."""

    model_config = ConfigDict(extra="forbid")

    query_id: str = Field(min_length=1)
    task: str
    query: str
    expert: str
    score: float = Field(ge=0, le=1)


def add_file(file: Path, table: Path, config: Path) -> None:
    """`coterie outcomes add`. Raises ConfigError."""
    rows, new = add_scored(file, table, load_config(config).experts)
    typer.echo(f"{table}: {rows} outcomes, {new} of them new")


def add_scored(file: Path, table: Path, experts: Mapping[str, ExpertSpec]) -> tuple[int, int]:
    """Append a file's rows to a table; returns how many it has, and how many of them are new.

    Raises ConfigError.
    """
    rows = read_scored(file, experts)
    known = OutcomeTable.read(table) if table.exists() else None
    grown = known.append(rows) if known else OutcomeTable.from_rows(rows)
    grown.with_embeddings(shared_encoder()()).write(table)
    return len(grown), len(grown) - (len(known) if known else 0)


def read_scored(file: Path, experts: Mapping[str, ExpertSpec]) -> list[Outcome]:
    """The rows of a file. Raises ConfigError with every line that is wrong."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({error}).") from error
    rows: list[Outcome] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            one = Scored.model_validate(json.loads(line))
        except ValidationError as error:
            first = error.errors()[0]
            problems.append(f"line {number}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
            continue
        except ValueError as error:
            problems.append(f"line {number}: not JSON ({error})")
            continue
        if one.expert not in experts:
            problems.append(f"line {number}: no expert is called `{one.expert}`")
            continue
        version = expert_version(one.expert, experts)
        rows.append(Outcome(one.query_id, one.task, one.query, one.expert, version, one.score))
    if problems:
        raise ConfigError(f"{file} has lines that are no outcomes.", problems=tuple(problems))
    if not rows:
        raise ConfigError(f"{file} holds no outcomes.")
    return rows
