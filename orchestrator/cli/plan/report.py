"""How the forecast of a batch is printed."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import typer

from orchestrator.cli.plan.share import Share
from orchestrator.cli.plan.tokens import LETTERS_PER_TOKEN
from orchestrator.cli.tables import print_table
from orchestrator.residency.forecast import Forecast

NOTES = f"""
Calls         at most: a panel's samples, rounds, judges and tagger included, retries left out.
Prompt tokens estimated from the request alone, {LETTERS_PER_TOKEN} letters each.
New tokens    at most, as each request limits every call.
Work          what each call was measured to take of its slot's time; not measured, the time of
              one call for each wave of those that a batch asks at once.
Costs         measured by the service at --url or by earlier ones of this configuration, else
              assumed. Remote experts need no load, and their time is not predicted."""


def print_plan(path: Path, count: int, shares: Sequence[Share], found: Forecast) -> None:
    """Print what each engine gets, and what the slots load when."""
    order = {stay.engine: number for number, stay in enumerate(found.stays)}
    columns = ("engine", "calls", "prompt tokens", "new tokens", "GB", "load s", "work s")
    rows = []
    for share in sorted(shares, key=lambda s: order.get(s.engine, len(order))):
        asked = ", ".join(f"{name} {n}" for name, n in share.calls.items())
        rows.append(
            (
                share.engine,
                str(share.calls.total()),
                str(share.prompt_tokens),
                str(share.new_tokens) if not share.unlimited else f"over {share.new_tokens}",
                *([f"{share.memory_gb:.2f}", f"{share.load_s:.2f}"] if share.hosted else ["", ""]),
                f"{share.work_s:.2f}" if share.hosted else "",
                _costs(share),
                asked if len(share.calls) > 1 else "",
            )
        )
    calls = sum(share.calls.total() for share in shares)
    typer.echo(
        f"{path}: {_count(count, 'request')}, at most {_count(calls, 'call')},"
        f" {_count(len(shares), 'engine')}; nothing is run\n"
    )
    print_table((*columns, "costs", "by expert"), rows)
    stays = [
        (f"slot-{s.slot}", f"{s.begins_s:.2f}", f"{s.ends_s:.2f}", s.engine, ", ".join(s.evicts))
        for s in found.stays
    ]
    if stays:
        typer.echo()
        print_table(("slot", "begins s", "done s", "loads", "after dropping"), stays)
    loads = _count(found.loads, "load")
    typer.echo(f"\n{loads}, {found.total_s:.2f} s in all, starting with empty slots")
    typer.echo(NOTES)


def _costs(share: Share) -> str:
    if not share.hosted:
        return "remote"
    if share.measured:
        return "measured"
    return "partly measured" if share.load_measured else "assumed"


def as_json(shares: Sequence[Share], found: Forecast) -> dict[str, Any]:
    """The same for programs."""
    return {
        "engines": [_fields(share) for share in shares],
        "order": [asdict(stay) for stay in found.stays],
        "loads": found.loads,
        "total_s": round(found.total_s, 3),
        "estimates": {"letters_per_token": LETTERS_PER_TOKEN, "from": "empty slots"},
    }


def _fields(share: Share) -> dict[str, Any]:
    return {one.name: getattr(share, one.name) for one in fields(share)}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
