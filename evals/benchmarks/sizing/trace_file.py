"""Reads the file that `traces.file` names: each request becomes the calls that it made.

Of a line, `time` (when the request was over, ISO 8601 or seconds), `total_ms`, `class` and `calls`
count. A line of one's own needs `time` and `expert`, and may have `prompt_tokens` and
`completion_tokens`: it is one call that came at that time.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.benchmarks.sizing.traffic import Call, Traffic, in_order
from experts.errors import ConfigError
from experts.files.jsonl import LineProblem, read_jsonl, wrong_lines
from orchestrator.config.model import DEFAULT_CLASS, Config

TOO_FAR_BACK_S = 1.0
"""Lines are written when requests are over, by a thread each gateway: so far they may be apart."""
OWN = '{"time": "2026-11-28T09:00:00Z", "expert": "law", "prompt_tokens": 300, "completion_tokens": 120}'  # noqa: E501


@dataclass(frozen=True, slots=True)
class _Line:
    ended_s: float
    calls: tuple[Call, ...]


def read_traffic(path: Path, config: Config) -> Traffic:
    """The calls of a file of traces to experts of our slots.

    Calls to experts that the configuration lacks are left out, with a note. Raises ConfigError with
    each line that is wrong, and where there is nothing to size for.
    """
    lines = read_jsonl(path, lambda row: _line(row, config))
    if not lines:
        raise ConfigError(
            f"{path} has no requests.",
            hint="`traces: {file: traces.jsonl}` has the service write them, from its next start.",
        )
    calls = [call for line in lines.values() for call in line.calls]
    gone = Counter(call.expert for call in calls if call.expert not in config.experts)
    if gone.total() == len(calls) > 0:
        raise _only_gone(path, lines, gone)
    hosted = config.hosted()
    ours = [call for call in calls if call.expert in hosted]
    if not ours:
        raise ConfigError(
            f"{path} has {len(lines):,} requests, and none of them called an expert of the slots.",
            hint="Experts of other servers, and answers that were kept, need no GPU.",
        )
    notes = [*_of_gone(gone), *_of_order(path, lines), *_of_sample(path, config, len(lines))]
    if elsewhere := len(calls) - gone.total() - len(ours):
        notes.append(f"{elsewhere:,} calls to experts of other servers need no GPU: left out.")
    return Traffic(str(path), len(lines), in_order(ours), tuple(notes))


def sampled_share(path: Path, config: Config) -> float:
    """The share of the requests that the file has, where the configuration writes this very one."""
    own = config.traces.file
    same = own is not None and own.resolve() == path.resolve()
    return config.traces.sample if same and config.traces.sample > 0 else 1.0


def _line(row: Any, config: Config) -> _Line:
    if not isinstance(row, Mapping):
        raise LineProblem(f"write an object, a line of `traces.file` or {OWN}")
    ended_s = _moment(row.get("time"))
    arrived_s = ended_s - (_number(row, "total_ms") or 0.0) / 1000
    kind = row.get("class") or DEFAULT_CLASS
    if kind not in config.classes:
        raise LineProblem(f"no class is called `{kind}`: add it to `classes`, or leave it out")
    if (made := row.get("calls")) is not None:
        if not isinstance(made, list):
            raise LineProblem("`calls` must be a list, as the service writes it")
        found = [_call(one, arrived_s, kind, n) for n, one in enumerate(made)]
        return _Line(ended_s, tuple(found))
    if row.get("panel"):
        raise LineProblem(
            "several experts have answered, and it does not say which calls were made: an older"
            " version wrote it; record the traces again"
        )
    if "expert" not in row:
        raise LineProblem(f"neither `calls` nor `expert` is there; a line of one's own: {OWN}")
    if row["expert"] is None:
        return _Line(ended_s, ())
    expert = _name(row, "expert")
    prompt, completion = (_count(row, f"{one}_tokens") for one in ("prompt", "completion"))
    return _Line(ended_s, (Call(arrived_s, expert, kind, prompt, completion),))


def _call(made: Any, arrived_s: float, kind: str, number: int) -> Call:
    try:
        if not isinstance(made, Mapping):
            raise LineProblem("it must be an object")
        began_s = arrived_s + (_number(made, "began_at_ms") or 0.0) / 1000
        waited_s = ((_number(made, "queue_ms") or 0.0) + (_number(made, "load_ms") or 0.0)) / 1000
        ended_ms, usage = _number(made, "ended_at_ms"), made.get("usage") or {}
        if not isinstance(usage, Mapping):
            raise LineProblem("`usage` must be an object")
        # What has failed, or was broken off, says nothing of how long a whole answer takes.
        whole = made.get("error") is None and ended_ms is not None
        served_s = arrived_s + (ended_ms or 0.0) / 1000 - began_s - waited_s if whole else None
        slot = made.get("slot")
        return Call(
            began_s,
            _name(made, "expert"),
            kind,
            _count(usage, "prompt_tokens"),
            _count(usage, "completion_tokens") if whole else None,
            waited_s if whole else None,
            max(served_s, 0.0) if served_s is not None else None,
            slot if isinstance(slot, str) else None,
        )
    except LineProblem as problem:
        raise LineProblem(*(f"calls[{number}]: {one}" for one in problem.sentences)) from None


def _moment(value: Any) -> float:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise LineProblem(f"`time` is no time: {value!r}") from error
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise LineProblem(f"`time` must be a time like 2026-11-28T09:00:00Z, or seconds; not {value!r}")


def _number(row: Mapping[str, Any], key: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise LineProblem(f"`{key}` must be a number, 0 or more; not {value!r}")
    return float(value)


def _count(row: Mapping[str, Any], key: str) -> int | None:
    value = _number(row, key)
    return None if value is None else round(value)


def _name(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise LineProblem(f"`{key}` must be a name; not {value!r}")
    return value


def _only_gone(path: Path, lines: Mapping[int, _Line], gone: Counter[str]) -> ConfigError:
    """Each expert with its first line: none of the trace's calls is to one of the pool."""
    first: dict[str, int] = {}
    for number, line in lines.items():
        for call in line.calls:
            first.setdefault(call.expert, number)
    return wrong_lines(
        path,
        [
            f"line {number}: the pool has no expert `{name}` ({_times(gone[name])});"
            " add it to `experts`, or size the pool that wrote the trace"
            for name, number in first.items()
        ],
    )


def _of_gone(gone: Counter[str]) -> Sequence[str]:
    if not gone:
        return ()
    names = ", ".join(f"`{name}` ({_times(times)})" for name, times in sorted(gone.items()))
    return (f"Left out, since the pool has no such expert (any more): {names}.",)


def _times(count: int) -> str:
    return "called once" if count == 1 else f"called {count:,} times"


def _of_order(path: Path, lines: Mapping[int, _Line]) -> Sequence[str]:
    latest_s, worst = -math.inf, (0.0, 0)
    for number, line in lines.items():
        worst = max(worst, (latest_s - line.ended_s, number))
        latest_s = max(latest_s, line.ended_s)
    back_s, number = worst
    if back_s <= TOO_FAR_BACK_S:
        return ()
    return (
        f"{path}, line {number}: its time is {back_s:,.0f} s before that of an earlier line; calls"
        " are taken in the order of their times (files put together, or a clock that was set?).",
    )


def _of_sample(path: Path, config: Config, requests: int) -> Sequence[str]:
    share = sampled_share(path, config)
    if share == 1.0:
        return ()
    return (
        f"`traces.sample` is {share:g}: each of the {requests:,} requests stands for"
        f" {1 / share:g}, so the traffic is taken {1 / share:g} times.",
    )
