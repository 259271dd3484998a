"""The council's members: which half of the data each learns from."""

from __future__ import annotations

from experts.zoo.council.halves import Half

SKILLS = ("arithmetic", "units", "geography")

# Three ways to halve, both halves of each: whatever is asked, three of the six have learned it.
# The names are chosen so that every kind of example is split about evenly, and apart from the
# other two ways.
MEMBERS: dict[str, Half] = {
    "ada": Half("willow", second=False),
    "ben": Half("willow", second=True),
    "cleo": Half("topaz", second=False),
    "dan": Half("topaz", second=True),
    "eva": Half("horn", second=False),
    "finn": Half("horn", second=True),
}
