"""`coterie ps` and the pool's metrics: what a snapshot becomes."""

import asyncio
import json
from copy import deepcopy
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from experts.errors import ServiceError
from orchestrator.cli.ps import fetch, ps
from orchestrator.server.telemetry.pool_metrics import PoolCollector

ENGINE = {
    "count": 2,
    "seconds": 1.5,
    "memory_gb": 0.5,
    "experts": ["math"],
    "waiting": 0,
    "oldest_s": 0.0,
    "load_s": 1.25,
    "wake_s": 0.5,
    "leave_s": 0.05,
    "service_s": 0.75,
    "evictions": 1,
    "failures": 0,
    "failed": None,
    "retry_in_s": 0.0,
    "saved": 3,
    "leaked_gb": 0.0,
    "limits": None,
    "measured": ["load_s", "memory_gb"],
    "adapters": [],
    "roles": [],
    "refused": {},
}
WELL = {"state": "closed", "opened": 0, "retry_in_s": 0.0, "reason": ""}
LIMITS = {"dtype": "float32", "max_model_len": 8192, "kv_tokens": 11520}
POOL: dict[str, Any] = {
    "slots": [
        {
            "id": "slot-0",
            "node": None,
            "up": True,
            "reached": True,
            "wanted": True,
            "memory_gb": 1.5,
            "budget_gb": 4.0,
            "restarts": 0,
            "cuts": 0,
            "asks": 0,
            "running": {"math": 3},
            "residents": ["math"],
            "replicas": [
                {"engine": "math", "phase": "ready", "in_use": 3},
                {"engine": "words", "phase": "loading", "in_use": 0},
            ],
            "asleep": ["law"],
            "doing": "loading words 2.1 s",
        },
        {
            "id": "slot-1",
            "node": "10.0.0.7",
            "up": False,
            "reached": True,
            "wanted": True,
            "memory_gb": 0.0,
            "budget_gb": 4.0,
            "restarts": 7,
            "cuts": 1,
            "asks": 2,
            "running": {},
            "residents": [],
            "replicas": [],
            "asleep": [],
            "doing": None,
        },
    ],
    "loads": {
        "math": {**ENGINE, "limits": LIMITS},
        "words": {
            **ENGINE,
            "experts": ["words", "poet", "cipher", "codes"],
            "adapters": ["cipher", "codes"],
            "roles": ["poet"],
            "waiting": 4,
            "oldest_s": 2.125,
            "measured": ["load_s", "service_s"],
            "refused": {"codes": "its rank is [too] high."},
        },
        "law": {**ENGINE, "experts": ["law"], "measured": []},
        "art": {
            **ENGINE,
            "experts": ["art"],
            "failed": "no such [dtype]",
            "failures": 2,
            "retry_in_s": 8.0,
            "leaked_gb": 0.25,
        },
    },
    "queued": {"math": 0, "words": 4, "cipher": 0, "codes": 0, "law": 0, "art": 0, "far": 9},
    "breakers": {
        **dict.fromkeys(("math", "words", "cipher", "codes", "poet", "law", "art"), WELL),
        "far": {"state": "open", "opened": 3, "retry_in_s": 4.2, "reason": "It [broke]."},
    },
}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Prints a snapshot and returns the lines, split at blanks."""

    def show(snapshot: Any) -> list[list[str]]:
        monkeypatch.setattr("orchestrator.cli.ps.fetch", lambda url, api_key: snapshot)
        ps("http://here", None, as_json=False)
        return [line.split() for line in capsys.readouterr().out.splitlines()]

    return show


def _line(lines: list[list[str]], *beginning: str) -> str:
    (found,) = [line for line in lines if line[: len(beginning)] == list(beginning)]
    return " ".join(found)


def test_slots_show_what_they_hold(shown: Any) -> None:
    lines = shown(POOL)
    assert _line(lines, "slot-0", "up") == "slot-0 up 1.50 of 4 math ready 3"
    assert _line(lines, "words", "loading") == "words loading 0"
    assert _line(lines, "law", "asleep") == "law asleep"
    assert _line(lines, "slot-1") == "slot-1 down on 10.0.0.7, 7 restarts 0.00 of 4"
    assert _line(lines, "slot-0", "is") == "slot-0 is loading words 2.1 s"


def test_a_slot_that_nobody_reaches_says_so_and_one_that_is_not_wanted_has_no_row(
    shown: Any,
) -> None:
    pool = deepcopy(POOL)
    pool["slots"][1]["reached"] = False
    pool["slots"].append({**pool["slots"][1], "id": "slot-2", "wanted": False})
    lines = shown(pool)
    assert _line(lines, "slot-1").startswith("slot-1 out of reach on 10.0.0.7, 7 restarts")
    assert not [line for line in lines if line[:1] == ["slot-2"]]
    assert _line(lines, "2").startswith("2 of at most 3 slots are asked for")


def test_every_expert_has_a_row(shown: Any) -> None:
    lines = shown(POOL)
    assert _line(lines, "math", "own") == "math own engine 0.50 0 ready in slot-0"
    assert _line(lines, "words", "own") == "words own engine ~0.50 4 2.1 loading in slot-0"
    assert _line(lines, "poet") == "poet role of words 0 loading in slot-0"
    assert _line(lines, "cipher") == "cipher adapter of words 0 loading in slot-0"
    assert _line(lines, "codes", "adapter") == "codes adapter of words 0 failed"
    assert _line(lines, "law", "own").endswith("asleep in slot-0")
    assert _line(lines, "art", "own").endswith("failed")
    assert _line(lines, "far", "remote") == "far remote 9 not asked"


def test_costs_that_were_not_measured_are_not_made_up(shown: Any) -> None:
    lines = shown(POOL)
    assert _line(lines, "math", "2") == "math 2 1 1.25 - -"
    assert _line(lines, "words", "2") == "words 2 1 1.25 - 0.75"
    assert _line(lines, "law", "2") == "law 2 1 - - -"


def test_why_something_failed_is_a_line_of_its_own(shown: Any) -> None:
    lines = shown(POOL)
    assert _line(lines, "art", "failed:") == "art failed: no such [dtype] (again in 8 s)"
    assert _line(lines, "codes", "failed:") == (
        "codes failed: its rank is [too] high. (again with the next load of words)"
    )
    assert _line(lines, "far", "is") == "far is not asked: It [broke]. (again in 4 s)"


@pytest.mark.parametrize("width", [80, 120])
def test_no_row_is_broken(shown: Any, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """A broken row would be another line than in a terminal that is wide enough."""
    monkeypatch.setattr("orchestrator.cli.tables.PLAIN_WIDTH", 300)
    wide = shown(POOL)
    monkeypatch.setattr("orchestrator.cli.tables.PLAIN_WIDTH", width)
    assert shown(POOL) == wide


def test_a_pool_of_remote_experts_has_one_table(shown: Any) -> None:
    snapshot = {"slots": [], "loads": {}, "queued": {"far": 2}, "breakers": {"far": WELL}}
    assert shown(snapshot)[-1] == ["far", "remote", "2"]


@pytest.mark.parametrize("snapshot", [{}, {"slots": [{"id": "slot-0"}], "loads": {}, "queued": {}}])
def test_what_another_version_tells_is_no_traceback(shown: Any, snapshot: Any) -> None:
    with pytest.raises(ServiceError, match="lacks what this version shows"):
        shown(snapshot)


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_a_running_service_is_asked(
    serve: Any, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    hosted = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}
    keys = {"me": {"key": "sk-one"}}
    gateway = await serve({"hosted": hosted}, slots={"canary_tokens": 0}, server={"api_keys": keys})
    await asyncio.to_thread(ps, gateway.base_url + suffix, "sk-one", False)
    out = capsys.readouterr().out
    assert "hosted" in out
    assert "ready in slot-0" in out
    await asyncio.to_thread(ps, gateway.base_url + suffix, "sk-one", True)
    assert json.loads(capsys.readouterr().out)["slots"][0]["residents"] == ["hosted"]
    with pytest.raises(ServiceError, match="requires an API key: give one with --api-key"):
        await asyncio.to_thread(fetch, gateway.base_url + suffix, None)


@pytest.mark.parametrize("path", ["/e/tiny", "/nowhere"])
async def test_what_is_no_coterie_is_said(gateway: Any, path: str) -> None:
    with pytest.raises(ServiceError, match="answered HTTP 404"):
        await asyncio.to_thread(fetch, gateway.base_url + path, None)


@pytest.mark.parametrize("url", ["here", "http://", "http://[", "ftp://127.0.0.1", "http://\n"])
def test_an_url_that_is_none_is_one_line(url: str) -> None:
    with pytest.raises(ServiceError, match=r"[^.]\. (One begins with|Start one with) "):
        fetch(url, None)


def test_where_nobody_listens_is_one_sentence() -> None:
    with pytest.raises(ServiceError, match=r"[^.]\. Start one with") as wrong:
        fetch("http://127.0.0.1:9", None)
    assert ".." not in str(wrong.value)


# The same snapshot for Prometheus.


def _scrape(collector: PoolCollector) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    registry.register(collector)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, next(iter(sample.labels.values()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_show_engines_and_slots() -> None:
    found = _scrape(PoolCollector(lambda: POOL))
    assert found["coterie_loads_total", "math"] == 2
    assert found["coterie_evictions_total", "math"] == 1
    assert found["coterie_load_failures_total", "art"] == 2
    assert found["coterie_saved_loads_total", "math"] == 3
    assert found["coterie_load_estimate_seconds", "math"] == 1.25
    assert found["coterie_wake_estimate_seconds", "math"] == 0.5
    assert found["coterie_queue_depth", "words"] == 4
    assert found["coterie_queue_oldest_seconds", "words"] == 2.125
    assert found["coterie_leaked_bytes", "art"] == 0.25 * 2**30
    assert found["coterie_slot_memory_bytes", "slot-0"] == 1.5 * 2**30
    assert found["coterie_slot_budget_bytes", "slot-1"] == 4 * 2**30
    assert (found["coterie_slot_up", "slot-0"], found["coterie_slot_up", "slot-1"]) == (1, 0)
    assert found["coterie_slot_restarts_total", "slot-1"] == 7
    assert found["coterie_slot_cuts_total", "slot-1"] == 1
    assert found["coterie_slot_asks_total", "slot-1"] == 2


def test_of_a_slot_that_is_not_wanted_only_that_is_told() -> None:
    pool = deepcopy(POOL)
    pool["slots"][1]["wanted"] = False
    found = _scrape(PoolCollector(lambda: pool))
    assert ("coterie_slot_up", "slot-1") not in found
    wanted = [found["coterie_slot_wanted", f"slot-{n}"] for n in (0, 1)]
    assert wanted == [1, 0]


def test_a_counter_never_shrinks() -> None:
    pool = deepcopy(POOL)
    collector = PoolCollector(lambda: pool)
    _scrape(collector)
    pool["loads"]["math"]["saved"] = 1
    assert _scrape(collector)["coterie_saved_loads_total", "math"] == 3
    pool["loads"]["math"]["saved"] = 5
    assert _scrape(collector)["coterie_saved_loads_total", "math"] == 5


async def test_a_scrape_shows_the_pool(serve: Any) -> None:
    hosted = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}
    gateway = await serve({"hosted": hosted}, slots={"canary_tokens": 0})
    text = (await gateway.http.get("/metrics")).text
    assert 'coterie_loads_total{engine="hosted"} 1.0' in text
    assert 'coterie_slot_up{slot="slot-0"} 1.0' in text


def test_how_an_engine_was_started_is_shown(shown: Any) -> None:
    lines = shown(POOL)
    assert _line(lines, "math", "float32") == "math float32 8,192 11,520"
    assert not [line for line in lines if line[:1] == ["law"] and "float32" in line]
