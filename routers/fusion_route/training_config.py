"""The configuration of a FusionRoute training run: one YAML file, in which every bound is a key."""

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from experts.fused.training.yaml_file import anchored, read_yaml

MOST_MEMBERS = 30
"""Each member needs two role tokens; tokenizers rarely have more than 64 to spare."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageConfig(_Section):
    """The keys of one stage."""

    steps: int = Field(ge=0, description="Optimiser steps; 0 skips the stage.")
    batch: int = Field(64, ge=1, description="Questions with answers in each step.")
    pairs: int = Field(
        0, ge=0, description="Preference pairs in each step; for the mixed stage only."
    )
    own_mistakes: int = Field(
        0,
        ge=0,
        description="Questions that the policy answers itself before the mixed stage; its wrong"
        " answers become rejected answers in addition to those of `preferences`.",
    )
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate, after the warm-up.")
    warmup: float = Field(0.05, ge=0, le=1, description="Share of the steps until the peak.")
    final: float = Field(0.0, ge=0, le=1, description="Final learning rate, as share of the peak.")


class OptimizerConfig(_Section):
    """The keys of the optimiser, AdamW."""

    head_rate: float = Field(
        1.0, gt=0, description="The head's learning rate, as share of the router's."
    )
    weight_decay: float = Field(0.1, ge=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.98, ge=0, lt=1)
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")


class PreferenceConfig(_Section):
    """The keys of the complemented DPO loss (section 3.3 of the paper)."""

    beta: float = Field(
        0.1, gt=0, description="DPO's beta: how strongly the policy is held to the reference."
    )
    weight: float = Field(1.0, ge=0, description="Weight of a pair relative to a question.")
    use_normalizer: bool = Field(
        False, description="Keep the fused policy's normaliser, which the paper drops."
    )
    length_norm: bool = Field(
        False, description="Use the mean over an answer's tokens instead of the sum."
    )
    complement: bool = Field(
        True, description="Include the experts' own preference; false is DPO of the router alone."
    )


class TrainingConfig(_Section):
    """The keys of a whole run; relative paths start at the folder of the file."""

    members: dict[str, Path] = Field(
        min_length=1, max_length=MOST_MEMBERS, description="Frozen experts: name -> folder."
    )
    adapter_of: dict[str, str] = Field(
        {},
        description="Bases of members that are LoRA adapters: name -> another member or a folder;"
        " by default what their adapter_config.json names.",
    )
    role_tokens: tuple[str, ...] = Field(
        (), description="Tokens that stand for the roles; by default free ones are found."
    )
    router: Path = Field(description="The model that the router starts from.")
    questions: tuple[Path, ...] = Field(
        min_length=1, description="JSONL files with the fields prompt and answer."
    )
    preferences: tuple[Path, ...] = Field(
        (), description="JSONL files with the fields prompt, chosen and rejected."
    )
    sft: StageConfig
    mixed: StageConfig = StageConfig(steps=0)
    optimizer: OptimizerConfig = OptimizerConfig()
    preference: PreferenceConfig = PreferenceConfig()
    language: Literal["router", "fused"] = Field(
        "router",
        description="What the loss on answers trains: the router alone, as in the paper, or the"
        " fused distribution of router and chosen expert, so that the router learns to"
        " stay out of the way where an expert knows the answer.",
    )
    lambda_expert: float = Field(1 / 3, ge=0, description="Weight of the routing loss.")
    unknown_nll: float | None = Field(
        None,
        ge=0,
        description="With the fused loss: where even the best expert's loss on the right token is"
        " more nats than this, the router's own loss is added, so that it learns what"
        " no expert knows.",
    )
    quiet: float = Field(
        0.0,
        ge=0,
        description="With the fused loss: on answers that one expert knows, the loss is replaced by"
        " a penalty of this weight on the router's preferences among the expert's candidates, so"
        " that it learns to leave those answers to the expert.",
    )
    known_nll: float = Field(
        5.0,
        ge=0,
        description="For `quiet`: an expert knows an answer if its loss is at most this many"
        " nats, summed over the tokens.",
    )
    worst_nll: float = Field(
        math.inf,
        gt=0,
        description="Cap on an expert's loss at a token, in nats, so that tokens which every"
        " expert gets wrong do not drown those that one gets right.",
    )
    informative: Literal["argmax", "all"] = Field(
        "argmax",
        description="Tokens that train the head: those where two experts' best tokens differ, or"
        " all.",
    )
    too_long: Literal["refuse", "skip"] = Field(
        "refuse", description="What to do with rows that exceed the smallest context length."
    )
    longest_tokens: int | None = Field(
        None, ge=2, description="Most tokens of a row; by default the smallest context length."
    )
    most_rows: int = Field(2_000_000, ge=1, description="Most rows that a run may read.")
    sort_window: int = Field(
        1, ge=1, description="Number of batches that are drawn together and sorted by length."
    )
    seed: int = Field(0, ge=0)
    threads: int = Field(2, ge=1, le=256, description="Compute threads of torch.")
    checkpoint_s: float = Field(60.0, gt=0, description="Seconds between two checkpoints.")
    log_steps: int = Field(20, ge=1, description="Steps that one line of metrics averages over.")
    kept_tokens: int = Field(
        16,
        ge=1,
        le=1024,
        description="Most likely tokens that are kept of an expert's distribution.",
    )
    most_batch_tokens: int = Field(
        2048, ge=1, description="Tokens that an expert reads at once before the training."
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
        """The same run for the router's model alone: fine-tuning and DPO on the same data."""
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
        """The keys that decide the result, to compare a checkpoint with this run."""
        idle = {"threads", "checkpoint_s", "log_steps", "most_batch_tokens"}
        idle |= {"adapter_of", "role_tokens"}
        return dict(self.model_dump(mode="json", exclude=idle))


def read_config(path: Path) -> TrainingConfig:
    """Read a run's file. Raises ConfigError with every mistake in it."""
    return _from_folder(read_yaml(path, TrainingConfig, "a training run"), path.parent)


def _from_folder(config: TrainingConfig, folder: Path) -> TrainingConfig:
    return config.model_copy(
        update={
            "members": {name: folder / place for name, place in config.members.items()},
            "adapter_of": anchored(config.adapter_of, config.members, folder),
            "router": folder / config.router,
            "questions": tuple(folder / place for place in config.questions),
            "preferences": tuple(folder / place for place in config.preferences),
        }
    )
