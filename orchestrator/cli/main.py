"""The command line of the service: serve, validate, doctor, route, plan, batch, ps and more."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import options, running
from orchestrator.cli.keys.commands import key
from orchestrator.cli.reload.commands import config as config_group
from orchestrator.cli.router import router

INTRODUCE = "introduce"
"""Under this name, the context has what asks an expert that is added by a call: `module:name`."""
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich takes longer to import than everything else together.
    help="A circle of specialist language models behind one OpenAI endpoint.",
)
app.add_typer(router, name="router")
app.add_typer(key, name="key")
app.add_typer(config_group, name="config")


class LogLevel(StrEnum):
    """What is logged, at least as urgent as this."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a record is written."""

    TEXT = "text"
    JSON = "json"


@app.command()
def serve(
    context: typer.Context,
    config: options.Config = options.DEFAULT_CONFIG,
    host: Annotated[str | None, typer.Option(help="Overrides server.host.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Overrides server.port; 0 chooses a free port.")
    ] = None,
    log_level: Annotated[
        LogLevel, typer.Option(help="Log records of this level and above; info: every request.")
    ] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(help="text: for people; json: one object per line.")
    ] = LogFormat.TEXT,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with an error where an expert cannot be loaded.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Gateway processes that share the port and experts.")
    ] = 1,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Reload when the file changes, or a prompt or artifact that it names."
        ),
    ] = False,
    watch_interval: Annotated[
        float, typer.Option(min=0.01, help="Seconds between two looks at the files.")
    ] = 1.0,
) -> None:
    """Start the experts and the gateway; Ctrl-C stops both.

    An expert that cannot be loaded is marked as failed, and the others are served. SIGHUP reloads
    the file. When it is told to stop, the service finishes the answers in flight; a second signal
    ends it at once.
    """
    running.call(
        "orchestrator.cli.serve:serve",
        config,
        host,
        port,
        log_level.value,
        log_format.value,
        strict,
        workers,
        watch_interval if watch else None,
        (context.obj or {}).get(INTRODUCE),
    )


@app.command()
def reload(
    url: Annotated[str, typer.Option(help="The running service.")] = "http://127.0.0.1:8000",
    api_key: options.ApiKey = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would change.")
    ] = False,
) -> None:
    """Let a running service read its configuration again.

    Prints what changes. A file with mistakes, a change that needs a restart and an expert that
    cannot be loaded change nothing; the exit code is then 1.
    """
    running.call("orchestrator.cli.reload.reload:reload", url, api_key, dry_run)


@app.command()
def validate(file: Annotated[Path, typer.Argument(help="The YAML file.")]) -> None:
    """Check a configuration file.

    Every mistake is named by its path in the file; the exit code is then 2.
    """
    running.call("orchestrator.cli.configuration:validate", file)


@app.command()
def doctor(
    config: options.Config = options.DEFAULT_CONFIG, as_json: options.AsJson = False
) -> None:
    """Look whether this machine can run a configuration.

    Python, engine, GPU and driver, memory, disks, /dev/shm, ports, store, Ray, models and their
    licences, keys. Each fault and warning says what to do. The exit code is 1 if there is a fault.
    """
    running.call("orchestrator.cli.doctor.command:doctor", config, as_json)


@app.command()
def models(config: options.Config = options.DEFAULT_CONFIG) -> None:
    """List the model names that clients can use."""
    running.call("orchestrator.cli.configuration:models", config)


@app.command()
def route(
    question: Annotated[str, typer.Argument(help="A question as a client would ask it.")],
    config: options.Config = options.DEFAULT_CONFIG,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A composition, or pool/ROUTER+AGGREGATOR.")
    ] = "pool/auto",
    as_json: options.AsJson = False,
) -> None:
    """Show which experts would answer a question, and why.

    No expert is loaded or asked.
    """
    running.call("orchestrator.cli.route:route", question, config, model, as_json)


@app.command()
def plan(
    file: Annotated[
        Path, typer.Argument(help="One request per line: OpenAI batch lines, or bare bodies.")
    ],
    config: options.Config = options.DEFAULT_CONFIG,
    url: Annotated[
        str | None, typer.Option(help="A running service whose measured load times are used.")
    ] = None,
    api_key: options.ApiKey = None,
    as_json: options.AsJson = False,
) -> None:
    """Forecast a batch of requests without running it.

    Tells which experts are called how often, what is loaded when, and how long it all takes.
    """
    running.call("orchestrator.cli.plan.plan:plan_file", file, config, url, api_key, as_json)


class Endpoint(StrEnum):
    """What the requests of a file ask for."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"


@app.command()
def batch(
    file: Annotated[Path, typer.Argument(help="One request per line: OpenAI batch lines.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file for the answers.")],
    config: options.Config = options.DEFAULT_CONFIG,
    url: Annotated[
        str | None, typer.Option(help="A running service. Default: one is started on CONFIG.")
    ] = None,
    api_key: options.ApiKey = None,
    endpoint: Annotated[
        Endpoint | None,
        typer.Option(help="The `url` of the file's lines. Default: that of the first one."),
    ] = None,
    as_they_come: Annotated[
        bool,
        typer.Option(
            "--as-they-come", help="Write each answer when it is there, in no other order."
        ),
    ] = False,
) -> None:
    """Answer a file of requests.

    Any mix of experts and compositions. Answers come in the order of the file. Broken off, the same
    command goes on where it was. The exit code is 1 if a line has no answer.
    """
    target = "orchestrator.cli.batch.command:batch"
    asked = endpoint.value if endpoint is not None else None
    running.call(target, file, output, config, url, api_key, asked, as_they_come)


@app.command()
def ps(
    url: Annotated[str, typer.Option(help="The running service.")] = "http://127.0.0.1:8000",
    api_key: options.ApiKey = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the service's own JSON, unchanged.")
    ] = False,
) -> None:
    """Show the slots, experts and queues of a running service."""
    running.call("orchestrator.cli.ps:ps", url, api_key, as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of configuration files, for editors."""
    running.call("orchestrator.cli.configuration:schema")


def main() -> None:
    """Run the service's command line, without the commands that measure and fit."""
    running.run(app)
