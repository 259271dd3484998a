"""What a running service holds right now: `coterie ps`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from experts.errors import ServiceError
from orchestrator.cli.remote import call
from orchestrator.cli.tables import print_table

Snapshot = Mapping[str, Any]
Entry = Mapping[str, Any]
NOT_MEASURED = "-"


def ps(url: str, api_key: str | None, as_json: bool) -> None:
    """Print the pool of the service at `url`. Raises ServiceError."""
    snapshot = fetch(url, api_key)
    if as_json:
        typer.echo(json.dumps(snapshot, indent=2))
        return
    try:
        tables = [_slots(snapshot), _experts(snapshot), _limits(snapshot), _costs(snapshot)]
        lines = [*_more_slots(snapshot), *_doings(snapshot), *_failures(snapshot)]
    except (KeyError, TypeError) as error:
        raise ServiceError(
            f"The answer of {url} lacks what this version shows ({error!r}).",
            hint="It may run another version; --json prints its answer unchanged.",
        ) from error
    for number, (columns, rows) in enumerate(one for one in tables if one[1]):
        if number:
            typer.echo()
        print_table(columns, rows)
    for number, line in enumerate(lines):
        typer.echo(line if number else f"\n{line}")


def fetch(url: str, api_key: str | None) -> dict[str, Any]:
    """The pool of the service at `url`, as its /coterie/pool tells it. Raises ServiceError."""
    return call("GET", url, "/coterie/pool", api_key)


Table = tuple[Sequence[str], list[Sequence[str]]]
"""Columns, and rows under them."""


def _slots(snapshot: Snapshot) -> Table:
    rows: list[Sequence[str]] = []
    for slot in snapshot["slots"]:
        if not slot["wanted"]:
            continue
        state = "up" if slot["up"] else "down" if slot["reached"] else "out of reach"
        if slot["node"]:
            state += f" on {slot['node']}"
        if slot["restarts"]:
            state += f", {slot['restarts']} restarts"
        memory = f"{slot['memory_gb']:.2f} of {slot['budget_gb']:g}"
        held = [(c["engine"], c["phase"], str(c["in_use"])) for c in slot["replicas"]]
        held += [(name, "asleep", "") for name in slot["asleep"]]
        first, *others = held or [("", "", "")]
        rows.append((slot["id"], state, memory, *first))
        rows += [("", "", "", *copy) for copy in others]
    return ("slot", "is", "memory GB", "holds", "phase", "in use"), rows


def _experts(snapshot: Snapshot) -> Table:
    """Every expert, with those that share another one's engine below it."""
    queued, rows = snapshot["queued"], list[Sequence[str]]()
    hosted: set[str] = set()
    for name, entry in snapshot["loads"].items():
        hosted |= {*entry["experts"]}
        for expert in entry["experts"]:
            own = expert == name
            rows.append(
                (
                    expert,
                    "own engine" if own else _share(expert, name, entry),
                    _memory(entry) if own else "",
                    str(queued.get(expert, 0)),
                    f"{entry['oldest_s']:.1f}" if own and entry["waiting"] else "",
                    _state(expert, name, entry, snapshot),
                )
            )
    rows += [
        (e, "remote", "", str(n), "", _paused(e, snapshot))
        for e, n in queued.items()
        if e not in hosted
    ]
    return ("expert", "kind", "GB", "waiting", "oldest s", "state"), rows


def _share(expert: str, base: str, entry: Entry) -> str:
    return f"adapter of {base}" if expert in entry["adapters"] else f"role of {base}"


def _memory(entry: Entry) -> str:
    """Measured, or configured; an estimate says so."""
    about = "" if "memory_gb" in entry["measured"] else "~"
    return f"{about}{entry['memory_gb']:.2f}"


def _limits(snapshot: Snapshot) -> Table:
    """How each engine was last started; those that never were have no row."""
    started = {n: e["limits"] for n, e in snapshot["loads"].items() if e["limits"] is not None}
    rows = [
        (name, limits["dtype"], f"{limits['max_model_len']:,}", f"{limits['kv_tokens']:,}")
        for name, limits in started.items()
    ]
    return ("engine", "dtype", "context", "KV tokens"), list(rows)


def _costs(snapshot: Snapshot) -> Table:
    rows = [
        (
            name,
            str(entry["count"]),
            str(entry["evictions"]),
            *(
                f"{entry[cost]:.2f}" if cost in entry["measured"] else NOT_MEASURED
                for cost in ("load_s", "wake_s", "service_s")
            ),
        )
        for name, entry in snapshot["loads"].items()
    ]
    return ("engine", "loads", "evicted", "load s", "wake s", "service s"), list(rows)


def _state(expert: str, name: str, entry: Entry, snapshot: Snapshot) -> str:
    if entry["failed"] or expert in entry["refused"]:
        return "failed"
    places = ", ".join(_places(name, snapshot)) or "not resident"
    return _paused(expert, snapshot) or places


def _paused(expert: str, snapshot: Snapshot) -> str:
    """An expert that has kept failing is asked no more, or again by a few requests."""
    state = snapshot["breakers"][expert]["state"]
    return {"open": "not asked", "half open": "tried again"}.get(state, "")


def _places(name: str, snapshot: Snapshot) -> Iterator[str]:
    for slot in snapshot["slots"]:
        for copy in slot["replicas"]:
            if copy["engine"] == name:
                yield f"{copy['phase']} in {slot['id']}"
        if name in slot["asleep"]:
            yield f"asleep in {slot['id']}"


def _more_slots(snapshot: Snapshot) -> Iterator[str]:
    """How many there may be, where that is more than there are."""
    slots = snapshot["slots"]
    wanted = sum(slot["wanted"] for slot in slots)
    if wanted < len(slots):
        yield f"{wanted} of at most {len(slots)} slots are asked for (slots.max_count)"


def _doings(snapshot: Snapshot) -> Iterator[str]:
    for slot in snapshot["slots"]:
        if slot["doing"]:
            yield f"{slot['id']} is {slot['doing']}"


def _failures(snapshot: Snapshot) -> Iterator[str]:
    """A line for each reason, which no column is wide enough for."""
    for name, entry in snapshot["loads"].items():
        if entry["failed"]:
            wait_s = entry["retry_in_s"]
            again = f"again in {wait_s:.0f} s" if wait_s else "the next request tries again"
            yield f"{name} failed: {entry['failed']} ({again})"
        for expert, why in entry["refused"].items():
            yield f"{expert} failed: {why} (again with the next load of {name})"
    for expert, entry in snapshot["breakers"].items():
        if entry["reason"]:
            again = f"again in {entry['retry_in_s']:.0f} s"
            yield f"{expert} is not asked: {entry['reason']} ({again})"
