"""`coterie plan`: a file of requests is read, routed and forecast, and nothing runs."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from experts.types import Request
from orchestrator.cli.batch_plan import count_tokens
from orchestrator.cli.main import run

HI = [{"role": "user", "content": "12345678"}]
REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
POOL: dict[str, Any] = {
    "experts": {
        "base": {"type": "vllm", "model": "org/base", "memory_gb": 2, "max_in_flight": 2},
        "adapter": {"type": "vllm", "model": "org/adapter", "adapter_of": "base"},
        "other": {"type": "vllm", "model": "org/other", "memory_gb": 3},
        "far": REMOTE,
    },
    "routers": {"one": {"type": "static", "expert": "other"}},
    "compositions": {"pool/auto": {"router": "one"}},
    "slots": {"memory_gb": 4, "engine_args": {"max_model_len": 100}},
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of lines: objects become JSON, texts stay as they are."""

    def write_file(*lines: Any) -> Path:
        path = tmp_path / "batch.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def plan(monkeypatch: Any, capsys: Any, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Runs `coterie plan FILE`: exit code, output, errors."""

    def call(file: Path, *arguments: str, pool: Any = POOL) -> tuple[int, str, str]:
        config = tmp_path / "pool.yaml"
        config.write_text(yaml.safe_dump(pool), encoding="utf-8")
        command = ["coterie", "plan", str(file), "--config", str(config), *arguments]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            run()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def _line(name: str, **body: Any) -> dict[str, Any]:
    url = "/v1/chat/completions" if "messages" in body else "/v1/completions"
    return {"custom_id": name, "method": "POST", "url": url, "body": body}


def _rows(out: str) -> list[str]:
    return [" ".join(line.split()) for line in out.splitlines()]


def test_a_batch_is_shared_out_over_engines(plan: Any, write: Any) -> None:
    file = write(
        _line("a", model="base", messages=HI, max_tokens=10),
        _line("b", model="base", messages=HI, max_tokens=10),
        _line("c", model="base", messages=HI, max_completion_tokens=10),
        "",
        {"model": "adapter", "prompt": [1, 2, 3], "max_tokens": 5},
        {"model": "pool/auto", "messages": HI},
        {"model": "far", "messages": HI},
    )
    code, out, err = plan(file)
    rows = _rows(out)
    assert (code, err) == (0, "")
    assert rows[0] == f"{file}: 6 requests for 3 engines, nothing is run"
    # Two letters of four make a token; three requests of an expert that takes two are two waves.
    assert "base 4 9 35 2.00 1.00 0.20 assumed base 3, adapter 1" in rows
    assert "other 1 2 98 3.00 1.00 0.10 assumed" in rows
    assert "far 1 2 over 0 remote" in rows
    assert "slot-0 0.00 1.20 base" in rows
    # `base` leaves in 0.05 s, since both together are larger than the slot.
    assert "slot-0 1.20 2.35 other base" in rows
    assert "2 loads, 2.35 s in all, from empty slots" in rows
    assert "4 letters each" in out


def test_the_forecast_as_json(plan: Any, write: Any) -> None:
    _, out, _ = plan(write(_line("a", model="base", messages=HI, max_tokens=10)), "--json")
    told = json.loads(out)
    (engine,) = told["engines"]
    assert (engine["engine"], engine["requests"], engine["new_tokens"]) == ("base", {"base": 1}, 10)
    assert (told["loads"], told["total_s"], told["order"][0]["slot"]) == (1, 1.1, 0)


def test_a_batch_for_remote_experts_loads_nothing(plan: Any, write: Any) -> None:
    code, out, _ = plan(write({"model": "far", "prompt": "x"}))
    assert code == 0
    assert "0 loads, 0.00 s in all" in out


def test_several_slots_share_the_loads(plan: Any, write: Any) -> None:
    file = write({"model": "base", "prompt": "x"}, {"model": "other", "prompt": "x"})
    _, out, _ = plan(file, pool={**POOL, "slots": {"memory_gb": 4, "count": 2}})
    rows = _rows(out)
    assert "slot-0 0.00 1.10 base" in rows
    assert "slot-1 0.00 1.10 other" in rows


async def test_a_running_service_tells_what_loads_cost(plan: Any, write: Any, serve: Any) -> None:
    hosted = {"base": {"type": "vllm", "model": "org/base", "memory_gb": 2}}
    gateway = await serve(hosted, slots={"canary_tokens": 0}, server={"api_keys": KEYS})
    load_s = gateway.pool.snapshot()["loads"]["base"]["load_s"]
    file = write({"model": "base", "prompt": "x"}, {"model": "other", "prompt": "x"})
    _, out, _ = await asyncio.to_thread(
        plan, file, "--url", gateway.base_url, "--api-key", "sk-one"
    )
    base, other = (next(r for r in _rows(out) if r.startswith(n)) for n in ("base 1", "other 1"))
    assert base.split()[5] == f"{load_s:.2f}"
    assert base.endswith("measured")
    assert other.endswith("assumed")


KEYS = {"me": {"key": "sk-one"}}


