"""What a running service holds right now: `coterie ps`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from experts.errors import ServiceError
from orchestrator.cli.remote import call
from orchestrator.cli.tables import print_table

Snapshot = Mapping[str, Any]


def ps(url: str, api_key: str | None, as_json: bool) -> None:
    """Print the pool of the service at `url`. Raises ServiceError."""
    snapshot = fetch(url, api_key)
    if as_json:
        typer.echo(json.dumps(snapshot, indent=2))
        return
    try:
        _print_slots(snapshot)
        _print_engines(snapshot)
        _print_remote(snapshot)
    except (KeyError, TypeError) as error:
        raise ServiceError(
            f"The answer of {url} lacks what this version shows ({error!r}).",
            hint="It may run another version; --json prints its answer unchanged.",
        ) from error


def fetch(url: str, api_key: str | None) -> dict[str, Any]:
    """The pool of the service at `url`, as its /coterie/pool tells it. Raises ServiceError."""
    return call("GET", url, "/coterie/pool", api_key)


def _print_slots(snapshot: Snapshot) -> None:
    rows: list[Sequence[str]] = []
    for slot in snapshot["slots"]:
        about = [
            slot["id"],
            "up" if slot["up"] else "down",
            f"{slot['memory_gb']:.2f} of {slot['budget_gb']:g}",
            str(slot["restarts"]),
            slot["doing"] or "",
        ]
        held = [(c["engine"], c["phase"], str(c["in_use"])) for c in slot["replicas"]]
        held += [(name, "asleep", "") for name in slot["asleep"]]
        copies = [
            (", ".join(snapshot["loads"][name]["experts"]), phase, in_use)
            for name, phase, in_use in held
        ]
        for number, copy in enumerate(copies or [("", "", "")]):
            rows.append([*(about if number == 0 else [""] * len(about)), *copy])
    if rows:
        columns = ("slot", "is", "memory GB", "restarts", "doing", "holds", "phase", "in use")
        print_table(columns, rows)


def _print_engines(snapshot: Snapshot) -> None:
    columns = (
        *("engine", "waiting", "oldest s", "loads", "evicted", "load s", "wake s", "service s"),
        *("dtype", "context", "KV tokens"),
    )
    rows = [
        (
            name,
            str(e["waiting"]),
            f"{e['oldest_s']:.1f}",
            str(e["count"]),
            str(e["evictions"]),
            f"{e['load_s']:.2f}",
            f"{e['wake_s']:.2f}",
            f"{e['service_s']:.2f}",
            *_limits(e["limits"]),
            _state(name, e, snapshot),
        )
        for name, e in snapshot["loads"].items()
    ]
    if rows:
        typer.echo()
        print_table((*columns, "state"), rows)


def _limits(limits: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """How the engine was last started; nothing before its first load."""
    if limits is None:
        return "", "", ""
    return limits["dtype"], f"{limits['max_model_len']:,}", f"{limits['kv_tokens']:,}"


def _state(name: str, entry: Mapping[str, Any], snapshot: Snapshot) -> str:
    if entry["failed"]:
        wait_s = entry["retry_in_s"]
        again = f"again in {wait_s:.0f} s" if wait_s else "the next request tries again"
        return f"failed: {entry['failed']} ({again})"
    return ", ".join(_places(name, snapshot)) or "not resident"


def _places(name: str, snapshot: Snapshot) -> Iterator[str]:
    for slot in snapshot["slots"]:
        for copy in slot["replicas"]:
            if copy["engine"] == name:
                yield f"{copy['phase']} in {slot['id']}"
        if name in slot["asleep"]:
            yield f"asleep in {slot['id']}"


def _print_remote(snapshot: Snapshot) -> None:
    hosted = {expert for entry in snapshot["loads"].values() for expert in entry["experts"]}
    rows = [(e, str(n)) for e, n in snapshot["queued"].items() if e not in hosted]
    if rows:
        typer.echo()
        print_table(("remote expert", "waiting"), rows)
