"""`coterie size`: from a configuration and its traffic to a number of GPUs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import typer
from rich.console import Console

from evals.benchmarks.sizing.drawn import draw_traffic, read_mix
from evals.benchmarks.sizing.pool import Estimates, Pool, pool_of
from evals.benchmarks.sizing.search import Measured, Study, Wish, search, waits_of
from evals.benchmarks.sizing.sizing_report import Sizing, print_sizing, write_json
from evals.benchmarks.sizing.speeds import Given, find_speeds
from evals.benchmarks.sizing.trace_file import read_traffic, sampled_share
from evals.benchmarks.sizing.traffic import Traffic, busiest, times, with_tokens
from evals.client.progress import Progress
from evals.reporting.numbers import number
from evals.reporting.outputs import check_outputs
from evals.reporting.table import make_console, say
from experts.errors import ConfigError
from experts.footprint.device import expected
from orchestrator.cli.plan.stored import stored_costs
from orchestrator.config.model import Config, config_of
from orchestrator.config.yaml_tree import read_tree

USABLE = 0.9
"""Of a GPU's memory: the rest is for its driver, and for what engines take for a moment."""
MOST_SLOTS = 256
"""As many as `slots.count` may be: pins are checked against the number that is tried."""
NUMBERS = ("count", "max_count")
"""Keys of `slots` that say what is asked here."""


def size(
    *,
    config: Path,
    gpu_memory: float | None,
    trace: Path | None,
    rate: float | None,
    mix: str,
    minutes: float,
    prompt_tokens: int,
    completion_tokens: int,
    times_as_many: float,
    p95: Sequence[str],
    slowdown: float,
    most: int,
    most_calls: int,
    tokens_per_s: float | None,
    batching: float | None,
    bandwidth: float,
    start_s: float | None,
    load_gb_s: float,
    wake_gb_s: float,
    seed: int,
    plot: Path | None,
    json_out: Path | None,
) -> None:
    """Size it; exit 1 where no number that was tried is enough."""
    console = make_console()
    check_outputs(plot, json=json_out)
    if (trace is None) == (rate is None):
        raise ConfigError("Give --trace FILE, or --rate CALLS_PER_SECOND; one of them.")
    settings = planned_config(config, gpu_memory)
    with Progress(console) as progress:
        progress.doing("reading the traffic")
        if trace is not None:
            traffic = recorded(trace, settings, times_as_many, most_calls)
        else:
            traffic = draw_traffic(
                (rate or 0.0) * times_as_many,
                read_mix(mix, settings),
                minutes=minutes,
                most=most_calls,
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
                seed=seed,
            )
        costs = stored_costs(settings, config)
        estimates = Estimates(start_s, load_gb_s, wake_gb_s)
        pool = pool_of(settings, expected(settings.slots.gpus), costs, estimates)
        wish = wish_of(p95, slowdown, settings, traffic)
        found = sized(pool, traffic, wish, Given(tokens_per_s, batching, bandwidth), most, progress)
    told = waited(traffic) if times_as_many == 1.0 else None
    raise typer.Exit(_finish(console, replace(found, measured=told), plot, json_out))


def sized(
    pool: Pool, traffic: Traffic, wish: Wish, given: Given, most: int, progress: Progress
) -> Sizing:
    """What so much traffic needs. Raises ConfigError where nothing says how fast experts are."""
    speeds = find_speeds(traffic, pool.engine_of, _weights(pool), given, pool.on_gpu)
    study = Study(pool, traffic, [speeds.needs(call) for call in traffic.calls], wish)
    answer = search(study, most, progress.doing)
    assumed = (*traffic.notes, *speeds.notes, *pool_notes(pool))
    return Sizing(pool, traffic, wish, answer, assumed)


def _finish(console: Console, found: Sizing, plot: Path | None, json_out: Path | None) -> int:
    if json_out is not None:
        write_json(json_out, found)
    if plot is not None:  # Imported late: matplotlib takes a second.
        import_module("evals.benchmarks.sizing.picture").draw(plot, found)
    code = print_sizing(console, found)
    if plot is not None:
        say(console)
        say(console, f"Picture: {plot}")
    return code


