"""What administrators send to change the configuration, and what they are told of it."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from orchestrator.config.sections import Name, Section


class ReloadBody(Section):
    """A reload of the configuration's file."""

    dry_run: bool = Field(False, description="Only tell what would change.")


class NamedExpert(Section):
    """An expert, with the keys that it has in the configuration's file."""

    model_config = ConfigDict(extra="allow")

    name: Name = Field(description="The name that clients ask for.")
    type: str = Field(description="The kind of expert, such as `vllm` or `openai`.")

    @property
    def keys(self) -> dict[str, Any]:
        """Those of the file."""
        return {"type": self.type, **(self.model_extra or {})}


class ExpertBody(NamedExpert):
    """An expert that is to be added, with the keys that it has in the configuration's file."""

    probes: int | None = Field(
        None,
        ge=0,
        description="Probe questions that it is asked; 0: none; null: `server.probes.count`.",
    )
    hold: bool = Field(
        False,
        description="Tell how routing would shift, and leave it as it is until"
        " `POST /coterie/experts/EXPERT/routing`, a restart, or a change of the routers.",
    )


class YamlBody(Section):
    """The lines of one expert, as the configuration's file has them."""

    yaml: str = Field(description="Such as `law: {type: vllm, model: acme/law-7b}`.")


class ExpertChecked(TypedDict):
    """Whether the lines of an expert are right, and would be taken."""

    ok: bool
    problems: Annotated[
        list[str],
        Field(description="Every mistake, each with its path; what else it would be refused for."),
    ]
    expert: Annotated[str | None, Field(description="Its name; null where that is not known.")]
    keys: Annotated[dict[str, Any], Field(description="Its keys: the body that adds it.")]
    difference: Annotated[list[str], Field(description="What adding it would change.")]


class Loaded(TypedDict):
    """An expert that is in a slot."""

    expert: str
    slot: str
    waited_ms: Annotated[float, Field(description="For its turn.")]
    load_ms: Annotated[float, Field(description="For its load; 0 where it was there.")]


class Pinned(TypedDict):
    """Whether an expert may leave its slot, until the next reload of the file."""

    expert: str
    pinned: bool
    generation: Annotated[int, Field(description="Of the configuration that runs.")]


class Chosen(TypedDict):
    """An expert that the routers choose since they have learned of it."""

    expert: str
    warnings: Annotated[list[str], Field(description="What the routers warn of.")]


class ReloadTold(TypedDict):
    """What became of a reload."""

    result: Literal["applied", "unchanged", "compared"]
    generation: Annotated[int, Field(description="Of the configuration that runs; begins with 1.")]
    difference: Annotated[
        list[str], Field(description="What is otherwise in the file, one sentence each.")
    ]
    warnings: Annotated[list[str], Field(description="What the routers warn of.")]


class Considered(TypedDict):
    """What a composition's router thinks of an expert."""

    composition: str
    considered: Annotated[bool, Field(description="Whether the router may choose it.")]
    why: str


class ProbedTask(TypedDict):
    """How a new expert did on the probe questions of a task."""

    task: str
    asked: int
    mean_score: Annotated[float, Field(description="From 0 to 1.")]


class Shift(TypedDict):
    """What a router does otherwise since it knows a new expert."""

    router: str
    before: Annotated[
        dict[str, float],
        Field(description="Share of its table's questions that each expert would be asked."),
    ]
    after: dict[str, float]
    predicted_before: Annotated[float, Field(description="Mean predicted quality of who is asked.")]
    predicted_after: float
    why: Annotated[str, Field(description="Why the new expert is asked nothing; else empty.")]


class Probed(TypedDict):
    """What became of a new expert's probe questions."""

    asked: int
    failed: Annotated[int, Field(description="Questions without a score.")]
    mean_score: float
    tasks: list[ProbedTask]
    shifts: list[Shift]
    why: Annotated[str, Field(description="Why nothing was learned; empty where it was.")]


class ExpertAdded(TypedDict):
    """An expert that is in the pool now."""

    expert: str
    generation: int
    resident: Annotated[bool, Field(description="Whether it answers without a load.")]
    until: Annotated[str, Field(description="How long it stays.")]
    probed: Annotated[Probed | None, Field(description="null: it was asked no probe questions.")]
    held: Annotated[
        bool, Field(description="Whether routers have learned of it and decide as before.")
    ]
    compositions: list[Considered]
    warnings: Annotated[list[str], Field(description="What the routers warn of.")]


class LastReload(TypedDict):
    """What became of the last configuration that was tried."""

    at: Annotated[str, Field(description="UTC, as ISO 8601.")]
    result: str
    why: Annotated[str, Field(description="Why it was refused; empty where it was not.")]


class ConfigStatus(TypedDict):
    """Which configuration runs."""

    generation: Annotated[int, Field(description="Begins with 1, and grows with every change.")]
    since: Annotated[str, Field(description="UTC, as ISO 8601.")]
    file: Annotated[str | None, Field(description="null: the service was started without one.")]
    added: Annotated[
        list[str], Field(description="Experts that are in no file, until the next reload.")
    ]
    last: Annotated[LastReload | None, Field(description="null: there was none.")]
