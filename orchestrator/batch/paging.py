"""Lists in pages, as OpenAI has them: `after` an id, `limit`, oldest or newest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from experts.errors import RequestError
from orchestrator.store.base import Store

READ_AT_ONCE = 256
"""Items that are read in one step."""


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


async def page(
    store: Store,
    prefix: str,
    after: str | None,
    limit: int,
    *,
    newest: bool,
    read: Callable[[Any], Item],
    wanted: Callable[[Item], bool] = lambda item: True,
) -> Page[Item]:
    """The `limit` items that follow the one whose id is `after`, of those whose keys begin so.

    No more of them are read than it takes. Raises RequestError where no item is called `after`.
    """
    last = None if after is None else prefix + after
    if last is not None and await store.get(last) is None:
        raise RequestError(f"`after`: nothing in the list is called `{after}`.", param="after")
    found: list[Item] = []
    while len(found) <= limit:
        some = await store.items(prefix, last, READ_AT_ONCE, newest)
        found += [item for item in (read(value) for _, value in some) if wanted(item)]
        if len(some) < READ_AT_ONCE:
            break
        last = some[-1][0]
    return Page(found[:limit], len(found) > limit)
