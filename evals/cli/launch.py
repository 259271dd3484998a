"""Runs a command that measures or makes something, with its progress and its exit code."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import typer


def launch(target: str, config: Path | None, *arguments: Any) -> NoReturn:
    """Call a function, `module:name`, and exit with the code of what it returns.

    It gets a `Progress`, the configuration of a file if there is one, and the arguments, may be a
    coroutine function, and returns a `Finish`. All is imported only now: `coterie --help` must not
    wait for it.
    """
    progress_module = import_module("evals.client.progress")
    settings = [] if config is None else [_load(config)]
    import_module("orchestrator.cli.logs").configure_quietly()
    console = import_module("evals.reporting.table").make_console()
    with progress_module.Progress(console) as progress:
        progress.say("starting")
        progress.doing("loading the code")
        module, _, name = target.partition(":")
        found = getattr(import_module(module), name)(progress, *settings, *arguments)
        finish = import_module("uvloop").run(found) if inspect.iscoroutine(found) else found
    raise typer.Exit(finish(console))


def _load(config: Path) -> Any:
    return import_module("orchestrator.config.model").load_config(config)
