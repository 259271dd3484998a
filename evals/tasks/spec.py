"""The keys of a task's YAML file."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evals.scoring.extracting import Extraction
from evals.scoring.registry import SCORERS

AUTO = "auto"
Split = Literal["probe", "test"]
AnySplit = Literal["probe", "test", "examples"]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hub(_Keys):
    """A data set of the Hugging Face Hub; needs `pip install coterie[datasets]` and a network."""

    id: str = Field(description="Such as `openai/gsm8k`.")
    config: str | None = Field(None, description="The configuration's name, where it has several.")
    split: str = Field("test", description="Which of its splits is read.")
    revision: str | None = Field(None, description="A commit, so that the data never changes.")


class Columns(_Keys):
    """Which column of the data holds what; where none is named, the usual names are tried."""

    prompt: str | None = Field(
        None, description="The question. Usual names: prompt, question, input, query."
    )
    answer: str | None = Field(
        None,
        description="The right answer. Usual names: answer, gold, target, output, label, response.",
    )
    id: str | None = Field(
        None, description="A name of the question. Without it, a digest of its text is the name."
    )
    category: str | None = Field(None, description="Without it, the task's name.")
    split: str | None = Field(
        None, description="`probe` or `test`, or what the key `split` makes of it."
    )
    keywords: str | None = Field(
        None, description="Skills that the question needs: a list, or a text with commas."
    )
    options: str | None = Field(
        None, description="A list of the answers to choose from, A, B, C and so on."
    )


class ColumnValue(_Keys):
    """The value of a column as it is, lists and mappings included."""

    column: str


class FewShot(_Keys):
    """Examples with their answers, before the question."""

    examples: tuple[dict[str, Any], ...] = Field(
        (), description="Fixed examples; each with the keys that `template` names."
    )
    first: int | None = Field(None, ge=1, description="The first n questions of `split`.")
    nearest: int | None = Field(
        None,
        ge=1,
        description="The n questions of `split` that are most similar, the most similar last"
        " (Liu et al. 2022, arXiv:2101.06804), by the encoder of the routers.",
    )
    split: Literal["examples", "probe"] = Field(
        "examples", description="Whose questions are examples; never the question itself."
    )
    template: str = Field(
        "{{ question }}\n{{ answer }}",
        description="One example: of `question` and `answer` as they are asked and scored, and of"
        " `row`, the columns.",
    )
    separator: str = Field("\n\n", description="Between examples, and before the question.")

    @model_validator(mode="after")
    def _one_way(self) -> "FewShot":
        given = [bool(self.examples), self.first is not None, self.nearest is not None]
        if sum(given) != 1:
            raise ValueError("needs one of `examples`, `first` and `nearest`")
        return self


class _Scored(_Keys):
    """How answers are scored."""

    answer: str | Extraction | None = Field(
        None,
        description="The right answer: a template of the columns, or how to read it from its"
        ' column, such as `{regex: "#### (.+)"}`. `""` where `fields` alone say what is right.',
    )
    extract: Extraction | None = Field(
        None, description="What to score of the text that a model writes. Default: all of it."
    )
    scorer: str = Field(
        AUTO,
        description="Its name, or a mapping of `name` and options. `auto`: `number` where all"
        " right answers are numbers, `choice` where all are single letters, else `contains`.",
    )
    scorer_options: dict[str, Any] = Field({}, description="Options of the scorer.")

    @model_validator(mode="before")
    @classmethod
    def _with_options(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and isinstance(tree.get("scorer"), dict):
            options = {str(key): value for key, value in tree["scorer"].items()}
            if "scorer_options" in tree:
                raise ValueError("scorer: give its options here or in `scorer_options`, not both")
            return {**tree, "scorer": options.pop("name", None), "scorer_options": options}
        return tree

    @field_validator("scorer")
    @classmethod
    def _known(cls, value: str) -> str:
        if value != AUTO and value not in SCORERS:
            raise ValueError(f"must be {AUTO} or one of {', '.join(sorted(SCORERS))}")
        return value


class Subtask(_Scored):
    """What one file of several changes; an unset key is the task's own."""

    data: str | None = Field(
        None, description="Stands for `{subtask}` in `data`. Default: the subtask's name."
    )
    description: str | None = None


class TaskSpec(_Scored):
    """What a task's YAML file says; all keys but `data` may be left out."""

    extends: str | None = Field(
        None,
        description="A YAML file, or the name of a shipped task, whose keys are used where this"
        " file has none.",
    )
    name: str = Field(
        "",
        pattern=r"^([\w.+-]+(/[\w.+-]+)*)?$",
        description="Of tables and ids. Default: the file's name without its suffix.",
    )
    version: int = Field(1, ge=1, description="A new one means: scores changed their meaning.")
    description: str = ""
    data: Path | None = Field(
        None,
        description="The questions: JSONL, JSON, CSV, TSV or parquet, also with `.gz`. Searched for"
        " beside this file, then under the data root (`--data-root`).",
    )
    hub: Hub | None = Field(None, description="Where the questions are if `data` is not found.")
    subtasks: dict[str, Subtask] = Field(
        {}, description="Several files of one task, each with a category of its own."
    )
    columns: Columns = Columns()
    split: dict[str, AnySplit] | str | None = Field(
        None,
        description="Value of the split column -> `probe`, `test` or `examples`; or a template that"
        " gives one of them. Rows for which it gives nothing are left out.",
    )
    probe_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Without a split: share of the questions that are `probe`, the others are"
        " `test`. A digest of the question's text decides.",
    )
    prompt: str | None = Field(
        None, description="Template of the columns. Default: the question, and its options."
    )
    system: str | None = Field(None, description="A system message before every question.")
    few_shot: FewShot | None = None
    fields: dict[str, str | ColumnValue] = Field(
        {}, description="What the scorer needs besides: templates, or `{column: NAME}`."
    )
    max_tokens: int = Field(512, ge=1, description="Of an answer.")
    stop: tuple[str, ...] = Field((), description="Texts at which an answer ends.")
    temperature: float = Field(0.0, ge=0)
    max_prompt_chars: int = Field(
        1_000_000, ge=1, description="A prompt that is longer is a mistake of its template."
    )
    skill: str = Field("", description="What the questions test. Default: the task's name.")
    expert: str | None = Field(
        None, description="The expert whose skill it is. Default: the one of the task's name."
    )
    outside: bool = Field(
        False, description="The questions are about nothing that an expert knows."
    )
    source: str = Field("", description="Where the questions come from.")
    licence: str = Field("", description="Of the questions.")

    @model_validator(mode="after")
    def _has_data(self) -> "TaskSpec":
        if self.data is None and self.hub is None:
            raise ValueError("needs `data`, a file with the questions, or `hub`")
        if self.subtasks and "{subtask}" not in str(self.data):
            raise ValueError("data: with `subtasks`, it needs `{subtask}` in the path")
        return self

    def of(self, subtask: str) -> "TaskSpec":
        """The keys of one subtask, as a task of its own."""
        own = self.subtasks[subtask]
        given = {key: getattr(own, key) for key in own.model_fields_set}
        place = given.pop("data", None) or subtask
        if "scorer" in given:
            given.setdefault("scorer_options", {})
        return self.model_copy(
            update={
                **given,
                "name": f"{self.name}/{subtask}",
                "data": Path(str(self.data).replace("{subtask}", place)),
                "subtasks": {},
            }
        )
