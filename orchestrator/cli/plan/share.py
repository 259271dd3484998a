"""What each engine gets of a batch, and what that costs it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experts.footprint.device import expected
from experts.spec import VllmSpec
from orchestrator.cli.plan.batch_file import BatchLine
from orchestrator.cli.plan.calls import Calls
from orchestrator.cli.plan.tokens import count_tokens
from orchestrator.config.model import Config
from orchestrator.residency.engines import planned_loads
from orchestrator.residency.forecast import Work, is_measured, work_of
from orchestrator.residency.machine.costs import Costs


@dataclass(slots=True)
class Share:
    """What one engine gets of the batch."""

    engine: str
    calls: Calls = field(default_factory=Counter)
    """Of each expert, at most: the engine's own and its adapters."""
    prompt_tokens: int = 0
    new_tokens: int = 0
    unlimited: int = 0
    """Calls that set no limit, of an engine whose context is not configured."""
    hosted: bool = True
    memory_gb: float = 0.0
    load_s: float = 0.0
    service_s: float = 0.0
    work_s: float = 0.0
    measured: bool = False
    load_measured: bool = False


def share_out(lines: Sequence[BatchLine], calls: Sequence[Calls], config: Config) -> list[Share]:
    """What each engine gets; remote experts are engines of their own."""
    hosted = config.hosted()
    shares: dict[str, Share] = {}
    for line, called in zip(lines, calls, strict=True):
        for expert, count in called.items():
            engine = (hosted[expert].base or expert) if expert in hosted else expert
            share = shares.setdefault(engine, Share(engine, hosted=engine in hosted))
            share.calls[expert] += count
            prompt, new = count_tokens(line.request, _context(engine, config))
            share.prompt_tokens += count * prompt
            share.new_tokens += count * (new or 0)
            share.unlimited += count * (new is None)
    return list(shares.values())


def _context(engine: str, config: Config) -> int | None:
    spec = config.hosted().get(engine)
    own = spec.engine_args if isinstance(spec, VllmSpec) else None
    args = {**config.slots.engine_args, **own} if own is not None else {}
    length = args.get("max_model_len")
    return length if isinstance(length, int) else None


def add_costs(share: Share, config: Config, known: Mapping[str, Any]) -> Work:
    """Fill in what a running service has measured, or else what is assumed."""
    loads = planned_loads(config.hosted(), config.slots, expected(config.slots.gpus))
    entry, assumed = known.get(share.engine, {}), Costs()
    share.measured = is_measured(entry)
    share.load_measured = "load_s" in entry.get("measured", ())
    share.service_s = entry.get("service_s", assumed.service_s)
    share.memory_gb = entry.get("memory_gb") or loads[share.engine][0].memory_gb
    in_flight = min(
        config.batches.in_flight,
        *(config.experts[expert].max_in_flight for expert in share.calls),
    )
    calls = share.calls.total()
    work = work_of(share.engine, calls, in_flight, share.memory_gb, entry)
    share.load_s, share.work_s = work.load_s, work.work_s
    return work
