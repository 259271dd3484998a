"""`coterie plan`: a file of requests is read, routed and forecast, and nothing runs."""

import asyncio
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.cli.main import main
from routers.base import Decision, Tagging

HI = [{"role": "user", "content": "12345678"}]
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
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
            main()
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
    assert rows[0] == f"{file}: 6 requests, at most 6 calls, 3 engines; nothing is run"
    # Two letters of four make a token; three requests of an expert that takes two are two waves.
    assert "base 4 9 35 2.00 1.00 0.20 assumed base 3, adapter 1" in rows
    assert "other 1 2 98 3.00 1.00 0.10 assumed" in rows
    assert "far 1 2 over 0 remote" in rows
    assert "slot-0 0.00 1.20 base" in rows
    # `base` leaves in 0.05 s, since both together are larger than the slot.
    assert "slot-0 1.20 2.35 other base" in rows
    assert "2 loads, 2.35 s in all, starting with empty slots" in rows
    assert "4 letters each" in out


def test_texts_that_experts_score_together_ask_each_of_them_once(plan: Any, write: Any) -> None:
    keys = {"type": "likelihood", "weights": {"base": 1, "far": 2, "other": 0}}
    mixture = {"compositions": {"pool/mix": {"router": "one", "aggregator": keys}}}
    score = {"model": "pool/mix", "echo": True, "logprobs": 1, "max_tokens": 0}
    code, out, _ = plan(write({**score, "prompt": ["x", "y"]}), "--json", pool={**POOL, **mixture})
    assert code == 0
    assert [one["calls"] for one in json.loads(out)["engines"]] == [{"base": 1}, {"far": 1}]
    code, _, err = plan(write({"model": "pool/mix", "messages": HI}), pool={**POOL, **mixture})
    assert code == 2
    assert "does not generate" in err


def test_the_forecast_as_json(plan: Any, write: Any) -> None:
    _, out, _ = plan(write(_line("a", model="base", messages=HI, max_tokens=10)), "--json")
    told = json.loads(out)
    (engine,) = told["engines"]
    assert (engine["engine"], engine["calls"], engine["new_tokens"]) == ("base", {"base": 1}, 10)
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


