"""A request whose names are megabytes long gets a short answer, and short lines in the log."""

import logging
from typing import Any

import pytest

from orchestrator.cli.logs import JsonFormatter, TextFormatter

CHAT = "/v1/chat/completions"
MOST = 3000
HUGE = "y" * 1_000_000
SPACED = "y " * 500_000
HI = [{"role": "user", "content": "hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "model": {"model": HUGE, "messages": HI},
    "spaced": {"model": SPACED, "messages": HI},
    "key": {"model": "tiny", "messages": HI, HUGE: 1},
    "class": {"model": "tiny", "messages": HI, "coterie": {"class": HUGE}},
    "extension": {"model": "tiny", "messages": HI, "coterie": {HUGE: 1}},
    "expert": {"model": "pool/auto", "messages": HI, "coterie": {"experts": [HUGE]}},
    "router": {"model": "pool/auto", "messages": HI, "coterie": {"router": HUGE}},
}


def _lines(caplog: Any) -> list[str]:
    forms = (TextFormatter(), JsonFormatter())
    return [form.format(record) for record in caplog.records for form in forms]


@pytest.mark.parametrize("name", BODIES)
async def test_names_come_back_cut(gateway: Any, caplog: Any, name: str) -> None:
    with caplog.at_level(logging.INFO, "coterie"):
        answer = await gateway.http.post(CHAT, json=BODIES[name])
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["message"]
    assert len(answer.content) < MOST
    assert caplog.records
    assert max(map(len, _lines(caplog))) < MOST


async def test_paths_come_back_cut(gateway: Any, caplog: Any) -> None:
    with caplog.at_level(logging.INFO, "coterie"):
        for path in (HUGE[:60_000], f"v1/models/{HUGE[:60_000]}", f"e/{HUGE[:60_000]}/v1/models"):
            answer = await gateway.http.get(f"/{path}")
            assert answer.status_code == 404
            assert len(answer.content) < MOST
    assert max(map(len, _lines(caplog))) < MOST
