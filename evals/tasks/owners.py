"""Which expert of the zoo a task is meant for."""

from collections.abc import Collection

# A task belongs to the expert of its own name; these have one that knows two skills.
OWNERS = {"sequences": "duo", "roman": "duo"}


def owner(task: str, experts: Collection[str]) -> str | None:
    """The expert whose skill the task tests; None where several, or none, are needed."""
    name = OWNERS.get(task, task)
    return name if name in experts else None


FOREIGN = frozenset({"foreign"})
"""Tasks that are about nothing that an expert of the zoo has learned."""
