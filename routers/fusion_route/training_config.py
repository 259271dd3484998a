"""What a training run of FusionRoute may be told; one YAML file, every bound a key."""

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from experts.fused.training.yaml_file import read_yaml

MOST_MEMBERS = 30
"""Each member needs two role tokens, and the tokenizer of the zoo keeps 64 of them."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageConfig(_Section):
    """One stage: how many steps, how large, how fast."""

    steps: int = Field(ge=0, description="Optimiser steps; 0 leaves the stage out.")
    batch: int = Field(64, ge=1, description="Questions with answers in a step.")
    pairs: int = Field(0, ge=0, description="Preference pairs in a step; only the mixed stage.")
    own_mistakes: int = Field(
        0,
        ge=0,
        description="Questions that the policy answers itself before the mixed stage; its wrong"
        " answers are rejected ones beside those of `preferences`.",
    )
    learning_rate: float = Field(1e-3, gt=0, description="The peak, after the warm-up.")
    warmup: float = Field(0.05, ge=0, le=1, description="Share of the steps until the peak.")
    final: float = Field(0.0, ge=0, le=1, description="The last learning rate, as share of it.")


class OptimizerConfig(_Section):
    """AdamW's settings."""

    head_rate: float = Field(
        1.0, gt=0, description="The head's learning rate, as share of the router's."
    )
    weight_decay: float = Field(0.1, ge=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.98, ge=0, lt=1)
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")


class PreferenceConfig(_Section):
    """The complemented DPO loss (section 3.3 of the paper)."""

    beta: float = Field(0.1, gt=0, description="How hard the policy is held to the reference.")
    weight: float = Field(1.0, ge=0, description="Weight of a pair beside a question.")
    use_normalizer: bool = Field(
        False, description="Keep the fused policy's normaliser, which the paper drops."
    )
    length_norm: bool = Field(False, description="Mean over an answer's tokens, not their sum.")
    complement: bool = Field(
        True, description="Count what the experts prefer; false is DPO of the router alone."
    )


class TrainingConfig(_Section):
    """A whole run. Relative paths start at the folder of the file."""

    members: dict[str, Path] = Field(
        min_length=1, max_length=MOST_MEMBERS, description="Frozen experts: name -> folder."
    )
    router: Path = Field(description="The model that the router starts from.")
    questions: tuple[Path, ...] = Field(min_length=1, description="JSONL: prompt, answer.")
    preferences: tuple[Path, ...] = Field((), description="JSONL: prompt, chosen, rejected.")
    sft: StageConfig
    mixed: StageConfig = StageConfig(steps=0)
    optimizer: OptimizerConfig = OptimizerConfig()
    preference: PreferenceConfig = PreferenceConfig()
    language: Literal["router", "fused"] = Field(
        "router",
        description="What the loss on answers trains: the router alone, as in the paper, or what"
        " is heard of router and chosen expert together, so that the router learns to stay out of"
        " the way where an expert knows.",
    )
    lambda_expert: float = Field(1 / 3, ge=0, description="Weight of the routing loss.")
    unknown_nll: float | None = Field(
        None,
        ge=0,
        description="With the fused loss: where even the best expert gives the right token more"
        " nats than this, the router's own loss is added. It then knows what no expert knows.",
    )
    quiet: float = Field(
        0.0,
        ge=0,
        description="With the fused loss: what is trained at answers that one expert knows is not"
        " the loss but this price of the router taking sides among the expert's candidates, so"
        " that it learns to leave those answers to the expert.",
    )
    known_nll: float = Field(
        5.0,
        ge=0,
        description="For `quiet`: an expert knows an answer that it gives at most so many nats,"
        " all tokens together.",
    )
    worst_nll: float = Field(
        math.inf,
        gt=0,
        description="An expert's loss at a token counts at most so many nats, so that tokens that"
        " every expert gets wrong do not drown those that one gets right.",
    )
    informative: Literal["argmax", "all"] = Field(
        "argmax",
        description="Tokens that teach the head: where two experts' best tokens differ, or all.",
    )
    too_long: Literal["refuse", "skip"] = Field(
        "refuse", description="What to do with rows that exceed the smallest context."
    )
    longest_tokens: int | None = Field(
        None, ge=2, description="A bound below the smallest context, in tokens of a whole row."
    )
    most_rows: int = Field(2_000_000, ge=1, description="Rows that a run may read.")
    sort_window: int = Field(
        1, ge=1, description="Batches that are drawn together and sorted by length."
    )
    seed: int = Field(0, ge=0)
    threads: int = Field(2, ge=1, le=256, description="Compute threads of torch.")
    checkpoint_s: float = Field(60.0, gt=0, description="Seconds between two checkpoints.")
    log_steps: int = Field(20, ge=1, description="Steps that one line of metrics averages.")
    kept_tokens: int = Field(
        16, ge=1, le=1024, description="Tokens of an expert's distribution that are remembered."
    )
    most_batch_tokens: int = Field(
        2048, ge=1, description="Tokens that an expert reads at a time before the training."
    )

    @model_validator(mode="after")
    def _pairs_need_data(self) -> "TrainingConfig":
        if self.sft.pairs or self.sft.own_mistakes:
            raise ValueError("sft.pairs and sft.own_mistakes must be 0: pairs belong to `mixed`")
        if self.mixed.pairs and not self.preferences and not self.mixed.own_mistakes:
            raise ValueError("mixed.pairs needs `preferences` or `mixed.own_mistakes`")
        if not self.sft.steps + self.mixed.steps:
            raise ValueError("sft.steps and mixed.steps are both 0: nothing to train")
        return self

    @model_validator(mode="after")
    def _losses_go_together(self) -> "TrainingConfig":
        if self.language == "router" and (self.unknown_nll is not None or self.quiet):
            raise ValueError("unknown_nll and quiet are for `language: fused`")
        return self

    def without_experts(self) -> "TrainingConfig":
        """The run that trains the router's model alone on the same data: fine-tuning and DPO."""
        preference = self.preference.model_copy(
            update={"complement": False, "use_normalizer": False}
        )
        return self.model_copy(
            update={
                "language": "router",
                "unknown_nll": None,
                "quiet": 0.0,
                "lambda_expert": 0.0,
                "preference": preference,
            }
        )

    def trained(self) -> dict[str, Any]:
        """The keys that decide the result, for comparing a checkpoint with this run."""
        idle = {"threads", "checkpoint_s", "log_steps", "most_batch_tokens"}
        return dict(self.model_dump(mode="json", exclude=idle))


def read_config(path: Path) -> TrainingConfig:
    """Read a run's file. Raises ConfigError with every mistake in it."""
    return _from_folder(read_yaml(path, TrainingConfig, "a training run"), path.parent)


def _from_folder(config: TrainingConfig, folder: Path) -> TrainingConfig:
    return config.model_copy(
        update={
            "members": {name: folder / place for name, place in config.members.items()},
            "router": folder / config.router,
            "questions": tuple(folder / place for place in config.questions),
            "preferences": tuple(folder / place for place in config.preferences),
        }
    )
