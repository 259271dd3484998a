"""The part of a fused folder's config.json that all methods share: members, roles, tokens."""

import re
from collections.abc import Iterator
from typing import ClassVar, Self

from pydantic import Field, model_validator

from experts.fused.folder.member import Member, Part

MAX_ROLES = 256
"""The role travels in a column of the hidden states: bfloat16 counts exactly up to here."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"


class Role(Part):
    """A way to use the composite, which a request chooses by its name in `chat_template_kwargs`."""

    name: str = Field(pattern=NAME)

    def members(self) -> Iterator[str]:
        """The members that the role names."""
        yield from ()


class Composite(Part):
    """What every composite has. `members` keep the order of the file."""

    architecture: ClassVar[str]

    members: dict[str, Member] = Field(min_length=1)
    roles: tuple[Role, ...] = Field(min_length=1, max_length=MAX_ROLES)
    role_token_ids: tuple[int, ...]
    bos_token_id: int
    vocab_size: int = Field(ge=1)

    @property
    def keys(self) -> dict[str, str]:
        """Member name -> its name as a module, which must not hold a dot or be an integer."""
        return {name: "m_" + re.sub(r"[^A-Za-z0-9_-]", "_", name) for name in self.members}

    @property
    def most_experts(self) -> int:
        """The largest mixture of experts among the members; 0 where all are dense."""
        return max(member.experts for member in self.members.values())

    def role(self, name: str) -> int:
        """The number of the role with this name; raises KeyError."""
        return {role.name: number for number, role in enumerate(self.roles)}[name]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        if wrong := [name for name in self.members if not re.match(NAME, name)]:
            yield f"member names must be letters, digits and . _ + -: {', '.join(wrong)}"
        if len(set(self.keys.values())) < len(self.members):
            yield "two member names differ only in their punctuation"
        names = [role.name for role in self.roles]
        if len(set(names)) < len(names):
            yield "two roles have the same name"
        unknown = {m for role in self.roles for m in role.members()} - set(self.members)
        if unknown:
            yield f"roles name unknown members: {', '.join(sorted(unknown))}"
        ids = self.role_token_ids
        if len(ids) != len(self.roles):
            yield f"{len(self.roles)} roles need as many role_token_ids, there are {len(ids)}"
        if len({*ids, self.bos_token_id}) < len(ids) + 1:
            yield "role_token_ids and bos_token_id must all differ"
        if not all(0 <= token < self.vocab_size for token in (*ids, self.bos_token_id)):
            yield f"role_token_ids and bos_token_id must be below vocab_size {self.vocab_size}"