PANEL = {
    **POOL,
    "experts": {name: REMOTE for name in ("a", "b", "c", "lead", "tagger")},
    "routers": {"all": {"type": "random"}, "one": {"type": "static", "expert": "c"}},
    "aggregators": {
        "samples": {"type": "vote", "samples": 4},
        "merge": {"type": "synthesize", "layers": 2, "expert": "lead"},
    },
    "compositions": {
        "pool/auto": {"router": "one"},
        "pool/merge": {"router": "all", "aggregator": "merge", "experts": 3},
        "pool/thrifty": {
            "router": "all", "aggregator": "samples", "experts": 1, "budget": {"calls": 3},
        },
    },
}  # fmt: skip
ASK = {"messages": HI, "max_tokens": 10}
PANELS: list[tuple[dict[str, Any], dict[str, int]]] = [
    # Two layers of three, and who writes the answer.
    ({"model": "pool/merge", "coterie": {"experts": ["a", "b", "c"]}},
     {"a": 2, "b": 2, "c": 2, "lead": 1}),
    ({"model": "pool/all+samples", "coterie": {"experts": ["a", "b"]}}, {"a": 4, "b": 4}),
    # A type alone, with its defaults: three judged in pairs, in both orders.
    ({"model": "pool/one+rank", "coterie": {"experts": ["a", "b", "c"]}},
     {"a": 1 + 6, "b": 1, "c": 1}),
    ({"model": "pool/auto", "coterie": {"aggregator": "samples", "experts": ["a"]}}, {"a": 4}),
    ({"model": "pool/thrifty", "coterie": {"experts": ["b"]}}, {"b": 3}),
    ({"model": "pool/one"}, {"c": 1}),
    ({"model": "pool/all+samples",
      "coterie": {"experts": ["a"], "budget": {"calls": 2}}}, {"a": 2}),
    ({"model": "pool/all", "coterie": {"router": "one"}}, {"c": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "calls"), PANELS)
def test_a_panel_is_forecast_with_all_its_calls(
    plan: Any, write: Any, body: dict[str, Any], calls: dict[str, int]
) -> None:
    code, out, err = plan(write({**ASK, **body}), "--json", pool=PANEL)
    assert (code, err) == (0, "")
    engines = json.loads(out)["engines"]
    assert {one["engine"]: one["calls"][one["engine"]] for one in engines} == calls
    # Two prompt tokens and ten new ones for every call.
    assert {one["engine"]: one["new_tokens"] // 10 for one in engines} == calls
    assert {one["engine"]: one["prompt_tokens"] // 2 for one in engines} == calls


class Tagged:
    """A router that wants skills, and knows who answers."""

    tagging = Tagging("tagger", "{question}", 3, 0.7, 16)

    def route(self, requests: Any) -> list[Decision]:
        return [Decision("all", (("a", 0.9), ("b", 0.5)), "Because.") for _ in requests]


def test_the_tagger_is_asked_before_the_router_decides(
    plan: Any, write: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("orchestrator.cli.plan.calls.make_router", lambda *_: Tagged())
    file = write({"model": "pool/merge", **ASK}, {"model": "pool/all", **ASK})
    _, out, _ = plan(file, "--json", pool=PANEL)
    engines = json.loads(out)["engines"]
    calls = {one["engine"]: one["calls"][one["engine"]] for one in engines}
    assert calls == {"tagger": 3 + 3, "a": 2 + 1, "b": 2, "lead": 1}


def test_who_is_not_asked_needs_no_load(plan: Any, write: Any, monkeypatch: Any) -> None:
    class Abstains:
        def route(self, requests: Any) -> list[Decision]:
            told = Decision("all", (("a", 0.1),), "It is far from everything.", fallback="abstain")
            return [told for _ in requests]

    monkeypatch.setattr("orchestrator.cli.plan.calls.make_router", lambda *_: Abstains())
    _, out, _ = plan(write({"model": "pool/all", **ASK}), pool=PANEL)
    assert "1 request, at most 0 calls, 0 engines; nothing is run" in out


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
    assert base.endswith("partly measured")
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
    assert "experts.other: needs 0.11 GB, and no slot has more than 0.05 GB" in err


def test_a_routers_missing_file_is_named(plan: Any, write: Any) -> None:
    pool = {**POOL, "routers": {"one": {"type": "knn", "outcomes": "./none.parquet"}}}
    code, _, err = plan(write({"model": "pool/auto", "messages": HI}), pool=pool)
    assert code == 2
    assert "none.parquet" in err


BODY = {"model": "base", "messages": HI}
MISTAKES = [
    ("{", "This line is not valid JSON: "),
    ("[]", "This line must be a JSON object."),
    ({"model": "base"}, "`messages` (chat), `prompt` or `input` (embeddings) is required."),
    ({"messages": HI}, "`model` must be a non-empty string."),
    ({"model": "bass", "messages": HI}, "The model `bass` does not exist. Known models: pool/auto"),
    ({**BODY, "temprature": 1}, "Unrecognized request argument supplied: temprature."),
    ({**BODY, "coterie": {"class": "fast"}}, "There is no request class `fast`."),
    ({**BODY, "coterie": {"aggregator": "vote"}}, "base is one expert"),
    ({"model": "pool/one+note", "messages": HI}, "The model `pool/one+note` does not exist."),
    (
        {"model": "pool/one+vote", "messages": HI, "n": 2},
        "Several experts give one answer together",
    ),
    ({**BODY, "model": "pool/auto", "coterie": {"router": "two"}}, "No router is called `two`"),
    ({**BODY, "coterie": {"clas": "fast"}}, "coterie.clas: unknown key. Did you mean `class`?"),
    ({**_line("a", **BODY), "body": []}, "`body` must be a JSON object."),
    ({**_line("a", **BODY), "custom_id": ""}, "`custom_id` must be a non-empty string."),
    ({**_line("a", **BODY), "url": "/v1/images"}, "`url` must be one of /v1/chat/completions"),
    ({**_line("a", **BODY), "url": "/v1/embeddings"}, "Unrecognized request argument supplied"),
    ({"model": "base", "input": "x"}, "The model `base` gives no embeddings."),
    ({"model": "coterie/embed", "input": ""}, "input: must not be empty"),
    ({"model": "coterie/embed", "messages": HI}, "The model `coterie/embed` gives embeddings"),
    ({"model": "pool/auto", "prompt": [1, 2]}, "Token ids can be routed only where"),
    ({"model": "pool/auto", "prompt": [[1], [2]]}, "Token ids can be routed only where"),
    ({"model": "pool/auto", "prompt": ["x"] * 2000}, "`prompt` must hold at most 1024 prompts"),
    ({"model": "pool/auto", "prompt_embeds": "x"}, "A composition routes by the text"),
    (
        {"model": "pool/auto", "messages": [{"role": "user", "content": [PICTURE]}]},
        "No expert of `pool/auto` takes images.",
    ),
    ({**_line("a", **BODY), "method": "GET"}, "`method` must be POST."),
    ({**_line("a", **BODY, stream=True)}, "A line of a batch cannot be streamed."),
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
    assert "The custom_id `a` is already used in line 3." in err


def test_a_line_over_the_bound_is_named(plan: Any, write: Any) -> None:
    pool = {**POOL, "batches": {"max_line_mb": 0.001}}
    _, _, err = plan(write({"model": "base", "prompt": "x" * 2000}), pool=pool)
    assert "batch.jsonl:1: The line is longer than 0.001 MB (batches.max_line_mb)." in err


@pytest.mark.parametrize(
    ("name", "said"),
    [("none.jsonl", "No such file"), (".", "Is a directory"), ("e.jsonl", "has no request in it")],
)
def test_a_file_without_requests_is_said(plan: Any, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "e.jsonl").write_text("\n\n")
    code, _, err = plan(tmp_path / name)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


def test_a_file_of_another_system_is_planned_as_its_own(plan: Any, tmp_path: Path) -> None:
    """A byte order mark, carriage returns, blank lines, raw U+2028, packed with gzip or not."""
    line = json.dumps({"model": "base", "prompt": "a\u2028b\u0085c"}, ensure_ascii=False)
    written = {"plain": f"{line}\n", "odd": f"\ufeff{line}\r\n \r\n\r\n"}
    told = []
    for name, text in written.items():
        file = tmp_path / f"{name}.jsonl"
        file.write_text(text, encoding="utf-8", newline="")
        code, out, err = plan(file)
        assert (code, err) == (0, "")
        told.append(out.replace(str(file), "FILE"))
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(written["odd"].encode()))
    assert plan(packed)[0] == 0
    assert told[0] == told[1]


def test_every_prompt_of_a_list_is_routed_and_counted(
    write: Callable[..., Path], plan: Callable[..., tuple[int, str, str]], monkeypatch: Any
) -> None:
    class ByText:
        """The expert that the prompt names."""

        name = "one"

        def route(self, requests: Any) -> list[Decision]:
            named = [request.query.split()[0] for request in requests]
            return [Decision(name, ((name, 1.0),), "") for name in named]

    monkeypatch.setattr("orchestrator.cli.plan.calls.make_router", lambda *_: ByText())
    file = write(
        {"model": "pool/auto", "prompt": ["base 45678", "other 78", "base 456"], "max_tokens": 10},
        {"model": "base", "prompt": ["12345678", "1234"], "max_tokens": 5},
    )
    code, out, _ = plan(file, "--json")
    engines = {one["engine"]: one for one in json.loads(out)["engines"]}
    assert code == 0
    assert engines["base"]["calls"] == {"base": 3}
    assert engines["other"]["calls"] == {"other": 1}
    assert engines["base"]["prompt_tokens"] == 3 + 2 + (2 + 1)
    assert engines["other"]["prompt_tokens"] == 2
    assert engines["base"]["new_tokens"] == 10 + 10 + 5 + 5
    assert "2 requests" in plan(file)[1]


def test_embeddings_are_planned_for_whom_they_are_asked_of(plan: Any, write: Any) -> None:
    embedder = {"type": "vllm", "model": "org/vectors", "task": "embed", "memory_gb": 1}
    pool = {**POOL, "experts": {**POOL["experts"], "vectors": embedder}}
    body = {"model": "vectors", "input": ["12345678", "1234"]}
    batch = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": body}
    file = write(batch, {"model": "coterie/embed", "input": "x"})
    code, out, err = plan(file, "--json", pool=pool)
    assert (code, err) == (0, "")
    (engine,) = json.loads(out)["engines"]
    assert engine["calls"] == {"vectors": 1}
    assert (engine["prompt_tokens"], engine["new_tokens"]) == (3, 0)


def test_a_turn_with_images_is_planned_for_who_takes_them(plan: Any, write: Any) -> None:
    pool = {**POOL, "experts": {**POOL["experts"], "far": {**REMOTE, "images": True}}}
    turn = {"role": "user", "content": [PICTURE]}
    code, out, _ = plan(write({"model": "pool/auto", "messages": [turn]}), "--json", pool=pool)
    assert code == 0
    assert [one["calls"] for one in json.loads(out)["engines"]] == [{"far": 1}]
