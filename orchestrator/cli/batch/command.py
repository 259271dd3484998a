"""`coterie batch`: a file in, answers out; broken off, it goes on where it was."""

import asyncio
import hashlib
import json
import shutil
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
import uvloop

from experts.errors import ConfigError
from orchestrator.cli import logs
from orchestrator.cli.batch.remote_batch import Progress, RemoteBatch
from orchestrator.cli.signals import Interrupted, StopSignals
from orchestrator.config.model import Config, load_config

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class State:
    """What a run leaves beside its output, for the next one."""

    digest: str
    """Of the file of requests."""
    where: str
    """The service's URL, or the configuration's path."""
    batch: str


def batch(
    file: Path, output: Path, config: Path, url: str | None, api_key: str | None, endpoint: str
) -> None:
    """Raises ConfigError, ServiceError."""
    logs.configure_quietly()
    if not file.is_file():
        raise ConfigError(f"There is no file {file}.")
    if output.exists():
        raise ConfigError(f"{output} is there already.", hint="Move it, or name another output.")
    if not output.absolute().parent.is_dir():
        raise ConfigError(
            f"--output {output}: there is no folder {output.parent}.", hint="Make it first."
        )
    settings = load_config(config) if url is None else None
    config, output = config.resolve(), output.resolve()
    if code := uvloop.run(_run(file, output, config, settings, url, api_key, endpoint)):
        raise typer.Exit(code)


async def _run(
    file: Path,
    output: Path,
    config: Path,
    settings: Config | None,
    url: str | None,
    api_key: str | None,
    endpoint: str,
) -> int:
    with StopSignals() as signals:
        async with AsyncExitStack() as stack:
            try:
                if settings is not None:
                    own = await signals.unless_asked(_started(settings, store_of(output), stack))
                    url, api_key = own, None
                assert url is not None
                remote = RemoteBatch(url, api_key)
                stack.push_async_callback(remote.close)
                where = str(config) if settings is not None else url
                work = _answered(remote, file, output, where, endpoint)
                return await signals.unless_asked(work)
            except Interrupted:
                again = "the same command goes on with it" if settings is not None else "it goes on"
                typer.echo(f"\nbroken off; {again}", err=True)
                return signals.exit_code


async def _started(settings: Config, store: Path, stack: AsyncExitStack) -> str:
    """The URL of a service of our own, which keeps what it does beside the output."""
    # Imported only now: a mistake in the configuration does not wait for the rest.
    from orchestrator.service import start_service  # noqa: PLC0415

    server = settings.server.model_copy(update={"api_keys": {}, "host": "127.0.0.1"})
    own = settings.model_copy(update={"server": server, "store": f"sqlite:{store}"})
    typer.echo("starting", err=True)
    service = await start_service(own, on_event=lambda words: typer.echo(words, err=True), port=0)
    stack.push_async_callback(service.stop)
    return service.base_url


async def _answered(
    remote: RemoteBatch, file: Path, output: Path, where: str, endpoint: str
) -> int:
    """Upload, follow, and fetch; the exit code is 1 where a line has no answer."""
    digest = await asyncio.to_thread(_digest, file)
    known = _known(output, digest, where)
    identifier = known.batch if known is not None else ""
    if not identifier:
        typer.echo(f"sending {file}", err=True)
        identifier = await remote.create(file, endpoint)
        state_of(output).write_text(json.dumps(asdict(State(digest, where, identifier))))
    shown = Shown()
    found = await remote.followed(identifier, shown.show)
    shown.end()
    if found["status"] == "failed":
        _clean_up(output)
        problems = tuple(_told(error) for error in found["errors"]["data"])
        raise ConfigError(f"{file} cannot be run as a batch.", problems=problems)
    counts = found["request_counts"]
    answers, errors = found["output_file_id"], found["error_file_id"]
    wrong = output.with_suffix(f".errors{output.suffix}")
    if errors:
        await remote.fetch(errors, wrong)
    if answers:
        await remote.fetch(answers, output)
    _clean_up(output)
    done, failed = _count(counts["completed"], "answer"), _count(counts["failed"], "line")
    typer.echo(f"{done} in {output}" if answers else "no line has an answer")
    if errors:
        typer.echo(f"{failed} without an answer, with the reasons, in {wrong}")
    return 1 if errors or found["status"] != "completed" else 0


class Shown:
    """Progress on the terminal: one line that is written over, or in a log now and then."""

    def __init__(self) -> None:
        self._on_terminal = typer.get_text_stream("stderr").isatty()
        self._last = ""
        self._next_s = 0.0

    def show(self, progress: Progress) -> None:
        """Say how far it is."""
        words = progress.words()
        if words == self._last:
            return
        if self._on_terminal:
            columns = shutil.get_terminal_size().columns
            typer.echo(f"\r\x1b[K{words[: columns - 1]}", nl=False, err=True)
        elif progress.seconds >= self._next_s:
            typer.echo(words, err=True)
            self._next_s = progress.seconds * 1.5 + 1
        self._last = words

    def end(self) -> None:
        """Leave the last line where it is."""
        if self._on_terminal and self._last:
            typer.echo("", err=True)


def state_of(output: Path) -> Path:
    """Where a run remembers which batch makes this output."""
    return output.with_name(f".{output.name}.batch")


def store_of(output: Path) -> Path:
    """Where a service of our own keeps lines and results."""
    return output.with_name(f".{output.name}.store")


def _known(output: Path, digest: str, where: str) -> State | None:
    """The run that was broken off, if it was of the same file. Raises ConfigError."""
    path = state_of(output)
    if not path.exists():
        return None
    try:
        state = State(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is no state of a batch.", hint=f"Remove {path}.") from error
    if (state.digest, state.where) != (digest, where):
        raise ConfigError(
            f"{output} was begun with another file or another pool.",
            hint=f"Name another output, or remove {path} to begin anew.",
        )
    return state


def _clean_up(output: Path) -> None:
    store = store_of(output)
    for path in (state_of(output), store, *(Path(f"{store}{end}") for end in ("-wal", "-shm"))):
        path.unlink(missing_ok=True)


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _told(error: dict[str, object]) -> str:
    line = error.get("line")
    return f"{f'line {line}: ' if line else ''}{error.get('message')}"
