"""Runs a command that measures or makes something, with its progress and its exit code."""

import inspect
import signal
from collections.abc import Iterator
from contextlib import contextmanager
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
    with progress_module.Progress(console) as progress, _ended_in_order():
        progress.say("starting")
        progress.doing("loading the code")
        module, _, name = target.partition(":")
        found = getattr(import_module(module), name)(progress, *settings, *arguments)
        finish = import_module("uvloop").run(found) if inspect.iscoroutine(found) else found
    raise typer.Exit(finish(console))


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end it as Ctrl-C does, so that it ends the processes it has started."""
    came: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        came.append(number)
        ctrl_c = signal.getsignal(signal.SIGINT)
        # A shell lets what it starts in the background ignore Ctrl-C.
        (ctrl_c if callable(ctrl_c) else signal.default_int_handler)(number, frame)

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        if came:
            raise typer.Exit(128 + came[0]) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _load(config: Path) -> Any:
    return import_module("orchestrator.config.model").load_config(config)
