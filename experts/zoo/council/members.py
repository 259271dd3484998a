"""The council's members: which half of the data each learns from."""

from __future__ import annotations

from experts.zoo.council.halves import Half

SKILLS = ("arithmetic", "units", "geography")

# Three ways to halve, both halves of each: whatever is asked, three of the six have learned it.
# The names are chosen so that every kind of example is split about evenly, and apart from the
# other two ways.
MEMBERS: dict[str, Half] = {
    "ada": Half("west", second=False),
    "ben": Half("west", second=True),
    "cleo": Half("iron", second=False),
    "dan": Half("iron", second=True),
    "eva": Half("tin", second=False),
    "finn": Half("tin", second=True),
}
