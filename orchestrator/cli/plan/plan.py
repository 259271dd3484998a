"""`coterie plan`: what a file of requests would do, before anything runs."""

import json
from pathlib import Path

import typer

from experts.errors import ConfigError
from orchestrator.cli.plan.batch_file import read_batch, single_prompts
from orchestrator.cli.plan.calls import forecast_calls
from orchestrator.cli.plan.report import as_json, print_plan
from orchestrator.cli.plan.share import add_costs, share_out
from orchestrator.cli.plan.stored import stored_costs
from orchestrator.cli.ps import fetch
from orchestrator.config.model import load_config
from orchestrator.residency.forecast import forecast


def plan_file(
    path: Path, config_file: Path, url: str | None, api_key: str | None, json_wanted: bool
) -> None:
    """Print the forecast for a file. Raises ConfigError, and ServiceError where `url` is silent."""
    config = load_config(config_file)
    lines = read_batch(path, config)
    pool = fetch(url, api_key) if url else {}
    known = pool.get("loads") or stored_costs(config, config_file)
    slots = [slot for slot in pool.get("slots", ()) if slot["wanted"]]
    resident = [[copy["engine"] for copy in slot["replicas"]] for slot in slots]
    asked = single_prompts(lines)
    shares = share_out(asked, forecast_calls(asked, config), config)
    works = [add_costs(share, config, known) for share in shares if share.hosted]
    budgets_gb = [config.slots.memory_gb] * max(config.slots.count, len(slots))
    found = forecast(works, budgets_gb, resident)
    if found.too_large:
        size = {work.engine: work.memory_gb for work in works}
        raise ConfigError(
            f"{path} cannot run: an expert that it calls fits into no slot.",
            problems=tuple(
                f"experts.{name}: needs {size[name]:.2f} GB, and no slot has more than"
                f" {config.slots.memory_gb:g} GB (slots.memory_gb)."
                for name in found.too_large
            ),
        )
    if json_wanted:
        typer.echo(json.dumps(as_json(shares, found), indent=2))
    else:
        print_plan(path, len(lines), shares, found)
