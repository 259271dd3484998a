"""As JSON, whatever is logged while a request is worked for says which one that is."""

import io
import json
import logging
from typing import Any

import pytest

from orchestrator.cli.logs import JsonFormatter

PARENT = f"00-{'1' * 32}-{'2' * 16}-01"
HI = [{"role": "user", "content": "x"}]


class _Told(logging.StreamHandler[io.StringIO]):
    """The lines of one format, as every record makes them where it is logged."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__(io.StringIO())
        self.setFormatter(formatter)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def told() -> Any:
    handler = _Told(JsonFormatter())
    names = ("coterie.access", "coterie.server", "coterie.residency", "coterie.experts")
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


async def test_every_record_of_a_request_has_its_ids(serve: Any, told: _Told) -> None:
    gateway = await serve(routers={"one": _Broken()})
    for name, model in (("log-1", "tiny"), ("log-2", "pool/auto")):
        headers = {"x-request-id": name, "traceparent": PARENT}
        body = {"model": model, "messages": HI}
        await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    await gateway.http.get("/v1/models", headers={"x-request-id": "log-3"})
    await gateway.settled()
    found = [json.loads(line) for line in told.lines]
    of = {name: [r for r in found if r["request_id"] == name] for name in ("log-1", "log-2")}
    assert all(record["trace_id"] == "1" * 32 for records in of.values() for record in records)
    assert {r["logger"] for r in of["log-1"]} == {"coterie.access"}
    (other,) = [record for record in found if record["request_id"] == "log-3"]
    assert "trace_id" not in other
    assert other["path"] == "/v1/models"


async def test_a_load_is_nobodys(serve: Any, told: _Told) -> None:
    hosted = {"type": "vllm", "model": "org/h"}
    gateway = await serve({"hosted": hosted}, slots={"preload": False, "canary_tokens": 0})
    await gateway.chat("x", "hosted")
    records = [json.loads(line) for line in told.lines]
    loads = [record for record in records if record["logger"] == "coterie.residency"]
    assert loads
    assert not any("request_id" in record for record in loads)


class _Broken:
    """A router with a fault."""

    name = "one"

    def route(self, requests: Any) -> list[Any]:
        raise ValueError("a fault")
