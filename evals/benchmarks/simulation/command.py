"""`coterie simulate`: the residency policy beside other policies, in made-up time."""

from importlib import import_module
from pathlib import Path

import typer

from evals.benchmarks.simulation.service import Machine
from evals.benchmarks.simulation.setting import DEFAULT_LOAD, STAGED, Setting, calls_of
from evals.client.progress import Progress
from evals.reporting.outputs import check_outputs
from evals.reporting.table import make_console, say
from experts.errors import ConfigError
from orchestrator.config.model import BATCH_CLASS, DEFAULT_CLASS, load_config
from orchestrator.residency.machine.policy import Rules


def simulate(
    *,
    config: Path,
    trace: str,
    slots: int,
    fits: int,
    experts: int,
    requests: int,
    rate: float | None,
    alpha: float,
    age_bound: float | None,
    batch_share: float,
    seed: int,
    load_s: float,
    wake_s: float,
    solo_s: float,
    work_s: float,
    plot: Path | None,
    json_out: Path | None,
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
        Rules(tree.slots.stage_loads, tree.slots.rate_window_s, tree.slots.prefetch),
        trace,
        experts,
        requests,
        DEFAULT_LOAD * machine.capacity / calls_of(trace) if rate is None else rate,
        alpha,
        batch_share,
        (interactive_s if age_bound is None else age_bound, batch_s),
        seed,
    )
    if trace in STAGED:
        if plot is not None:
            raise ConfigError("--plot draws traces of single requests: leave --trace out.")
        raise typer.Exit(_simulate_stages(setting, json_out))
    raise typer.Exit(_simulate(setting, plot, json_out))


def _simulate_stages(setting: Setting, json_out: Path | None) -> int:
    console = make_console()
    staged = import_module("evals.benchmarks.simulation.staged_report")
    with Progress(console) as progress:
        study = staged.study_stages(setting, progress)
    if json_out is not None:
        staged.write_stages(json_out, study)
    code: int = staged.print_stages(console, study)
    return code


def _simulate(setting: Setting, plot: Path | None, json_out: Path | None) -> int:
    console = make_console()
    check_outputs(plot, json=json_out)
    with Progress(console) as progress:
        # Imported late: `coterie --help` must not wait for numpy.
        runs = import_module("evals.benchmarks.simulation.runs")
        picture = import_module("evals.benchmarks.simulation.picture") if plot else None
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
