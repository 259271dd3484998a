"""What the config.json of a self-contrast says (SCMoE, arXiv 2405.14507)."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from experts.fused.folder.composite import MAX_ROLES, Composite, Role


class SelfContrastRole(Role):
    """SCMoE (arXiv 2405.14507): (1 + beta) z_strong - beta z_weak; beta 0 is the plain model."""

    beta: float = Field(0.5, ge=0, le=10)
    alpha: float = Field(0.1, ge=0, le=1)
    """As in `ContrastRole`; without effect where beta is 0."""
    rank: int = Field(2, ge=1)
    """The weak stream hears only the expert of the rank-th largest gate value, from 1."""


class SelfContrast(Composite):
    """A mixture of experts against itself with a weaker choice of experts."""

    architecture: ClassVar[str] = "CoterieSelfContrast"
    roles: tuple[SelfContrastRole, ...] = Field(min_length=1, max_length=MAX_ROLES)

    def _problems(self) -> Iterator[str]:
        yield from super()._problems()
        if len(self.members) != 1:
            yield f"self-contrast has one member, not {len(self.members)}"
        elif not self.most_experts:
            yield "self-contrast needs a mixture of experts; the member is dense"
        elif (rank := max(role.rank for role in self.roles)) > self.most_experts:
            yield f"a role has rank {rank}, but the member has only {self.most_experts} experts"
