"""`coterie simulate`: the residency policy beside other policies, in simulated time."""

from pathlib import Path
from typing import Annotated

import typer

from evals.cli import options as own
from orchestrator.cli import options, running

Config = Annotated[
    Path, typer.Option("--config", "-c", help="The file with the policy's settings and age bounds.")
]
Trace = Annotated[
    str,
    typer.Option(
        help="`zipf`, `panel` (three experts, then a lead), `tagged` (a tagger before them), or a"
        " file of JSON lines with at_s, expert, class."
    ),
]
Slots = Annotated[int, typer.Option(min=1, help="Slots.")]
Fits = Annotated[int, typer.Option(min=1, help="Experts that fit into a slot.")]
Experts = Annotated[int, typer.Option(min=1, help="Experts of the pool.")]
Requests = Annotated[int, typer.Option("--requests", "-n", min=1, help="Requests of the trace.")]
Rate = Annotated[
    float | None,
    typer.Option(
        min=1e-3,
        help="Requests per second; `inf`: all at once. Default: 30 % of what slots could serve.",
    ),
]
Alpha = Annotated[float, typer.Option(min=0, help="The exponent of the Zipf law.")]
AgeBound = Annotated[
    float | None, typer.Option(min=0, help="In seconds. Default: that of the class `interactive`.")
]
BatchShare = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the requests in class `batch`.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the trace.")]
LoadS = Annotated[float, typer.Option(min=0, help="Seconds of an expert's first load.")]
WakeS = Annotated[float, typer.Option(min=0, help="Seconds of its later loads.")]
SoloS = Annotated[
    float, typer.Option(min=1e-6, help="Seconds of a request that is alone in its slot.")
]
WorkS = Annotated[
    float, typer.Option(min=1e-6, help="A slot's seconds per request when many are in flight.")
]
Plot = Annotated[
    Path | None, typer.Option(help="Also draw waits and loads over throughput: .svg or .png.")
]


def simulate(
    config: Config = options.DEFAULT_CONFIG,
    trace: Trace = "zipf",
    slots: Slots = 8,
    fits: Fits = 8,
    experts: Experts = 150,
    requests: Requests = 200_000,
    rate: Rate = None,
    alpha: Alpha = 1.0,
    age_bound: AgeBound = None,
    batch_share: BatchShare = 0.0,
    seed: Seed = 0,
    load_s: LoadS = 0.6,
    wake_s: WakeS = 0.5,
    solo_s: SoloS = 0.15,
    work_s: WorkS = 0.008,
    plot: Plot = None,
    json_out: own.JsonOut = None,
) -> None:
    """Compare residency policies in simulated time.

    The exit code is 1 if a target is missed.
    """
    running.call(
        "evals.benchmarks.simulation.command:simulate",
        config=config,
        trace=trace,
        slots=slots,
        fits=fits,
        experts=experts,
        requests=requests,
        rate=rate,
        alpha=alpha,
        age_bound=age_bound,
        batch_share=batch_share,
        seed=seed,
        load_s=load_s,
        wake_s=wake_s,
        solo_s=solo_s,
        work_s=work_s,
        plot=plot,
        json_out=json_out,
    )
