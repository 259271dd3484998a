"""`coterie batch`: a file in, answers out; broken off, it goes on where it was."""

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import typer
import uvloop

from experts.errors import ConfigError, ServiceError
from orchestrator.batch.checking import check
from orchestrator.batch.line import ENDPOINTS
from orchestrator.cli import logs
from orchestrator.cli.batch.arrivals import Arrivals
from orchestrator.cli.batch.costs import forecast_words, tell_costs
from orchestrator.cli.batch.own_service import remove, started
from orchestrator.cli.batch.remote_batch import Gone, Progress, RemoteBatch
from orchestrator.cli.signals import Interrupted, StopSignals
from orchestrator.config.batches_section import BatchesConfig
from orchestrator.config.model import Config, load_config

CHUNK_BYTES = 1 << 20
FIRST_LINE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class State:
    """What a run leaves beside its output, for the next one."""

    digest: str
    """Of the file of requests."""
    where: str
    """The service's URL, or the configuration's path."""
    batch: str
    """Its id there; empty before it is made."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to do."""

    file: Path
    output: Path
    endpoint: str | None
    """None: that of the first line."""
    as_they_come: bool


def batch(
    file: Path,
    output: Path,
    config: Path,
    url: str | None,
    api_key: str | None,
    endpoint: str | None,
    as_they_come: bool,
) -> None:
    """Raises ConfigError, ServiceError."""
    logs.configure_quietly()
    if not file.is_file():
        raise ConfigError(f"There is no file {file}.")
    if output.exists() and not state_of(output).exists():
        raise ConfigError(f"{output} is there already.", hint="Move it, or name another output.")
    if not output.absolute().parent.is_dir():
        raise ConfigError(
            f"--output {output}: there is no folder {output.parent}.", hint="Make it first."
        )
    settings = load_config(config) if url is None else None
    wanted = Wanted(file, output.resolve(), endpoint, as_they_come)
    if code := uvloop.run(_run(wanted, config.resolve(), settings, url, api_key)):
        raise typer.Exit(code)


async def _run(
    wanted: Wanted, config: Path, settings: Config | None, url: str | None, api_key: str | None
) -> int:
    with StopSignals() as signals:
        async with AsyncExitStack() as stack:
            try:
                where = str(config) if url is None else url
                digest = await asyncio.to_thread(_digest, wanted.file)
                known = _known(wanted.output, digest, where)  # Before anything is started.
                if settings is not None:
                    if known is None:
                        await signals.unless_asked(refuse_useless(wanted, settings.batches))
                    own = started(settings, config, store_of(wanted.output), stack)
                    url, api_key = await signals.unless_asked(own), None
                assert url is not None
                remote = RemoteBatch(url, api_key, lambda words: typer.echo(f"\n{words}", err=True))
                stack.push_async_callback(remote.close)
                begun = known or State(digest, where, "")
                code = await signals.unless_asked(_answered(remote, wanted, begun))
            except Interrupted:
                again = "the same command goes on with it"
                again += "" if settings is not None else ", and the service meanwhile"
                typer.echo(f"\nbroken off; {again}", err=True)
                return signals.exit_code
        remove(store_of(wanted.output))
        return code


async def refuse_useless(wanted: Wanted, bounds: BatchesConfig) -> None:
    """Before a service is started for it: a file of which no line would be asked.

    Raises ConfigError.
    """
    endpoint = wanted.endpoint or endpoint_of(wanted.file)
    longest = int(bounds.max_line_mb * (1 << 20))
    async with aclosing(_pieces(wanted.file)) as content:
        found = await check(endpoint, content, longest, bounds.max_lines, _keep_nothing)
    if found.errors:
        raise _useless(wanted.file, found.errors[: bounds.max_errors])


async def _pieces(file: Path) -> AsyncGenerator[bytes, None]:
    with file.open("rb") as opened:
        while chunk := await asyncio.to_thread(opened.read, CHUNK_BYTES):
            yield chunk


async def _keep_nothing(*_: object) -> None:
    """The service reads it again."""


def _useless(file: Path, errors: Iterable[dict[str, Any]]) -> ConfigError:
    return ConfigError(f"{file} cannot be run as a batch.", problems=tuple(map(_told, errors)))


