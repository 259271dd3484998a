"""What a batch file would do, before anything runs: `coterie plan`."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import typer

from experts.errors import ConfigError
from experts.spec import VllmSpec
from experts.types import Request
from experts.vllm.loads import EngineLoad
from orchestrator.cli.batch_file import BatchLine, read_batch
from orchestrator.cli.ps import fetch
from orchestrator.cli.tables import print_table
from orchestrator.config.model import Config
from orchestrator.request.plan import plan_decision, policy_of, prices_of
from orchestrator.request.routing_queue import MAX_BATCH
from orchestrator.residency.engines import engine_loads, estimate_gb
from orchestrator.residency.forecast import Forecast, Work, forecast
from orchestrator.residency.machine.costs import Costs
from routers.base import Decision, Router
from routers.registry import build, shared_encoder

LETTERS_PER_TOKEN = 4
COMPLETION_TOKENS = 16
"""What OpenAI's completions, and vLLM's, stop at when a request says nothing."""


@dataclass(slots=True)
class Share:
    """What one engine gets of the batch."""

    engine: str
    requests: dict[str, int] = field(default_factory=dict)
    """By expert: the engine's own and its adapters."""
    prompt_tokens: int = 0
    new_tokens: int = 0
    unlimited: int = 0
    """Requests that set no limit, of an engine whose context is not configured."""
    hosted: bool = True
    memory_gb: float = 0.0
    load_s: float = 0.0
    service_s: float = 0.0
    work_s: float = 0.0
    measured: bool = False


def plan_file(
    path: Path, config: Config, url: str | None, api_key: str | None, as_json: bool
) -> None:
    """Print the forecast for a file. Raises ConfigError, and ServiceError where `url` is silent."""
    lines = read_batch(path, config)
    known = fetch(url, api_key).get("loads", {}) if url else {}
    shares = share_out(lines, choose(lines, config), config)
    works = [add_costs(share, config, known) for share in shares if share.hosted]
    budgets_gb = [config.slots.memory_gb] * config.slots.count
    found = forecast(works, budgets_gb)
    if found.too_large:
        size = {work.engine: work.memory_gb for work in works}
        raise ConfigError(
            f"{path} cannot run: not every expert it asks fits into a slot.",
            problems=tuple(
                f"experts.{name}: needs {size[name]:.2f} GB, and no slot has more than"
                f" {config.slots.memory_gb:g} GB (slots.memory_gb)."
                for name in found.too_large
            ),
        )
    if as_json:
        typer.echo(json.dumps(_as_json(shares, found), indent=2))
    else:
        _print(path, len(lines), shares, found)


def make_router(config: Config, name: str) -> Router:
    """A router of the configuration, with an encoder of its own."""
    return build(name, config.routers[name], tuple(config.experts), shared_encoder())


def choose(lines: Sequence[BatchLine], config: Config) -> list[str]:
    """The expert of each line; compositions are routed in batches, as the service does."""
    chosen = [line.model for line in lines]
    prices = prices_of(config)
    by_composition: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if line.model in config.compositions:
            by_composition.setdefault(line.model, []).append(number)
    for name, numbers in by_composition.items():
        composition = config.compositions[name]
        # Nothing is loaded here: what waiting costs is not known.
        policy = replace(policy_of(composition), load_price=0.0)
        decisions = _route(config, composition.router, [lines[n].request for n in numbers])
        for number, decision in zip(numbers, decisions, strict=True):
            chosen[number] = plan_decision(decision, policy, prices=prices).expert
    return chosen


def _route(config: Config, name: str, requests: Sequence[Request]) -> Iterable[Decision]:
    router = make_router(config, name)
    for start in range(0, len(requests), MAX_BATCH):
        yield from router.route(requests[start : start + MAX_BATCH])


def share_out(lines: Sequence[BatchLine], chosen: Sequence[str], config: Config) -> list[Share]:
    """What each engine gets; remote experts are engines of their own."""
    hosted = config.hosted()
    shares: dict[str, Share] = {}
    for line, expert in zip(lines, chosen, strict=True):
        if not expert:
            continue  # The router abstains.
        engine = expert
        if expert in hosted:
            engine = hosted[expert].base or expert
        share = shares.setdefault(engine, Share(engine, hosted=engine in hosted))
        share.requests[expert] = share.requests.get(expert, 0) + 1
        prompt, new = count_tokens(line.request, _context(engine, config))
        share.prompt_tokens += prompt
        share.new_tokens += new or 0
        share.unlimited += new is None
    return list(shares.values())


