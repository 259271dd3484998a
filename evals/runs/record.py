"""What a run leaves behind: who was asked, and one row for every answer that was scored.

A run is a folder: `run.json` is a `RunInfo`, `samples.jsonl` holds the `Row`s in a fixed order.
Reports, comparisons and `coterie compose` read nothing else.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

RUN_FILE, SAMPLES_FILE = "run.json", "samples.jsonl"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tokens(_Record):
    """Tokens read and written."""

    prompt: int = 0
    completion: int = 0


class Routed(_Record):
    """What the router of a composition said."""

    router: str
    scores: dict[str, float] = Field(description="Expert -> predicted quality in 0..1.")
    panel: tuple[str, ...] = Field((), description="The experts that were asked together.")
    reason: str = ""
    fallback: str | None = Field(None, description="What was done after the guard's alarm.")


class Candidate(_Record):
    """What one expert said on the way to a composition's answer."""

    expert: str
    text: str
    score: float | None = Field(None, description="Where the scorer costs nothing; else null.")


class Row(_Record):
    """One answer of one subject to one question."""

    subject: str = Field(description="An expert or a composition.")
    task: str
    sample: str = Field(description="The question's id within its task.")
    draw: int = Field(0, ge=0, description="Number of the sample, with `--samples`.")
    category: str = Field(description="The question's own category, else the task's name.")
    question: str = Field(description="The prompt as it was asked.")
    gold: str = ""
    answer: str = ""
    score: float = Field(ge=0, le=1, description="0 where the call failed, too.")
    error: str | None = None
    expert: str | None = Field(None, description="Who gave the answer, where it was one.")
    routed: Routed | None = None
    candidates: tuple[Candidate, ...] = ()
    confidence: float | None = Field(
        None, ge=0, le=1, description="The predicted chance that the answer is right."
    )
    calls: dict[str, int] = Field({}, description="Expert -> calls, those of the cache included.")
    tokens: dict[str, Tokens] = {}
    price_usd: float = 0.0
    seconds: float = Field(
        0.0,
        description="The longest chain of calls under the run's load: without the wait for a turn"
        " and for loads, but with that inside an engine that answers many at once.",
    )


class SubjectInfo(_Record):
    """What was evaluated."""

    name: str
    kind: Literal["expert", "composition"]


class ExpertInfo(_Record):
    """An expert of the pool, as it was when it was asked."""

    version: str
    price_usd_per_mtok: float = 0.0
    memory_gb: float | None = Field(None, description="In its slot; null for remote experts.")


class TaskInfo(_Record):
    """Which questions were asked."""

    name: str
    version: int
    digest: str = Field(description="Changes with the questions, prompts and gold answers.")
    questions: int
    scorer: str
    source: str = ""
    licence: str = ""


class LoadEvent(_Record):
    """An expert that was loaded into a slot, in seconds since the run's first call."""

    expert: str
    slot: str
    at_s: float
    seconds: float


class Totals(_Record):
    """What the whole run cost; all subjects share the calls."""

    seconds: float
    calls: int = Field(description="Calls that the subjects made.")
    graded: int = Field(0, description="Answers that an expert was to grade, beside these calls.")
    asked: int = Field(description="Calls that an expert answered in this run, grades included.")
    cached: int = Field(description="Distinct calls whose answers were there before.")
    tokens: Tokens = Tokens()
    price_usd: float = 0.0
    loads: tuple[LoadEvent, ...] = ()


class RunInfo(_Record):
    """The head of a run; `totals` is null until it has ended."""

    format: Literal[1] = 1
    created: str = Field(description="ISO 8601, UTC.")
    config: str = Field(description="Digest of the configuration.")
    seed: int
    temperature: float | None = Field(
        None, ge=0, description="Of the subjects' own answers; null: each task's own."
    )
    samples: int = Field(1, ge=1)
    limit: int | None = None
    subjects: tuple[SubjectInfo, ...]
    experts: dict[str, ExpertInfo]
    tasks: tuple[TaskInfo, ...]
    totals: Totals | None = None
