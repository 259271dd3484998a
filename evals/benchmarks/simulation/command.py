"""`coterie simulate`: the residency policy beside other policies, in made-up time."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from evals.benchmarks.simulation.service import Machine
from evals.benchmarks.simulation.setting import DEFAULT_LOAD, ZIPF, Setting
from evals.client.progress import Progress
from evals.reporting.table import make_console, say
from orchestrator.config.model import BATCH_CLASS, DEFAULT_CLASS, load_config
from orchestrator.residency.machine.policy import Rules

_COSTS = Machine()
_SETTING = Setting()


def simulate(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="Gives the policy's settings and age bounds.")
    ] = Path("examples/zoo.yaml"),
    trace: Annotated[
        str, typer.Option(help=f"`{ZIPF}`, or a file of lines with at_s, expert, class.")
    ] = ZIPF,
    slots: Annotated[int, typer.Option(min=1)] = _COSTS.slots,
    fits: Annotated[int, typer.Option(min=1, help="Experts that a slot holds.")] = 8,
    experts: Annotated[int, typer.Option(min=1)] = _SETTING.experts,
    requests: Annotated[int, typer.Option("--requests", "-n", min=1)] = _SETTING.requests,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1e-3,
            help=f"Requests per second, `inf`: all at once; else {100 * DEFAULT_LOAD:.0f} % of"
            " what the slots could serve.",
        ),
    ] = None,
    alpha: Annotated[float, typer.Option(min=0, help="The exponent of the Zipf law.")] = 1.0,
    age_bound: Annotated[
        float | None, typer.Option(min=0, help="In seconds; else that of class interactive.")
    ] = None,
    batch_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests of class batch.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    load_s: Annotated[float, typer.Option(min=0, help="An expert's first load.")] = _COSTS.load_s,
    wake_s: Annotated[float, typer.Option(min=0, help="Its later loads.")] = _COSTS.wake_s,
    solo_s: Annotated[
        float, typer.Option(min=1e-6, help="A request, alone in its slot.")
    ] = _COSTS.solo_s,
    work_s: Annotated[
        float, typer.Option(min=1e-6, help="A slot's time per request, with many in use.")
    ] = _COSTS.work_s,
    plot: Annotated[
        Path | None, typer.Option(help="Draw waits and loads over throughput: .svg or .png.")
    ] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every result to this file.")
    ] = None,
) -> None:
    """Drive the residency policy and others over one trace; exit 1 if a target is missed."""
    tree = load_config(config)
    machine = Machine(
        slots, float(fits), load_s=load_s, wake_s=wake_s, solo_s=solo_s, work_s=work_s
    )
    bounds = [tree.classes[name].max_wait_s for name in (DEFAULT_CLASS, BATCH_CLASS)]
    interactive_s, batch_s = (float("inf") if bound is None else bound for bound in bounds)
    setting = Setting(
        machine,
        Rules(tree.slots.stage_loads, tree.slots.rate_window_s),
        trace,
        experts,
        requests,
        DEFAULT_LOAD * machine.capacity if rate is None else rate,
        alpha,
        batch_share,
        (interactive_s if age_bound is None else age_bound, batch_s),
        seed,
    )
    raise typer.Exit(_simulate(setting, plot, json_out))


def _simulate(setting: Setting, plot: Path | None, json_out: Path | None) -> int:
    console = make_console()
    with Progress(console) as progress:
        # Imported late: `coterie --help` must not wait for numpy.
        runs = import_module("evals.benchmarks.simulation.runs")
        picture = import_module("evals.benchmarks.simulation.picture") if plot else None
        if picture:
            picture.check_path(plot)
        study = runs.compare(setting, progress, with_curves=plot is not None)
        if picture:
            picture.draw(plot, study.setting, study.curves)
    report = import_module("evals.benchmarks.simulation.simulation_report")
    if json_out is not None:
        report.write_json(json_out, study)
    code: int = report.print_study(console, study)
    if plot is not None:
        say(console, f"Picture: {plot}")
    return code
