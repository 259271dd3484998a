"""`coterie demo` and `coterie zoo`: what the shipped specialists can do."""

from typing import Annotated

import typer

from evals.cli import options as own
from evals.cli.launch import launch
from orchestrator.cli import options

zoo = typer.Typer(no_args_is_help=True, help="The small specialists of the repository.")


@zoo.callback()
def _group() -> None:
    """Keep `report` a subcommand, though it is the only one."""


def demo(
    config: options.Config = options.DEFAULT_CONFIG,
    questions: Annotated[
        int, typer.Option("--questions", "-n", min=1, help="Held-out questions of each skill.")
    ] = 24,
    task: own.Tasks = None,
    data_root: own.DataRoot = None,
) -> None:
    """Ask the pool and every expert the same questions.

    Prints one table; the exit code is 1 if the pool is not better than its best expert.
    """
    launch("evals.benchmarks.demo:demo", config, questions, own.wanted(task, data_root))


@zoo.command()
def report(config: options.Config = options.DEFAULT_CONFIG) -> None:
    """Print the accuracy of every expert on every task.

    The exit code is 1 if an expert breaks the zoo's rules.
    """
    launch("evals.benchmarks.zoo_report:report", config)
