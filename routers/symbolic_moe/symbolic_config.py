"""The keys of a Symbolic-MoE router."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from experts.prompts import read_template
from routers.base import Tagging
from routers.fitted.fitted_config import FittedConfig
from routers.symbolic_moe.recruiting import Mode

PROMPT = Path(__file__).parent / "tagger.txt"


class SymbolicConfig(FittedConfig):
    """The keys of a Symbolic-MoE router."""

    type: Literal["symbolic_moe"]
    tagger: str | None = Field(
        None,
        description="The expert that `coterie profile` asks for the skills of the probe questions;"
        " without it, a question's task is its skill.",
    )
    tagger_prompt: Path | None = Field(
        None, description="A text file with the field {question}; by default a built-in prompt."
    )
    temperature: float = Field(0.7, ge=0, description="Sampling temperature of the tagger.")
    max_tokens: int = Field(64, ge=1, description="Most tokens of one of the tagger's samples.")
    tag_requests: bool = Field(
        False,
        description="Also ask the tagger about every request; otherwise a request's skills are"
        " those of the nearest labelled questions, which costs nothing.",
    )
    samples: int = Field(
        5,
        ge=2,
        le=64,
        description="Number of the tagger's samples, or of nearest labelled questions; a skill"
        " counts if at least two of them name it.",
    )
    floor: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="Smallest cosine at which a labelled question, or a skill, counts as similar.",
    )
    leads: Path | None = Field(
        None,
        description="A file that `coterie profile` wrote: which expert merges answers best, by"
        " task.",
    )
    mode: Mode = Field(
        "best",
        description="How experts are recruited: `best` takes the most accurate in the question's"
        " skills; `paper` and `code` draw, as the paper and its released code do.",
    )
    experts: int = Field(3, ge=1, le=64, description="Number of experts that are recruited.")
    least_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="In mode `best`, an expert with less than this share of the best one's accuracy"
        " in the skills is not recruited, even if the panel is smaller then.",
    )
    agreement_weight: float = Field(
        0.0,
        ge=0,
        le=10,
        description="In mode `best`, what an expert's accuracy is reduced by for erring on the same"
        " questions as another one of the panel: this times their errors' correlation.",
    )
    neighbours: int = Field(
        0,
        ge=0,
        le=1024,
        description="In mode `best`, how many of the most similar profiled questions are looked at,"
        " too: how an expert did on them counts beside its accuracy in the skills, which cannot"
        " tell experts apart that know different parts of a skill; 0: skills alone.",
    )
    skill_weight: float = Field(
        1.0,
        gt=0,
        description="Weight of the accuracy in the skills beside those `neighbours`, of which one"
        " with the same words weighs 1.",
    )
    distinct: bool = Field(
        True,
        description="Whether an expert is recruited only once. In the paper it may be drawn again;"
        " its further answers then have seeds and a temperature of their own.",
    )
    trim_below: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="An expert that would be in a smaller share of the panels for the probe"
        " questions is not recruited.",
    )
    prior_weight: float = Field(
        1.0,
        gt=0,
        description="Weight of an expert's overall mean in each skill, as a number of answers.",
    )
    seed: int = Field(
        0,
        description="In the modes that draw, the seed of the draws: another one recruits other"
        " experts for the same requests.",
    )

    @model_validator(mode="after")
    def _fits_the_mode(self) -> Self:
        if self.mode == "best" and not self.distinct:
            raise ValueError("distinct: false needs a draw: set mode to `paper` or `code`.")
        if self.mode != "best" and self.neighbours:
            raise ValueError("neighbours needs mode `best`: a draw goes by skills alone.")
        return self

    @model_validator(mode="after")
    def _keys_are_of_the_mode(self) -> Self:
        """A key that the mode does not read would promise what does not happen."""
        unread = ("seed",) if self.mode == "best" else ("least_share", "agreement_weight")
        if given := [key for key in unread if key in self.model_fields_set]:
            raise ValueError(
                f"mode `{self.mode}` does not read {' and '.join(given)}: leave"
                f" {'it' if len(given) == 1 else 'them'} out, or set another mode."
            )
        return self

    def problems(self, experts: Sequence[str]) -> tuple[str, ...]:
        """The tagger must be in the pool."""
        found = super().problems(experts)
        if self.tagger is not None and self.tagger not in experts:
            known = ", ".join(experts)
            return (*found, f"tagger: no expert is called `{self.tagger}` (known: {known}).")
        if self.tag_requests and self.tagger is None:
            return (*found, "tag_requests: needs the key `tagger`.")
        return found

    def tagging(self) -> Tagging | None:
        """How the tagger is asked, if there is one. Raises ConfigError for a bad prompt."""
        if self.tagger is None:
            return None
        prompt = read_template(self.tagger_prompt or PROMPT, ["question"])
        return Tagging(self.tagger, prompt, self.samples, self.temperature, self.max_tokens)
