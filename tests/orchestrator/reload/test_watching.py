"""A file is read when it has changed and then stayed as it is."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.errors import ConfigError
from orchestrator.reload.watching import Settled, watch


@given(st.lists(st.sampled_from("abc")), st.sampled_from("abc"))
def test_every_content_that_stays_is_taken_once(looks: Sequence[str], first: str) -> None:
    settled, taken, last = Settled(first), [first], first
    for now in looks:
        if settled.look(now):
            assert now == last, "it was seen twice in a row"
            assert now != taken[-1], "and is not the one that was taken last"
            taken.append(now)
        last = now
    assert not settled.look(last) or last != taken[-1]
    assert not settled.look(last)


class Ended(Exception):
    """The test has seen enough."""


async def test_a_reload_that_fails_is_tried_again_when_the_file_changes() -> None:
    stamps = iter("aabbbcc")
    reloads, looks = [], 0

    async def reload() -> None:
        reloads.append(looks)
        raise ConfigError("wrong") if len(reloads) == 1 else OSError("odd")

    async def pause() -> None:
        nonlocal looks
        looks += 1
        if looks == 7:
            raise Ended
        await asyncio.sleep(0)

    with pytest.raises(Ended):
        await watch(lambda: next(stamps), reload, pause, next(stamps))
    assert reloads == [3, 6]
