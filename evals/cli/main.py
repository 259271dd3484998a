"""The console script `coterie`: the orchestrator's commands and those of the evaluation."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from evals.benchmarks.routing.command import evaluate
from evals.benchmarks.simulation.command import simulate
from evals.client.progress import Progress
from evals.fitting.cascade_cli import cascade
from evals.fitting.expert_cli import expert
from evals.fitting.fuse.fuse_cli import fuse
from evals.fitting.outcomes_cli import outcomes
from evals.reporting.table import make_console
from orchestrator.cli.main import app, run
from orchestrator.config.model import load_config

DEFAULT_CONFIG = Path("examples/zoo.yaml")

zoo = typer.Typer(no_args_is_help=True, help="The small specialists of the repository.")
app.add_typer(zoo, name="zoo")
app.add_typer(fuse, name="fuse")
app.add_typer(evaluate, name="eval")
app.add_typer(outcomes, name="outcomes")
app.add_typer(expert, name="expert")
app.add_typer(cascade, name="cascade")
app.command()(simulate)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The YAML file that describes the pool.")
]
TasksOption = Annotated[
    list[str] | None, typer.Option("--task", "-t", help="Only this task; may be repeated.")
]
CompositionsOption = Annotated[
    list[str] | None,
    typer.Option("--composition", "-m", help="A name from `compositions`; else all."),
]


@app.command()
def demo(
    config: ConfigOption = DEFAULT_CONFIG,
    questions: Annotated[
        int, typer.Option("--questions", "-n", min=1, help="Held-out questions per skill.")
    ] = 24,
) -> None:
    """Ask the pool and every expert the same questions; exit 1 if the pool is not the best."""
    _run("demo", config, questions)


@app.command()
def profile(
    config: ConfigOption = DEFAULT_CONFIG,
    task: TasksOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The outcome table; else the one the routers read."),
    ] = None,
) -> None:
    """Ask every expert every probe question and write the outcome table for the routers."""
    _run("profile", config, tuple(task or ()), out)


@evaluate.command()
def pool(
    config: ConfigOption = DEFAULT_CONFIG,
    composition: CompositionsOption = None,
    task: TasksOption = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every number to this file.")
    ] = None,
) -> None:
    """Ask compositions and experts the test questions; exit 1 if a composition misses a target."""
    _run("pool", config, tuple(composition or ()), tuple(task or ()), json_out)


@evaluate.command()
def panels(
    config: ConfigOption = DEFAULT_CONFIG,
    composition: CompositionsOption = None,
    task: TasksOption = None,
    beside: Annotated[
        str | None, typer.Option(help="An expert whose accuracy is wanted at half its price.")
    ] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every number to this file.")
    ] = None,
) -> None:
    """Panels beside the best single expert of every skill, tokens and price; exit 1 on a miss."""
    _run("panels", config, tuple(composition or ()), tuple(task or ()), beside, json_out)


@app.command()
def bench(
    config: ConfigOption = DEFAULT_CONFIG,
    expert: Annotated[str | None, typer.Option(help="Whom to ask; else the first.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 5,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every sample to this file.")
    ] = None,
) -> None:
    """Measure what the gateway costs; exit 1 if a target is missed."""
    _run("bench", config, expert, rounds, json_out)


@app.command("bench-panel")
def bench_panel(
    config: ConfigOption = DEFAULT_CONFIG,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 5,
) -> None:
    """Measure what putting a panel together adds to its experts; exit 1 if a target is missed."""
    _run("bench_panel", config, rounds)


@app.command("bench-swap")
def bench_swap(
    config: ConfigOption = DEFAULT_CONFIG,
    experts: Annotated[int, typer.Option(min=3, help="Copies of the models, by names.")] = 16,
    requests: Annotated[int, typer.Option(min=1, help="Requests of the batch.")] = 640,
    age_bound: Annotated[
        float, typer.Option(min=0.1, help="Age bound beside the hostile stream, in seconds.")
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="Of the order of the requests.")] = 0,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every measurement to this file.")
    ] = None,
) -> None:
    """Serve more experts than memory in three ways; exit 1 if a target is missed."""
    arguments = (experts, requests, age_bound, seed, json_out)
    _run("swap", config, *arguments, module="evals.benchmarks.swap.command")


@app.command("bench-fusion")
def bench_fusion(
    config: ConfigOption = DEFAULT_CONFIG,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 7,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every measurement to this file.")
    ] = None,
) -> None:
    """Measure composite models beside their members; exit 1 if a target is missed."""
    _run("bench", config, rounds, json_out, module="evals.benchmarks.fusion.command")


@fuse.command("self-contrast")
def fuse_self_contrast(
    expert: Annotated[str, typer.Option(help="The mixture of experts.")],
    task: Annotated[list[str], typer.Option("--task", "-t", help="A task; may be repeated.")],
    config: ConfigOption = DEFAULT_CONFIG,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the fused expert into this folder.")
    ] = None,
) -> None:
    """Fit self-contrast on the probes, compare it with greedy; exit 1 if it is below."""
    arguments = (expert, tuple(task), out)
    _run("self_contrast", config, *arguments, module="evals.benchmarks.fusion.command")


@zoo.command()
def report(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Print the accuracy of every expert on every task; exit 1 if one breaks the zoo's rules."""
    _run("report", config)


def main() -> None:
    """Run a command; what is wrong becomes one clear message and an exit code, no traceback."""
    run(app)


def _run(function: str, config: Path, *arguments: Any, module: str = "evals.cli.launch") -> None:
    """Run a coroutine function of `module` and exit with what it returns."""
    settings = load_config(config)
    console = make_console()
    with Progress(console) as progress:
        progress.say("starting")
        progress.doing("loading the code")
        # Imported late: `coterie --help` must not wait for Ray and torch.
        commands = import_module(module)
        finish = uvloop.run(getattr(commands, function)(progress, settings, *arguments))
    raise typer.Exit(finish(console))
