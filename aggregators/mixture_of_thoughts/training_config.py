"""The configuration of a Mixture of Thoughts training run: one YAML file."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from experts.fused.composites.mixture_of_thoughts.attending import Form
from experts.fused.folder.methods.mixture_of_thoughts import past_problem
from experts.fused.training.yaml_file import anchored, read_yaml

MOST_MEMBERS = 32


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LossConfig(_Section):
    """Weights of the auxiliary losses, relative to the language model's (the paper's appendix)."""

    entropy: float = Field(
        0.02,
        ge=0,
        description="Weight of the entropy bonus for peers; falls to 0 by the end of `explore`.",
    )
    balance: float = Field(
        0.01,
        ge=0,
        description="Weight of the penalty on unequal use of experts.",
    )
    comparison: float = Field(
        10.0,
        ge=0,
        description="Weight of comparing two choices, relative to learning which expert is best"
        " alone.",
    )
    consistency: float = Field(
        0.05,
        ge=0,
        description="Weight of the penalty on predictions that depend on the choice of peers.",
    )
    temperature: float = Field(
        2.0,
        gt=0,
        description="Temperature of the predictions that `consistency` compares.",
    )


class TrainingConfig(_Section):
    """The keys of a whole run; relative paths start at the folder of the file."""

    members: dict[str, Path] = Field(
        min_length=2, max_length=MOST_MEMBERS, description="Frozen experts: name -> folder."
    )
    adapter_of: dict[str, str] = Field(
        {},
        description="Bases of members that are LoRA adapters: name -> another member or a folder;"
        " by default what their adapter_config.json names.",
    )
    role_tokens: tuple[str, ...] = Field(
        (), description="Tokens that stand for the roles; by default free ones are found."
    )
    questions: tuple[Path, ...] = Field(
        min_length=1,
        description="JSONL files with the fields prompt and answer.",
    )
    stacks: int = Field(
        2,
        ge=2,
        le=64,
        description="Number of stacks that every expert's layers are divided into.",
    )
    places: tuple[int, ...] | None = Field(
        None,
        description="Stacks, from 0, after which experts interact; by default all but the last, as"
        " in the paper. After the last one, peers have been computed to their end.",
    )
    active: int = Field(
        3,
        ge=2,
        description="Number of experts that are active where no expert knows the answer alone.",
    )
    shared_width: int = Field(
        128,
        ge=1,
        description="Width of the shared space in which experts attend to each other.",
    )
    heads: int = Field(4, ge=1)
    attention: Form = Field(
        "positionwise",
        description="Attend over the experts at one position, or also over all earlier positions.",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout of the query router.")
    losses: LossConfig = LossConfig()
    known_nll: float = Field(
        5.0,
        ge=0,
        description="Loss in nats below which a member knows an answer alone: the router learns"
        " that it needs no peers for it. With 0, members always attend to each other.",
    )
    worst_nll: float = Field(
        5.0,
        gt=0,
        description="Cap on the loss of a token, in nats, when experts are compared for the"
        " router.",
    )
    temperature: float = Field(
        0.1,
        gt=0,
        description="Temperature, in mean nats per token: an expert that is worse alone by this"
        " much is e times less likely to be the router's target.",
    )
    explore: float = Field(
        0.25,
        gt=0,
        le=1,
        description="Share of the steps with noise in the choices, which falls to 0; after them the"
        " layers learn from the choices that will be served.",
    )
    compare_every: int = Field(
        4,
        ge=1,
        description="One of this many questions is also read with a second choice of experts, to"
        " compare the two.",
    )
    steps: int = Field(ge=1)
    batch: int = Field(64, ge=1)
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate, after the warm-up.")
    router_rate: float = Field(
        0.1, gt=0, description="The router's learning rate, as share of the layers'."
    )
    gate_rate: float = Field(
        10.0,
        gt=0,
        description="The gates' learning rate, as share of the layers'. Gates open from zero to"
        " about one, which would take most of a run at the layers' own rate.",
    )
    warmup: float = Field(0.05, ge=0, le=1, description="Share of the steps until the peak.")
    final: float = Field(0.0, ge=0, le=1, description="Final learning rate, as share of the peak.")
    weight_decay: float = Field(0.01, ge=0)
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    too_long: Literal["refuse", "skip"] = Field(
        "refuse", description="What to do with rows that exceed the smallest context length."
    )
    most_rows: int = Field(2_000_000, ge=1, description="Most rows that a run may read.")
    sort_window: int = Field(
        1, ge=1, description="Number of batches that are drawn together and sorted by length."
    )
    most_batch_tokens: int = Field(
        2048, ge=1, description="Most tokens that a member reads at once before the training."
    )
    seed: int = Field(0, ge=0)
    threads: int = Field(2, ge=1, le=256, description="Compute threads of torch.")
    checkpoint_s: float = Field(60.0, gt=0, description="Seconds between two checkpoints.")
    log_steps: int = Field(20, ge=1, description="Steps that one line of metrics averages over.")

    @model_validator(mode="after")
    def _fits(self) -> "TrainingConfig":
        if self.active > len(self.members):
            raise ValueError(f"active is {self.active}, but there are {len(self.members)} members")
        if self.known_nll > self.worst_nll:
            raise ValueError("known_nll must not exceed worst_nll")
        if self.shared_width % self.heads:
            raise ValueError(f"shared_width must be a multiple of heads ({self.heads})")
        if problem := past_problem(self.attention, self.shared_width // self.heads):
            raise ValueError(problem)
        if any(not 0 <= place < self.stacks for place in self.interactions):
            raise ValueError(f"places must be stacks from 0 to {self.stacks - 1}")
        return self

    @property
    def interactions(self) -> tuple[int, ...]:
        """The stacks after which experts interact, in order."""
        return tuple(range(self.stacks - 1)) if self.places is None else tuple(sorted(self.places))

    def trained(self) -> dict[str, Any]:
        """The keys that decide the result, to compare a checkpoint with this run."""
        idle = {"threads", "checkpoint_s", "log_steps", "most_batch_tokens"}
        idle |= {"members", "questions", "adapter_of", "role_tokens"}
        return dict(self.model_dump(mode="json", exclude=idle))


def read_config(path: Path) -> TrainingConfig:
    """Read a run's file. Raises ConfigError with every mistake in it."""
    config = read_yaml(path, TrainingConfig, "a training run of a Mixture of Thoughts")
    return config.model_copy(
        update={
            "members": {name: path.parent / place for name, place in config.members.items()},
            "adapter_of": anchored(config.adapter_of, config.members, path.parent),
            "questions": tuple(path.parent / place for place in config.questions),
        }
    )
