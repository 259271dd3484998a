"""What clients can bring about at will is told rarely, and connections fit into the open files."""

import asyncio
import logging
import resource
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.server.wire import bounds
from orchestrator.server.wire.bounds import OWN_FILES, Count, connections_within

FILES = resource.RLIMIT_NOFILE


@pytest.fixture
def soft() -> Iterator[int]:
    """A soft limit below the hard one; both as before afterwards."""
    before = resource.getrlimit(FILES)
    low = min(before[0], 2048)
    resource.setrlimit(FILES, (low, before[1]))
    yield low
    resource.setrlimit(FILES, before)


def test_the_limit_of_open_files_is_raised_to_where_it_may(soft: int) -> None:
    assert connections_within(10) == 10
    assert resource.getrlimit(FILES)[0] == min(resource.getrlimit(FILES)[1], bounds.MOST_FILES)


def test_clients_get_half_of_the_files_at_most(soft: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(bounds, "MOST_FILES", soft)  # Else a process could never go back.
    assert connections_within(1 << 30) == (soft - OWN_FILES) // 2


async def test_a_count_is_told_at_once_and_then_together(caplog: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(bounds, "REPORT_S", 0.02)
    told = Count("%d of them")
    with caplog.at_level(logging.WARNING, "coterie.server"):
        for _ in range(4):
            told.add()
        assert caplog.messages == ["1 of them"]
        async with asyncio.timeout(5):
            while len(caplog.messages) < 2:
                await asyncio.sleep(0)
        assert caplog.messages == ["1 of them", "3 of them"]
