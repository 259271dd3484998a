"""What a batch was expected to take, and took."""

from collections.abc import Mapping
from typing import Any

import typer


def forecast_words(predicted: Mapping[str, Any]) -> str:
    """In a line, before it begins."""
    loads, seconds = predicted["loads"], predicted["seconds"]
    return f"predicted: {_loads(loads)}, {seconds:.1f} s{_unknown(predicted)}"


def tell_costs(told: Mapping[str, Any]) -> None:
    """Print what was predicted beside what was; nothing where the service does not tell."""
    predicted, real = told.get("predicted"), told.get("real")
    if predicted is None or real is None:
        return
    typer.echo(f"loads    {predicted['loads']:>8} predicted  {real['loads']:>8} real")
    seconds = f"seconds  {predicted['seconds']:>8.1f} predicted  {real['seconds']:>8.1f} real"
    typer.echo(f"{seconds}{_unknown(predicted)}")


def _unknown(predicted: Mapping[str, Any]) -> str:
    unknown = predicted["unknown"]
    return f" (not measured yet: {', '.join(unknown)})" if unknown else ""


def _loads(count: int) -> str:
    return "1 load" if count == 1 else f"{count} loads"
