"""`coterie size`: how many GPUs a pool and its traffic need, in simulated time."""

from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from orchestrator.cli import options, running

GpuMemory = Annotated[
    float | None,
    typer.Option(
        min=1,
        help="Memory of a GPU, as on its label, in GB; a slot may use 90 % of it. Default: the"
        " slots that the file describes.",
    ),
]
Trace = Annotated[
    Path | None,
    typer.Option(help="What a service has written to `traces.file`: the traffic to size for."),
]
Rate = Annotated[
    float | None,
    typer.Option(min=1e-6, help="Without a trace: calls of experts per second, by chance."),
]
Mix = Annotated[
    str,
    typer.Option(help="Without a trace: `even`, or a YAML file of experts and their shares."),
]
Minutes = Annotated[float, typer.Option(min=0.01, help="Without a trace: how long.")]
PromptTokens = Annotated[int, typer.Option(min=1, help="Without a trace: tokens of each prompt.")]
CompletionTokens = Annotated[
    int, typer.Option(min=1, help="Without a trace: tokens of each answer, in the mean.")
]
Times = Annotated[
    float, typer.Option("--times", min=1e-3, help="What if the traffic is so many times as much?")
]
P95 = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[CLASS=]SECONDS",
        help="Within so many seconds 95 % of the calls should begin; may be repeated for classes."
        " Default: the classes' own age bounds.",
    ),
]
Slowdown = Annotated[
    float,
    typer.Option(
        min=1, help="The answers may take so many times as long as alone, once they have begun."
    ),
]
Most = Annotated[int, typer.Option(min=1, max=256, help="Slots that are tried at most.")]
MostCalls = Annotated[
    int, typer.Option(min=1, help="Calls that are simulated at most: the busiest in a row.")
]
TokensPerS = Annotated[
    float | None,
    typer.Option(
        min=1e-3,
        help="Tokens per second of one answer alone. Default: as the trace has measured, else from"
        " the weights and --bandwidth.",
    ),
]
Batching = Annotated[
    float | None,
    typer.Option(
        min=1,
        help="How many times that many a full slot writes. Default: as the trace has measured,"
        " else 20.",
    ),
]
Bandwidth = Annotated[
    float, typer.Option(min=1, help="A GPU's memory bandwidth in GB/s; an H100 has 3350.")
]
Start = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Seconds of a cold load without its weights. Default: 89 on a GPU (an H200, empty"
        " caches), 0.5 on a CPU.",
    ),
]
LoadSpeed = Annotated[float, typer.Option(min=1e-3, help="GiB/s of weights from disk.")]
WakeSpeed = Annotated[float, typer.Option(min=1e-3, help="GiB/s of weights from host memory.")]
Seed = Annotated[int, typer.Option(min=0, help="Without a trace: seed of the calls.")]
Plot = Annotated[
    Path | None, typer.Option(help="Also draw waits and shares over the number: .svg or .png.")
]


def size(
    config: options.Config = options.DEFAULT_CONFIG,
    gpu_memory: GpuMemory = None,
    trace: Trace = None,
    rate: Rate = None,
    mix: Mix = "even",
    minutes: Minutes = 30.0,
    prompt_tokens: PromptTokens = 500,
    completion_tokens: CompletionTokens = 200,
    times_as_many: Times = 1.0,
    p95: P95 = None,
    slowdown: Slowdown = 3.0,
    most: Most = 64,
    most_calls: MostCalls = 50_000,
    tokens_per_s: TokensPerS = None,
    batching: Batching = None,
    bandwidth: Bandwidth = 3350.0,
    start: Start = None,
    load_speed: LoadSpeed = 0.85,
    wake_speed: WakeSpeed = 37.5,
    seed: Seed = 0,
    plot: Plot = None,
    json_out: own.JsonOut = None,
) -> None:
    """Find how many GPUs a pool and its traffic need.

    Simulated with the pool's own policy; nothing is run. The exit code is 1 if no number that was
    tried is enough.
    """
    running.call(
        "evals.benchmarks.sizing.command:size",
        config=config,
        gpu_memory=gpu_memory,
        trace=trace,
        rate=rate,
        mix=mix,
        minutes=minutes,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        times_as_many=times_as_many,
        p95=tuple(p95 or ()),
        slowdown=slowdown,
        most=most,
        most_calls=most_calls,
        tokens_per_s=tokens_per_s,
        batching=batching,
        bandwidth=bandwidth,
        start_s=start,
        load_gb_s=load_speed,
        wake_gb_s=wake_speed,
        seed=seed,
        plot=plot,
        json_out=json_out,
    )