def _context(engine: str, config: Config) -> int | None:
    spec = config.hosted().get(engine)
    own = spec.engine_args if isinstance(spec, VllmSpec) else None
    args = {**config.slots.engine_args, **own} if own is not None else {}
    length = args.get("max_model_len")
    return length if isinstance(length, int) else None


def count_tokens(request: Request, context: int | None) -> tuple[int, int | None]:
    """Prompt tokens, and new tokens at most (None: as many as an unknown context holds).

    Texts are taken to have four letters a token; prompts of token ids are counted.
    """
    body = request.body
    prompts = _prompts(body)
    lengths = [
        math.ceil(len(p) / LETTERS_PER_TOKEN) if isinstance(p, str) else len(p) for p in prompts
    ]
    count = body.get("n")
    answers = count if isinstance(count, int) and count > 0 else 1
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if not isinstance(limit, int) and request.operation == "completions":
        limit = COMPLETION_TOKENS
    if not isinstance(limit, int) and context is None:
        return sum(lengths), None
    new = sum(
        limit if isinstance(limit, int) else max(0, (context or 0) - length) for length in lengths
    )
    return sum(lengths), answers * new


def _prompts(body: Mapping[str, Any]) -> list[str | list[int]]:
    if "messages" in body:
        return ["".join(_text(message.get("content")) for message in body["messages"])]
    prompt = body.get("prompt", "")
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        return [p for p in prompt if isinstance(p, str | list)]
    return [prompt] if isinstance(prompt, str | list) else [""]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return content or ""


def add_costs(share: Share, config: Config, known: Mapping[str, Any]) -> Work:
    """Fill in what a running service has measured, or else what is assumed."""
    loads: dict[str, EngineLoad] = engine_loads(config.hosted(), config.slots.engine_args)
    entry, assumed = known.get(share.engine, {}), Costs()
    share.measured = entry.get("count", 0) > 0
    share.load_s = entry.get("load_s", assumed.load_s)
    share.service_s = entry.get("service_s", assumed.service_s)
    configured = config.hosted()[share.engine].memory_gb
    share.memory_gb = entry.get("memory_gb") or configured or estimate_gb(loads[share.engine])
    waves = (
        math.ceil(count / config.experts[expert].max_in_flight)
        for expert, count in share.requests.items()
    )
    share.work_s = max(waves) * share.service_s
    leave_s = entry.get("leave_s", assumed.leave_s)
    return Work(share.engine, share.memory_gb, share.load_s, share.work_s, leave_s)


def _print(path: Path, count: int, shares: Sequence[Share], found: Forecast) -> None:
    order = {stay.engine: number for number, stay in enumerate(found.stays)}
    columns = ("engine", "requests", "prompt tokens", "new tokens", "GB", "load s", "work s")
    rows = []
    for share in sorted(shares, key=lambda s: order.get(s.engine, len(order))):
        asked = ", ".join(f"{name} {n}" for name, n in share.requests.items())
        rows.append(
            (
                share.engine,
                str(sum(share.requests.values())),
                str(share.prompt_tokens),
                str(share.new_tokens) if not share.unlimited else f"over {share.new_tokens}",
                *([f"{share.memory_gb:.2f}", f"{share.load_s:.2f}"] if share.hosted else ["", ""]),
                f"{share.work_s:.2f}" if share.hosted else "",
                ("measured" if share.measured else "assumed") if share.hosted else "remote",
                asked if len(share.requests) > 1 else "",
            )
        )
    typer.echo(f"{path}: {count} requests for {len(shares)} engines, nothing is run\n")
    print_table((*columns, "costs", "by expert"), rows)
    stays = [
        (f"slot-{s.slot}", f"{s.begins_s:.2f}", f"{s.ends_s:.2f}", s.engine, ", ".join(s.evicts))
        for s in found.stays
    ]
    if stays:
        typer.echo()
        print_table(("slot", "begins s", "done s", "loads", "after dropping"), stays)
    typer.echo(f"\n{found.loads} loads, {found.total_s:.2f} s in all, from empty slots")
    typer.echo(
        f"Prompt tokens: estimated, {LETTERS_PER_TOKEN} letters each. New tokens: at most, as the"
        " requests limit them.\nWork: a request's service time for each wave of max_in_flight."
        " Assumed costs: --url asks a running service\nfor measured ones. Remote experts need no"
        " load; their time is not predicted."
    )


def _as_json(shares: Sequence[Share], found: Forecast) -> dict[str, Any]:
    return {
        "engines": [asdict(share) for share in shares],
        "order": [asdict(stay) for stay in found.stays],
        "loads": found.loads,
        "total_s": round(found.total_s, 3),
        "estimates": {"letters_per_token": LETTERS_PER_TOKEN, "from": "empty slots"},
    }
