"""An expert that answers from recorded responses of a real model: for evaluation without a GPU."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experts.engine import Answer
from experts.errors import ConfigError, ExpertRefused
from experts.openai_format import EVENT_STREAM, JSON, format_answer
from experts.types import Request, Usage

NOT_FOUND = 404


class Recorded(NamedTuple):
    """What was recorded."""

    text: str
    usage: Usage


class Recording:
    """The responses of one model to the questions of PREFIX_queries.parquet.

    A request is matched by its text, with or without the options, whatever its spaces.
    """

    def __init__(self, prefix: str, model: str) -> None:
        """Read PREFIX_queries, _responses and, for tokens, _outcomes. Raises ConfigError."""
        queries = _read(f"{prefix}_queries.parquet", ["query_id", "query"]).to_pylist()
        responses = _of(_read(f"{prefix}_responses.parquet", _RESPONSE), model)
        texts = dict(
            zip(*(responses[name].to_pylist() for name in ("query_id", "response")), strict=True)
        )
        if not texts:
            raise ConfigError(f"{prefix}_responses.parquet has no response of {model}.")
        usages = _usages(prefix, model)
        self._answers: dict[str, Recorded] = {}
        for query in queries:
            if (text := texts.get(query["query_id"])) is not None:
                answer = Recorded(text, usages.get(query["query_id"], Usage()))
                self._answers[normal(query["query"])] = answer

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, text: str) -> Recorded | None:
        """The answer to a question; the longest beginning of its lines that is known counts."""
        lines = text.splitlines() or [""]
        for count in range(len(lines), 0, -1):
            if found := self._answers.get(normal("\n".join(lines[:count]))):
                return found
        return None


class ReplayEngine:
    """One recorded model as an engine."""

    def __init__(self, expert: str, recording: Recording) -> None:
        self.name = expert
        self._recording = recording

    async def open(self, request: Request, asked_model: str) -> Answer:
        """The recorded answer. Raises ExpertRefused for a question that was not recorded."""
        found = self._find(request)
        content = format_answer(request, asked_model, found.text, found.usage)
        return Answer(EVENT_STREAM if request.stream else JSON, _at_once(content))

    def _find(self, request: Request) -> Recorded:
        found = self._recording.find(request.query)
        if found is None:
            message = f"Expert {self.name} has no recorded answer to this question."
            body = {"message": message, "code": "not_recorded"}
            raise ExpertRefused(message, expert=self.name, status=NOT_FOUND, body=body)
        return found


async def _at_once(content: bytes) -> AsyncGenerator[bytes, None]:
    yield content


def normal(text: str) -> str:
    """A text without what does not matter."""
    return " ".join(text.split())


@lru_cache(maxsize=128)
def recording(prefix: str, model: str) -> Recording:
    """A recording, read once."""
    return Recording(prefix, model)


_RESPONSE = ["query_id", "model", "response"]
_TOKENS = ["query_id", "model", "prompt_tokens", "completion_tokens"]


def _usages(prefix: str, model: str) -> Mapping[str, Usage]:
    if not Path(f"{prefix}_outcomes.parquet").exists():
        return {}
    rows: list[dict[str, Any]] = _of(
        _read(f"{prefix}_outcomes.parquet", _TOKENS), model
    ).to_pylist()
    return {
        row["query_id"]: Usage(int(row["prompt_tokens"] or 0), int(row["completion_tokens"] or 0))
        for row in rows
    }


def _of(table: pa.Table, model: str) -> pa.Table:
    return table.filter(pc.field("model") == model)


def read_table(path: str, columns: Sequence[str]) -> pa.Table:
    """A recorded parquet table, which must have these columns. Raises ConfigError."""
    try:
        table = pq.read_table(Path(path), partitioning=None)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such table.") from error
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path} cannot be read ({' '.join(str(error).split())}).") from error
    if missing := [name for name in columns if name not in table.column_names]:
        raise ConfigError(f"{path} lacks the columns {', '.join(missing)}.")
    return table


def _read(path: str, columns: list[str]) -> pa.Table:
    return read_table(path, columns).select(columns)
