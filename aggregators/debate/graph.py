"""The communication graph of a debate: which agent hears which. Pure."""

from typing import Literal

Graph = Literal["full", "ring", "star"]


def hears(graph: Graph, count: int) -> list[tuple[int, ...]]:
    """For each of `count` agents, those it hears: all, its neighbours in a ring, or the first.

    Sparse graphs cost up to 40 % fewer tokens at equal accuracy (arXiv 2406.11776), with the
    strongest agent, the first one, where most edges meet.
    """
    agents = range(count)
    if graph == "ring" and count > 3:
        return [tuple(sorted({(i - 1) % count, (i + 1) % count})) for i in agents]
    if graph == "star":
        return [tuple(agents[1:]), *((0,) for _ in agents[1:])][:count]
    return [tuple(other for other in agents if other != i) for i in agents]