async def _answered(remote: RemoteBatch, wanted: Wanted, begun: State) -> int:
    """Upload, follow, and fetch; the exit code is 1 where a line has no answer."""
    file, output = wanted.file, wanted.output
    identifier = begun.batch
    if not identifier:
        remember(output, begun)  # Before anything is asked that nobody could go on with.
        typer.echo(f"sending {file}", err=True)
        identifier = await remote.create(file, wanted.endpoint or endpoint_of(file))
        remember(output, replace(begun, batch=identifier))
    else:
        typer.echo(f"going on with {identifier}", err=True)
    shown = Shown()
    arrivals = Arrivals(output) if wanted.as_they_come else None
    try:
        found = await remote.followed(
            identifier, shown.show, arrivals.take if arrivals is not None else None
        )
    except Gone as error:
        raise _gone(error, output) from error
    shown.end()
    if found["status"] == "failed":
        state_of(output).unlink()
        raise _useless(file, found["errors"]["data"])
    counts = found["request_counts"]
    answers, errors = found["output_file_id"], found["error_file_id"]
    wrong = output.with_suffix(f".errors{output.suffix}")
    try:
        if errors:
            await remote.fetch(errors, wrong)
        if answers:
            await _fetch(remote, answers, output, arrivals)
    except Gone as error:
        raise _gone(error, output) from error
    state_of(output).unlink()
    done, failed = _count(counts["completed"], "answer"), _count(counts["failed"], "line")
    tell_costs(found.get("coterie") or {})
    typer.echo(f"{done} in {output}" if answers else "no line has an answer")
    if errors:
        typer.echo(f"{failed} without an answer, with the reasons, in {wrong}")
    return 1 if errors or found["status"] != "completed" else 0


def _gone(error: Gone, output: Path) -> ServiceError:
    return ServiceError(
        str(error), hint=f"Remove {state_of(output)} to begin anew: {output} was not finished."
    )


async def _fetch(
    remote: RemoteBatch, identifier: str, output: Path, arrivals: Arrivals | None
) -> None:
    """The answers in the order of the file; or, as they came, those that are not there yet."""
    if arrivals is None:
        await remote.fetch(identifier, output)
        return
    whole = output.with_name(f".{output.name}.whole")
    await remote.fetch(identifier, whole)
    arrivals.take_file(whole)


class Shown:
    """Progress on the terminal: one line that is written over, or in a log now and then."""

    def __init__(self) -> None:
        self._on_terminal = typer.get_text_stream("stderr").isatty()
        self._last = ""
        self._next_s = 0.0
        self._forecast = False

    def show(self, progress: Progress) -> None:
        """Say how far it is, and, once it is known, what the run is expected to take."""
        if progress.predicted is not None and not self._forecast:
            self._forecast = True
            self._say(forecast_words(progress.predicted))
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

    def _say(self, words: str) -> None:
        typer.echo(f"\r\x1b[K{words}" if self._on_terminal else words, err=True)

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


def remember(output: Path, state: State) -> None:
    """Raises ConfigError where it cannot be written."""
    path = state_of(output)
    try:
        path.write_text(json.dumps(asdict(state)))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.",
            hint="What a run needs to go on lies beside its output: name another folder.",
        ) from error


def _known(output: Path, digest: str, where: str) -> State | None:
    """The run that was broken off, if it was of the same file. Raises ConfigError."""
    path = state_of(output)
    if not path.exists():
        return None
    try:
        state = State(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is no state of a batch.", hint=f"Remove {path}.") from error
    differs = "another file" if state.digest != digest else f"{state.where}"
    if (state.digest, state.where) != (digest, where):
        raise ConfigError(
            f"{output} was begun with {differs}, and is not finished.",
            hint=f"Go on with that, name another output, or remove {path} to begin anew.",
        )
    return state


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


def endpoint_of(file: Path) -> str:
    """The `url` of the first line, if it is one of ours; else the usual one."""
    with file.open("rb") as opened:
        first = opened.readline(FIRST_LINE_BYTES)
    try:
        url: object = json.loads(first.removeprefix(b"\xef\xbb\xbf"))["url"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ENDPOINTS[0]  # The service says what is wrong with the line.
    return next((one for one in ENDPOINTS if one == url), ENDPOINTS[0])