def test_a_service_that_is_not_there_is_one_line(plan: Any, write: Any) -> None:
    file = write({"model": "base", "prompt": "x"})
    code, out, err = plan(file, "--url", "http://127.0.0.1:9")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "No service answers at http://127.0.0.1:9" in err


def test_what_fits_nowhere_is_named(plan: Any, write: Any) -> None:
    # Nothing is configured, and a KV cache alone takes 64 MiB.
    experts = {"other": {"type": "vllm", "model": "org/other"}}
    pool = {"experts": experts, "slots": {"memory_gb": 0.05}}
    code, out, err = plan(write({"model": "other", "prompt": "x"}), pool=pool)
    assert (code, out) == (2, "")
    assert "experts.other: needs 0.06 GB, and no slot has more than 0.05 GB" in err


def test_a_routers_missing_file_is_named(plan: Any, write: Any) -> None:
    pool = {**POOL, "routers": {"one": {"type": "knn", "outcomes": "./none.parquet"}}}
    code, _, err = plan(write({"model": "pool/auto", "messages": HI}), pool=pool)
    assert code == 2
    assert "none.parquet" in err


BODY = {"model": "base", "messages": HI}
MISTAKES = [
    ("{", "The body is not valid JSON"),
    ("[]", "The body must be a JSON object."),
    ({"model": "base"}, "`prompt` is required."),
    ({"messages": HI}, "`model` must be a non-empty string."),
    ({"model": "bass", "messages": HI}, "The model `bass` does not exist. Known models: pool/auto"),
    ({**BODY, "temprature": 1}, "Unrecognized request argument supplied: temprature."),
    ({**BODY, "coterie": {"class": "fast"}}, "There is no request class `fast`."),
    ({**BODY, "coterie": {"clas": "fast"}}, "coterie.clas: Extra inputs"),
    ({"custom_id": "a", "url": "/v1/chat/completions"}, "`body` must be a JSON object."),
    ({"url": "/v1/chat/completions", "body": BODY}, "`custom_id` must be a non-empty string."),
    ({**_line("a", **BODY), "url": "/v1/embeddings"}, "`url` must be one of /v1/chat/completions"),
    ({**_line("a", **BODY), "method": "GET"}, "`method` must be POST."),
    ({**_line("a", **BODY), "metod": "POST"}, "Unknown key `metod` (known: custom_id, method"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_line(plan: Any, write: Any, line: Any, said: str) -> None:
    file = write(BODY, line)
    code, out, err = plan(file)
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == f"error: {file} has 1 mistake."
    assert f"  {file}:2: {said}" in err


def test_every_mistake_is_named(plan: Any, write: Any) -> None:
    file = write("{", BODY, _line("a", **BODY), "", _line("a", **BODY), {"model": "x"})
    code, _, err = plan(file)
    assert code == 2
    assert [line.split(": ")[0] for line in err.splitlines()[1:]] == [
        f"  {file}:{number}" for number in (1, 5, 6)
    ]
    assert "The custom_id `a` stands in line 3 already." in err


def test_a_line_over_the_bound_is_named(plan: Any, write: Any) -> None:
    pool = {**POOL, "server": {"max_body_mb": 0.001}}
    _, _, err = plan(write({"model": "base", "prompt": "x" * 2000}), pool=pool)
    assert "batch.jsonl:1: The line is larger than 0.001 MB (server.max_body_mb)." in err


@pytest.mark.parametrize(
    ("name", "said"),
    [("none.jsonl", "No such file"), (".", "Is a directory"), ("e.jsonl", "holds")],
)
def test_a_file_without_requests_is_said(plan: Any, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "e.jsonl").write_text("\n\n")
    code, _, err = plan(tmp_path / name)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


@pytest.mark.parametrize(
    ("body", "context", "expected"),
    [
        ({"prompt": "12345"}, None, (2, 16)),
        ({"prompt": "12345", "max_tokens": 7, "n": 3}, None, (2, 21)),
        ({"prompt": ["1234", "12345678"], "max_tokens": 7}, None, (3, 14)),
        ({"prompt": [[1, 2, 3], [4]], "max_tokens": 7}, None, (4, 14)),
        ({"prompt": [1, 2, 3]}, None, (3, 16)),
        ({"prompt": []}, None, (0, 16)),
        ({"messages": HI}, 100, (2, 98)),
        ({"messages": HI}, None, (2, None)),
        ({"messages": HI}, 1, (2, 0)),
        ({"messages": HI * 2, "max_completion_tokens": 9}, 100, (4, 9)),
        ({"messages": [{"role": "user", "content": None}], "max_tokens": 1}, None, (0, 1)),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "1234"}, {"type": "x"}]}
                ],
                "max_tokens": 1,
            },
            None,
            (1, 1),
        ),
    ],
)
def test_tokens_are_counted_by_rule(
    body: dict[str, Any], context: int | None, expected: tuple[int, int | None]
) -> None:
    operation: Any = "chat/completions" if "messages" in body else "completions"
    assert count_tokens(Request("r", operation, body), context) == expected
