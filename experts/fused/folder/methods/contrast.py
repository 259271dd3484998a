"""What the config.json of a contrast says (arXiv 2210.15097, arXiv 2401.08565)."""

import math
from collections.abc import Iterator
from typing import ClassVar, Self

from pydantic import Field, model_validator

from experts.fused.folder.composite import MAX_ROLES, Composite, Role


class ContrastRole(Role):
    """Contrastive decoding (arXiv 2210.15097) and proxy tuning (arXiv 2401.08565).

    z = z_plus + w (z_b - z_c), of the tokens that are plausible for `plus` alone.
    """

    plus: str
    minus: tuple[tuple[str, str], float] | None = None
    """((b, c), w); None is `plus` alone."""
    alpha: float = Field(0.0, ge=0, le=1)
    """A token is plausible at this share of the likeliest one's probability; 0: every token."""

    def members(self) -> Iterator[str]:
        yield self.plus
        if self.minus:
            yield from self.minus[0]

    @model_validator(mode="after")
    def _finite(self) -> Self:
        if self.minus and not math.isfinite(self.minus[1]):
            raise ValueError("the weight of `minus` must be a finite number")
        return self


class Contrast(Composite):
    """Logits of members, added and subtracted."""

    architecture: ClassVar[str] = "CoterieContrast"
    roles: tuple[ContrastRole, ...] = Field(min_length=1, max_length=MAX_ROLES)
