"""The benchmarks of cost: of the gateway, of panels, of loads, of fused experts."""

from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from orchestrator.cli import options

GATEWAYS = Path(".venv-gateways")
"""Where `make gateways` installs those of others."""


def bench(
    config: options.Config = options.DEFAULT_CONFIG,
    expert: Annotated[
        str | None, typer.Option(help="The expert to measure with. Default: the first.")
    ] = None,
    rounds: own.Rounds = 5,
    json_out: own.JsonOut = None,
) -> None:
    """Measure what the gateway costs.

    Compares it with the expert's own endpoint; the exit code is 1 if a target is missed.
    """
    launch("evals.benchmarks.gateway.command:bench", config, expert, rounds, json_out)


def bench_panel(config: options.Config = options.DEFAULT_CONFIG, rounds: own.Rounds = 5) -> None:
    """Measure what a panel costs beside its experts.

    The exit code is 1 if a target is missed.
    """
    launch("evals.benchmarks.panels.command:bench_panel", config, rounds)


def bench_swap(
    config: options.Config = options.DEFAULT_CONFIG,
    experts: Annotated[
        int, typer.Option(min=3, help="Experts to serve: copies of the models under new names.")
    ] = 16,
    requests: Annotated[int, typer.Option(min=1, help="Requests of the batch.")] = 640,
    age_bound: Annotated[
        float, typer.Option(min=0.1, help="Age bound beside the hostile stream, in seconds.")
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="Seed of the order of the requests.")] = 0,
    pipeline: Annotated[
        bool,
        typer.Option(
            "--pipeline",
            help="Measure requests that take a tagger, a panel and a lead each, and debates.",
        ),
    ] = False,
    json_out: own.JsonOut = None,
) -> None:
    """Serve more experts than fit into memory, in three ways.

    The exit code is 1 if a target is missed.
    """
    if pipeline:
        staged = (experts, requests, seed, json_out)
        launch("evals.benchmarks.swap.pipeline_command:pipeline", config, *staged)
    arguments = (experts, requests, age_bound, seed, json_out)
    launch("evals.benchmarks.swap.command:swap", config, *arguments)


def bench_batch(
    config: options.Config = options.DEFAULT_CONFIG,
    lines: Annotated[int, typer.Option(min=1, help="Lines of the file.")] = 10_000,
    rate: Annotated[
        float, typer.Option(min=0.01, help="Live requests a second, to four experts in turn.")
    ] = 2.0,
    rounds: own.Rounds = 2,
    seed: Annotated[int, typer.Option(help="Seed of the order of the lines.")] = 0,
    json_out: own.JsonOut = None,
) -> None:
    """Measure a batch beside the bare engines.

    A file for every expert, a router and a panel, in a slot that fits three experts: through a
    gateway, in each round twice to the bare engines and again through a gateway, and in the end
    beside live requests. Then a file of 200 MB until it is checked. The exit code is 1 if a target
    is missed.
    """
    launch("evals.benchmarks.batches.command:batches", config, lines, rate, rounds, seed, json_out)


def bench_slot(
    resident: Annotated[str, typer.Argument(help="The expert that is asked all the time.")],
    busy: Annotated[str, typer.Argument(help="The expert that loads, reads and writes beside it.")],
    config: options.Config = options.DEFAULT_CONFIG,
    rounds: own.Rounds = 3,
) -> None:
    """Measure what one expert waits for another of its slot.

    The exit code is 1 if a target is missed.
    """
    launch("evals.benchmarks.slot.command:slot", config, resident, busy, rounds)


def bench_size(
    config: options.Config = options.DEFAULT_CONFIG,
    rate: Annotated[float, typer.Option(min=0.1, help="Calls a second, by chance.")] = 4.0,
    requests: Annotated[int, typer.Option("--requests", "-n", min=50, help="Calls.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the calls.")] = 0,
    json_out: own.JsonOut = None,
) -> None:
    """Compare what `coterie size` foretells with what then happens.

    Experts take turns in slots that fit two of them. The exit code is 1 if a target is missed.
    """
    launch("evals.benchmarks.sizing.reality:reality", config, rate, requests, seed, json_out)


def bench_fusion(
    config: options.Config = options.DEFAULT_CONFIG,
    rounds: own.Rounds = 7,
    json_out: own.JsonOut = None,
) -> None:
    """Measure the speed of fused experts beside their members.

    The exit code is 1 if a target is missed.
    """
    launch("evals.benchmarks.fusion.command:bench", config, rounds, json_out)


def bench_gateway(
    rounds: own.Rounds = 3,
    quick: Annotated[
        bool, typer.Option("--quick", help="One round of the smaller loads: about a minute.")
    ] = False,
    streams: Annotated[
        int | None,
        typer.Option(min=1, help="Instead, so many streams at once through our gateway alone."),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long these are measured.")] = 5.0,
    gap_ms: Annotated[
        float, typer.Option(min=1, help="Milliseconds between two tokens of each of them.")
    ] = 100.0,
    venv: Annotated[
        Path, typer.Option(help="Where the gateways of others are installed.")
    ] = GATEWAYS,
    json_out: Annotated[
        Path | None, typer.Option("--out", help="Also write every number to this JSON file.")
    ] = None,
) -> None:
    """Measure the gateway beside those of others.

    All of them stand before one engine that is instant. The exit code is 1 if a target is missed.
    """
    room = "evals.benchmarks.gateways.command"
    if streams is not None:
        launch(f"{room}:bench_streams", None, streams, minutes, gap_ms, json_out)
    launch(f"{room}:bench_gateway", None, rounds, quick, venv, json_out)
