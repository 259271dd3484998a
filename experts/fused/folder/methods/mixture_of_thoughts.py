"""What the config.json of a Mixture of Thoughts says (arXiv 2509.21164)."""

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from experts.fused.folder.composite import MAX_ROLES, Composite, Role

PAST_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256)
"""Head sizes for which vLLM's attention kernels on every device keep a KV cache."""


def past_problem(attention: str, size: int) -> str | None:
    """Why vLLM cannot serve a Mixture of Thoughts whose heads have `size` numbers; None: it can."""
    if attention != "sequence" or size in PAST_SIZES:
        return None
    sizes = ", ".join(map(str, PAST_SIZES))
    return f"heads of {size} numbers have no KV cache in vLLM, which supports {sizes}"


class ThoughtsRole(Role):
    """Mixture of Thoughts (arXiv 2509.21164): who takes part in an answer, and who speaks."""

    primary: str
    active: tuple[str, ...]
    """The members that are heard, the primary among them; alone, it is the plain member."""

    def members(self) -> Iterator[str]:
        yield self.primary
        yield from self.active

    @model_validator(mode="after")
    def _primary_is_active(self) -> Self:
        if self.primary not in self.active:
            raise ValueError(f"the primary {self.primary} is not among the active members")
        return self


class MixtureOfThoughts(Composite):
    """Members cut into stacks of layers, with interaction layers between them."""

    architecture: ClassVar[str] = "CoterieMixtureOfThoughts"
    roles: tuple[ThoughtsRole, ...] = Field(min_length=1, max_length=MAX_ROLES)
    stacks: int = Field(ge=2, le=64)
    places: tuple[int, ...] = Field(min_length=1)
    """The stacks, from 0, after which members interact."""
    shared_width: int = Field(ge=1)
    heads: int = Field(ge=1)
    attention: Literal["positionwise", "sequence"] = "positionwise"
    """Over the members at a position, or over all their positions up to it."""
    listeners: tuple[str, ...] = ()
    """Members with tokenizers of their own: they are heard, never speak, and vLLM cannot run
    them beside the others (`experts/fused/torch_engine`)."""

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        if list(self.places) != sorted({*self.places}):
            yield "places must be in ascending order"
        if not all(0 <= place < self.stacks for place in self.places):
            yield f"places must be stacks from 0 to {self.stacks - 1}"
        if self.shared_width % self.heads:
            yield f"shared_width {self.shared_width} is not a multiple of {self.heads} heads"
        problem = past_problem(self.attention, self.shared_width // self.heads)
        if problem and not self.listeners:
            yield problem
        if unknown := set(self.listeners) - set(self.members):
            yield f"listeners name unknown members: {', '.join(sorted(unknown))}"
        if any(role.primary in self.listeners for role in self.roles):
            yield "a listener cannot be the primary of a role"
