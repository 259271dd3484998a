"""Every skill that an adapter is trained for, by name."""

from __future__ import annotations

from experts.real.skills import conversions, extraction, problems
from experts.real.skills.lesson import LessonSkill

SKILLS: dict[str, LessonSkill] = {
    skill.name: skill for skill in (conversions.SKILL, extraction.SKILL, problems.SKILL)
}
