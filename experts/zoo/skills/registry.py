"""Every skill of the zoo by name."""

from __future__ import annotations

from experts.zoo.skills import (
    arithmetic,
    cipher,
    foreign,
    geography,
    logic,
    roman,
    sequences,
    strings,
    translation,
    two_skill,
    units,
)
from experts.zoo.skills.base import Skill

SKILLS: dict[str, Skill] = {
    "arithmetic": arithmetic.SKILL,
    "strings": strings.SKILL,
    "units": units.SKILL,
    "logic": logic.SKILL,
    "geography": geography.SKILL,
    "translation": translation.SKILL,
    "sequences": sequences.SKILL,
    "roman": roman.SKILL,
    "cipher": cipher.SKILL,
    "two_skill": two_skill.SKILL,
    "foreign": foreign.SKILL,
}
# What a single expert can be trained on; the other two have no expert of their own.
SINGLE_SKILLS = tuple(name for name in SKILLS if name not in ("two_skill", "foreign"))
