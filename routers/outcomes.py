"""The outcome table: each expert's score on each question, from which routers are fitted."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experts.errors import ConfigError
from routers.base import Encoder
from routers.outcome_columns import (
    ENCODER,
    HINT,
    QUERY,
    SCHEMA,
    SKILLS,
    TAGGER,
    VECTOR,
    checked,
    last_of_each_key,
    one_line,
    stored_skills,
    stored_vectors,
    with_query_column,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One expert's answer to one question, scored 0 (wrong) to 1 (right)."""

    query_id: str
    task: str
    query: str
    expert: str
    expert_version: str
    score: float
    completion_tokens: int = 0
    seconds: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """One question of the table; `task` is its category, `skills` are finer keywords, if any."""

    id: str
    task: str
    text: str
    skills: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class OutcomeTable:
    """Outcomes, unique on (query_id, expert, expert_version); later rows win. Immutable.

    `rows` is an arrow table of SCHEMA, oldest first. `vectors` are the embeddings known so far
    (query id -> float32 [dimension]), made by the encoder called `encoder`; `skills` are the
    keywords known so far, as the expert `tagger` gave them.
    Raises ConfigError, naming `source`, where the rows break a rule.
    """

    rows: pa.Table
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    encoder: str = ""
    skills: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tagger: str = ""
    source: str = "The outcome table"

    def __post_init__(self) -> None:
        rows = last_of_each_key(checked(self.rows, self.source))
        object.__setattr__(self, "rows", rows)

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @classmethod
    def from_rows(cls, rows: Iterable[Outcome]) -> "OutcomeTable":
        """A table of these rows, at least one."""
        return cls(_arrow(rows))

    @classmethod
    def read(cls, path: Path) -> "OutcomeTable":
        """Read a parquet file. Raises ConfigError, with the path and what to do."""
        try:
            stored = pq.read_table(path, partitioning=None)  # A folder `a=1` is no column.
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: there is no outcome table.", hint=HINT) from error
        except (OSError, pa.ArrowException) as error:
            message = f"{path} cannot be read as parquet ({one_line(error)})."
            raise ConfigError(message, hint=HINT) from error
        missing = [name for name in SCHEMA.names if name not in stored.column_names]
        if missing:
            raise ConfigError(f"{path} lacks the columns {', '.join(missing)}.", hint=HINT)
        metadata = stored.schema.metadata or {}
        encoder, tagger = (metadata.get(key, b"").decode("utf-8") for key in (ENCODER, TAGGER))
        vectors = stored_vectors(stored) if encoder else {}
        skills = stored_skills(stored) if tagger else {}
        return cls(stored.select(SCHEMA.names), vectors, encoder, skills, tagger, str(path))

    def write(self, path: Path) -> None:
        """Replace the file in one step, so that a reader sees the old table or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            pq.write_table(self._with_query_columns(), temporary, compression="zstd")
            temporary.chmod(0o644)  # mkstemp makes files that only their owner may read.
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)  # Still there only where something failed.

    def append(self, rows: Iterable[Outcome]) -> "OutcomeTable":
        """A table of these rows and newer ones."""
        added = _arrow(rows)
        return replace(self, rows=pa.concat_tables([self.rows, added])) if added else self

    def merge(self, newer: "OutcomeTable") -> "OutcomeTable":
        """Both tables in one; where both have a row, the newer one wins."""
        same = self.encoder == newer.encoder
        return replace(
            self,
            rows=pa.concat_tables([self.rows, newer.rows]),
            vectors={**self.vectors, **newer.vectors} if same else self.vectors,
            skills={**self.skills, **newer.skills},
        )

    def queries(self) -> list[Query]:
        """Each question once, ordered by id, so that the order of the rows does not matter."""
        distinct = self.rows.select(QUERY).group_by(QUERY).aggregate([]).sort_by("query_id")
        return [
            Query(id, task, text, self.skills.get(id, ()))
            for id, task, text in zip(*distinct.to_pydict().values(), strict=True)
        ]

    def matrix(self) -> tuple[list[Query], list[str], NDArray[np.float64]]:
        """Questions, experts (by name), and scores [questions, experts], NaN where missing.

        Only the version of an expert's newest row counts: a changed model is another expert.
        """
        rows = self.rows.select(["query_id", "expert", "expert_version", "score"]).to_pydict()
        newest = dict(zip(rows["expert"], rows["expert_version"], strict=True))
        queries, experts = self.queries(), sorted(newest)
        row_of = {query.id: row for row, query in enumerate(queries)}
        column_of = {expert: column for column, expert in enumerate(experts)}
        scores = np.full((len(queries), len(experts)), np.nan)
        for query, expert, version, score in zip(*rows.values(), strict=True):
            if version == newest[expert]:
                scores[row_of[query], column_of[expert]] = score
        return queries, experts, scores

    def with_embeddings(self, encoder: Encoder) -> "OutcomeTable":
        """The table with an encoder's vector of every query; computes only those it lacks."""
        stored = self.vectors if self.encoder == encoder.name else {}
        known = {id: vector for id, vector in stored.items() if len(vector) == encoder.dimension}
        missing = [query for query in self.queries() if query.id not in known]
        if not missing:
            return self
        computed = encoder.encode([query.text for query in missing])
        added = {query.id: vector for query, vector in zip(missing, computed, strict=True)}
        return replace(self, vectors={**known, **added}, encoder=encoder.name)

    def embeddings(self) -> NDArray[np.float32]:
        """Float32 [questions, dimension] in the order of `queries`; `with_embeddings` first."""
        return np.stack([self.vectors[query.id] for query in self.queries()])

    def with_skills(self, skills: Mapping[str, tuple[str, ...]], tagger: str) -> "OutcomeTable":
        """The table with the keywords of some questions; those of another tagger are dropped."""
        kept = self.skills if tagger == self.tagger else {}
        return replace(self, skills={**kept, **skills}, tagger=tagger)

    def _with_query_columns(self) -> pa.Table:
        stored, metadata = self.rows, {}
        if self.vectors:
            stored = with_query_column(stored, VECTOR, self.vectors, pa.list_(pa.float32()))
            metadata[ENCODER] = self.encoder.encode("utf-8")
        if self.skills:
            stored = with_query_column(stored, SKILLS, self.skills, pa.list_(pa.string()))
            metadata[TAGGER] = self.tagger.encode("utf-8")
        return stored.replace_schema_metadata(metadata)


def _arrow(rows: Iterable[Outcome]) -> pa.Table:
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA)