def planned_config(path: Path, gpu_memory: float | None) -> Config:
    """The configuration, on GPUs of that size where one is given; its own slots are not counted.

    Raises ConfigError.
    """
    tree = read_tree(path)
    slots = tree.get("slots", {})
    if isinstance(slots, dict):
        slots = {key: slots[key] for key in slots if key not in NUMBERS} | {"count": MOST_SLOTS}
        if gpu_memory is not None:
            slots |= {"memory_gb": round(USABLE * gpu_memory, 2), "gpus": slots.get("gpus") or 1}
        tree["slots"] = slots
    config = config_of(tree, path)
    if not config.hosted():
        raise ConfigError(f"{path}: no expert of it runs in a slot, so nothing needs a GPU.")
    if 0 < (config.slots.gpus or 0) < 1:
        raise ConfigError(
            f"{path}: slots.gpus is {config.slots.gpus:g}, and slots that share a GPU are not"
            " simulated.",
            hint="Set it to 1: one slot holds as many experts as fit.",
        )
    return config


def recorded(path: Path, config: Config, times_as_many: float, most_calls: int) -> Traffic:
    """What a service has written, as many times as it is wanted. Raises ConfigError."""
    traffic = read_traffic(path, config)
    factor = times_as_many / sampled_share(path, config)
    return with_tokens(busiest(times(traffic, factor), most_calls))


def wish_of(p95: Sequence[str], slowdown: float, config: Config, traffic: Traffic) -> Wish:
    """`SECONDS` for all classes with an age bound, `CLASS=SECONDS` for one; else their bounds.

    Raises ConfigError.
    """
    present = sorted({call.kind for call in traffic.calls})
    bounds = {name: config.classes[name].max_wait_s for name in present}
    wished = {name: bound for name, bound in bounds.items() if bound is not None}
    for one in p95:
        name, equals, text = one.rpartition("=")
        if equals and name not in config.classes:
            known = ", ".join(config.classes)
            raise ConfigError(f"--p95 {one}: no class is called `{name}`; there are {known}.")
        seconds = _seconds(one, text)
        wished |= {name: seconds} if equals else dict.fromkeys(wished or present, seconds)
    wished = {name: seconds for name, seconds in wished.items() if name in present}
    if not wished:
        raise ConfigError(
            f"No class of the traffic ({', '.join(present)}) has an age bound.",
            hint=f"Say how long its calls may wait: --p95 {present[0]}=60.",
        )
    return Wish(wished, slowdown)


def waited(traffic: Traffic) -> Measured | None:
    """What the calls of a trace have waited."""
    told = [call for call in traffic.calls if call.waited_s is not None]
    if not told:
        return None
    slots = {call.slot for call in told if call.slot is not None}
    return Measured(waits_of([call.waited_s or 0.0 for call in told]), len(slots))


def pool_notes(pool: Pool) -> Iterator[str]:
    """What is assumed of engines and slots."""
    count = len(pool.engines)
    loads = sorted(engine.load_s for engine in pool.engines)
    wakes = sorted(engine.wake_s for engine in pool.engines)
    yield (
        f"Engines may take {number(pool.room_gb)} GB of a {'GPU' if pool.on_gpu else 'slot'}:"
        f" slots.memory_gb, or {USABLE:.0%} of --gpu-memory, less what a process takes on a CPU."
    )
    yield "What an engine takes is derived from its files, unless experts.NAME.memory_gb says it."
    yield (
        f"A load takes {_range(loads)} s, {'a wake' if pool.sleep_level else 'a later one'}"
        f" {_range(wakes)} s: measured for {pool.measured} of {count} engines (store), else by the"
        " size of the weights (--start, --load-speed, --wake-speed)."
    )
    yield (
        "The pool begins as after a service's start, each engine loaded once as far as there is"
        " room; each of the others sleeps in one slot, if it can."
        if pool.sleep_level
        else "The pool begins as after a service's start, each engine loaded once if there is room."
    )
    yield (
        "Calls come when they came in the trace, whatever they wait for here: the later calls of a"
        " panel, too. Nothing fails, and the network takes no time."
    )


def _weights(pool: Pool) -> dict[str, float]:
    """Expert -> its engine's weights on each GPU."""
    return {name: engine.weights_gb for engine in pool.engines for name in engine.limits}


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ConfigError(f"--p95 {option}: give seconds, 0 or more, or CLASS=SECONDS.")
    return seconds


def _range(ordered: Sequence[float]) -> str:
    low, high = number(ordered[0]), number(ordered[-1])
    return low if low == high else f"{low} to {high}"
