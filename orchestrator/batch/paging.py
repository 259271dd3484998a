"""Lists in pages, as OpenAI has them: `after` an id, `limit`, oldest or newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from experts.errors import RequestError


class Listed(Protocol):
    """What lists hold."""

    @property
    def id(self) -> str: ...

    @property
    def created_at(self) -> int: ...

    def to_json(self) -> dict[str, Any]: ...


Item = TypeVar("Item", bound=Listed)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list."""

    items: Sequence[Item]
    more: bool

    def to_json(self) -> dict[str, Any]:
        """OpenAI's list object."""
        return {
            "object": "list",
            "data": [item.to_json() for item in self.items],
            "first_id": self.items[0].id if self.items else None,
            "last_id": self.items[-1].id if self.items else None,
            "has_more": self.more,
        }


def page(items: Sequence[Item], after: str | None, limit: int, *, newest: bool) -> Page[Item]:
    """The `limit` items that follow the one whose id is `after`. Raises RequestError."""
    ordered = sorted(items, key=lambda item: (item.created_at, item.id), reverse=newest)
    start = 0
    if after is not None:
        places = [place for place, item in enumerate(ordered) if item.id == after]
        if not places:
            raise RequestError(f"`after`: nothing in the list is called `{after}`.", param="after")
        start = places[0] + 1
    return Page(ordered[start : start + limit], start + limit < len(ordered))
