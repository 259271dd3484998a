"""Everything that experts can be trained on, by name: skills, and prompt formats made of them."""

from __future__ import annotations

from experts.zoo.council.examples import COUNCIL_FORMATS
from experts.zoo.format_examples import FORMATS
from experts.zoo.skills.base import Skill
from experts.zoo.skills.registry import SKILLS

SOURCES: dict[str, Skill] = {**SKILLS, **FORMATS, **COUNCIL_FORMATS}
