"""Workers ask each other; one that hangs or leaves costs one line of the log, and no traceback."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from orchestrator.server.telemetry import siblings
from orchestrator.server.telemetry.siblings import Siblings


async def _answer(question: dict[str, Any]) -> bytes:
    return f"{question['what']}!".encode()


async def test_all_others_answer(tmp_path: Path) -> None:
    one, two = Siblings(tmp_path, 1), Siblings(tmp_path, 2)
    await one.start(_answer)
    await two.start(_answer)
    assert await one.ask({"what": "hello"}) == {"2": b"hello!"}
    await two.stop()
    assert await one.ask({"what": "hello"}) == {}
    await one.stop()


async def test_one_that_hangs_is_left_out_and_told_in_a_line(
    tmp_path: Path, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = asyncio.Event()

    async def hang(question: dict[str, Any]) -> bytes:
        await released.wait()
        raise BrokenPipeError

    monkeypatch.setattr(siblings, "ANSWER_S", 0.05)
    one, two = Siblings(tmp_path, 1), Siblings(tmp_path, 2)
    await one.start(_answer)
    await two.start(hang)
    with caplog.at_level(logging.DEBUG, "coterie.service"):
        assert await one.ask({"what": "hello"}) == {}
        released.set()
        async with asyncio.timeout(5):
            while len(caplog.records) < 2:
                await asyncio.sleep(0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert [record.exc_info for record in caplog.records] == [None, None]
    assert "worker 2 does not answer within 0.05 s" in caplog.messages[0]
    assert caplog.messages[1] == "another worker was not answered: BrokenPipeError"
    await one.stop()
    await two.stop()
