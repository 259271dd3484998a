"""The folder of a run: begun once, gone on with after a kill, written whole at the end."""

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from evals.runs.record import RUN_FILE, SAMPLES_FILE, Row, RunInfo
from experts.errors import ConfigError, CoterieError, ServiceError
from experts.files.jsonl import lines_of, read_text

_MAY_DIFFER: Any = {"created": True, "totals": True, "experts": {"__all__": {"memory_gb"}}}
"""What is not a setting."""


class RunFolder:
    """One run; a process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, info: RunInfo) -> RunInfo:
        """The run's head: `info`, or what an earlier session with the same settings has written.

        Raises ConfigError where the folder cannot be used, or holds another run.
        """
        with _errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        known = self.info()
        if known is None:
            if self._file(SAMPLES_FILE).exists():
                raise ConfigError(f"{self.path} has a {SAMPLES_FILE}, and no {RUN_FILE}.")
            self._write(RUN_FILE, [info])
            return info
        differences = tuple(_differences(_settings(known), _settings(info)))
        if differences:
            raise ConfigError(
                f"{self.path} holds a run with other settings (there, and now):",
                problems=differences,
                hint="Name another folder with --out.",
            )
        return known

    def finish(self, info: RunInfo, rows: Iterable[Row]) -> None:
        """Write the answers, and then that the run has ended."""
        self._write(SAMPLES_FILE, rows)
        self._write(RUN_FILE, [info])

    def info(self) -> RunInfo | None:
        """The head of the run that is here, if one is. Raises ConfigError for what is none."""
        path = self._file(RUN_FILE)
        try:
            return RunInfo.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise ConfigError(f"{path} is not the head of a run: {_first(error)}.") from error
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error

    def rows(self) -> list[Row]:
        """The answers of a run that has ended. Raises ConfigError."""
        path = self._file(SAMPLES_FILE)
        found = []
        for number, line in lines_of(read_text(path)):
            try:
                found.append(Row.model_validate_json(line))
            except ValidationError as error:
                words = f"{path}, line {number} is no row: {_first(error)}."
                raise ConfigError(words) from error
        return found

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out. Raises ConfigError where one is at work here."""
        with _errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            # A lock on the folder itself ends with the process, however that ends.
            folder = os.open(self.path, os.O_RDONLY)
        try:
            _lock(folder, self.path)
            yield
        finally:
            os.close(folder)

    def _file(self, name: str) -> Path:
        return self.path / name

    def _write(self, name: str, parts: Iterable[BaseModel]) -> None:
        """All lines, or none: what was there before stays until they are on the disk."""
        beside = self._file(f".{name}.new")
        try:
            with _errors(self.path):
                with beside.open("wb") as file:
                    for part in parts:
                        file.write(part.model_dump_json().encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(self._file(name))
        finally:
            with _errors(self.path):
                beside.unlink(missing_ok=True)


def _lock(folder: int, path: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigError(f"Another process is at work on the run {path}.") from error


def _settings(info: RunInfo) -> dict[str, Any]:
    return info.model_dump(mode="json", exclude=_MAY_DIFFER)


def _differences(there: Any, now: Any, place: str = "") -> Iterator[str]:
    """Each setting that differs, with its path."""
    if isinstance(there, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*there, *now]):
            yield from _differences(there.get(key), now.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(there, list) and isinstance(now, list) and _named(there) and _named(now):
        before, after = ({one["name"]: one for one in many} for many in (there, now))
        if list(before) != list(after):
            yield f"{place}: {', '.join(before) or 'none'}, and {', '.join(after) or 'none'}"
        else:
            yield from _differences(before, after, place)
    elif there != now:
        yield f"{place}: {_told(there)}, and {_told(now)}"


def _named(many: list[Any]) -> bool:
    return all(isinstance(one, dict) and "name" in one for one in many)


def _told(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}"


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: OSError) -> CoterieError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ServiceError(
            f"The disk of {path} is full. Every answer so far is in the cache.",
            hint="Make room, then run the same command again.",
        )
    return ConfigError(
        f"{path} cannot hold a run: {error.strerror}.", hint="Name another folder with --out."
    )
