"""Logging: records of every library on one stream, as text for people or as JSON lines."""

import json
import logging
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, TextIO

from experts.upstream.quoting import MOST_QUOTED, brief, quoted
from orchestrator.request.tracing.current import CURRENT

OURS = ("coterie", "experts", "routers", "aggregators", "orchestrator", "evals")
"""Top-level loggers that `--log-level` is about."""
NOBODYS = ("coterie.residency", "coterie.service", "coterie.routing", "coterie.traces")
"""What these do is for all requests, though one may have been the occasion."""
LIBRARIES = ("ray", "vllm", "uvicorn")
"""They bring handlers of their own, so that every record would be printed twice."""
_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"}
_BARE_RECORD = len(vars(logging.makeLogRecord({})))
_BARE = re.compile(r"[\w./:+@%-]+")


class TextFormatter(logging.Formatter):
    """`TIME LEVEL LOGGER MESSAGE key=value ...`, then the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        fields = [f"{key}={_SAID.get(type(one), _value)(one)}" for key, one in extras(record)]
        message = _told(record)
        words = " ".join([message, *fields] if message else fields)
        # Every request has a line, so this is written for speed.
        time = f"{_second(int(record.created))}.{int(record.msecs):03d}"
        line = f"{time} {record.levelname:<7} {record.name}  {words}"
        if not (record.exc_info or record.exc_text or record.stack_info):
            return line
        return "\n".join(filter(None, [line, *_exceptions(self, record)]))


class JsonFormatter(logging.Formatter):
    """One object per line: time, level, logger, message, the extra fields, exception.

    Whatever is logged while a request is worked for has its `request_id`, and its `trace_id` where
    it has one.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _told(record),
        }
        if (current := CURRENT.get()) is not None and not record.name.startswith(NOBODYS):
            fields = current._asdict().items()
            entry |= {key: value for key, value in fields if value is not None}
        for key, value in extras(record):
            entry.setdefault(key, quoted(value) if isinstance(value, str) else value)
        if told := "\n".join(_exceptions(self, record)):
            entry["exception"] = told
        return json.dumps(_finite(entry), default=str)


def extras(record: logging.LogRecord) -> Iterable[tuple[str, Any]]:
    """What a record carries beside its message; the fields of `access` one by one.

    A value that is None is left out.
    """
    told = record.__dict__
    access = told.get("access")
    if len(told) == _BARE_RECORD + 1 and type(access) is dict:
        # As every request leaves one: what is standard need not be looked for.
        return [(name, one) for name, one in access.items() if one is not None]
    return _extras(told)


def _extras(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in told.items():
        if key in _STANDARD or key.startswith("_"):
            continue  # Ray adds a private field to every record.
        if key == "access" and isinstance(value, Mapping):
            yield from ((name, one) for name, one in value.items() if one is not None)
        elif value is not None:
            yield key, value


class _LineHandler(logging.StreamHandler[TextIO]):
    """Writes a line for each record, at once; whoever calls `emit` has the lock already."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.stream.write(self.format(record) + self.terminator)
            self.stream.flush()
        except RecursionError:  # As in `StreamHandler`: to tell of it would recurse, too.
            raise
        except Exception:
            self.handleError(record)


def configure(level: str, form: str, stream: TextIO) -> None:
    """Write records of this level and above to `stream`, those of libraries from warning on.

    At level debug the libraries tell everything, too. `form` is text or json.
    """
    handler = _LineHandler(stream)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    number = logging.getLevelNamesMapping()[level.upper()]
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number if number < logging.INFO else max(number, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(number)
    # No line of ours tells them, and finding them out costs every request.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(True)
    adopt_libraries()


def configure_quietly() -> None:
    """For commands whose output is a result: only warnings, as text, on standard error."""
    configure("warning", "text", sys.stderr)


def adopt_libraries() -> None:
    """Hand records of libraries that have set up their own handlers to ours instead."""
    for name in [*logging.Logger.manager.loggerDict]:
        if name.partition(".")[0] in LIBRARIES:
            logger = logging.getLogger(name)
            for handler in logger.handlers[:]:
                if isinstance(handler, logging.StreamHandler) and not isinstance(
                    handler, logging.FileHandler
                ):
                    logger.removeHandler(handler)
            logger.propagate = True


def _told(record: logging.LogRecord) -> str:
    """Its message, in which no client's word is longer than anybody would read."""
    return brief(record.getMessage())


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created).astimezone()


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    """The local time, to the second."""
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M:%S}"


def _value(value: Any) -> str:
    """A value that can be told from what stands beside it, on one line."""
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, str):
        return _text(value)
    return _word(json.dumps(_finite(value), default=str))


def _text(value: str) -> str:
    return _word(value if len(value) <= MOST_QUOTED else quoted(value))


@lru_cache(maxsize=1024)
def _word(text: str) -> str:
    """A text as a value: most of them are names that stand in every line."""
    return text if _BARE.fullmatch(text) else json.dumps(text)


_SAID: Mapping[type, Callable[[Any], str]] = {float: "%.1f".__mod__, int: str, str: _text}
"""What nearly every value is, in as few calls as can be."""


def _finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value


def _exceptions(formatter: logging.Formatter, record: logging.LogRecord) -> Iterator[str]:
    if record.exc_info and record.exc_info[0] is not None:
        yield formatter.formatException(record.exc_info)
    elif record.exc_text:
        yield record.exc_text
    if record.stack_info:
        yield formatter.formatStack(record.stack_info)
