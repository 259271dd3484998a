"""What the config.json of a FusionRoute says (arXiv 2601.05106 v5, section 2)."""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from experts.fused.folder.composite import MAX_ROLES, Composite, Role

NO_EXPERT = "none"
"""What a role says where no expert is added to the router's own logits."""
MOST_SPEAKERS = 900
"""How many experts the log-probability of a role token can tell apart (`speaker.py`)."""


class RouteRole(Role):
    """FusionRoute (arXiv 2601.05106, section 2): the router picks an expert for every token."""

    expert: str | None = None
    """None: the expert of the largest routing weight; a name: that one; "none": no expert."""
    router_logits: bool = True
    """Whether the router's own logits are added."""

    def members(self) -> Iterator[str]:
        if self.expert not in (None, NO_EXPERT):
            yield str(self.expert)

    @model_validator(mode="after")
    def _somebody_speaks(self) -> Self:
        if self.expert == NO_EXPERT and not self.router_logits:
            raise ValueError("neither an expert nor the router would speak")
        return self


class FusionRoute(Composite):
    """A router LM and a linear head that picks an expert per token."""

    architecture: ClassVar[str] = "CoterieFusionRoute"
    roles: tuple[RouteRole, ...] = Field(min_length=1, max_length=MAX_ROLES)
    router: dict[str, Any]

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        if NO_EXPERT in self.members:
            yield f'no member may be called "{NO_EXPERT}"'
        if len(self.members) > MOST_SPEAKERS:
            yield f"at most {MOST_SPEAKERS} members"
