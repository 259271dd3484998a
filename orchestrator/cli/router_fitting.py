"""What `coterie router` does: fits a router to a file, chooses its price."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from experts.components import parse_keys
from experts.errors import ConfigError
from orchestrator.cli.remote import call
from orchestrator.cli.tables import print_table
from orchestrator.config.model import Config, load_config
from orchestrator.request.embedding.local import local_embedder
from orchestrator.request.plan import prices_of
from routers.fitted.cross_validation import held_out
from routers.fitted.pricing import best_within, price_curve
from routers.fitted.router import FittedRouter
from routers.registry import check, encoder_of, router_class, shared_encoder

SHOWN_WEIGHTS = 8


def fit_and_reload(
    config: Path,
    name: str,
    out: Path | None,
    url: str | None,
    api_key: str | None,
    tasks: Sequence[str] = (),
) -> None:
    """`coterie router fit`. Raises ConfigError, and ServiceError where `url` does not answer."""
    tree = load_config(config)
    if tasks and name in tree.routers:
        named = [_task_name(task) for task in tasks]
        routers = {**tree.routers, name: {**tree.routers[name], "tasks": named}}
        tree = tree.model_copy(update={"routers": routers})
    fit(tree, name, out)
    if url is not None:
        call("POST", url, f"/coterie/routers/{name}/reload", api_key)
        typer.echo(f"{url} now uses it")


def _task_name(task: str) -> str:
    """The name under which outcomes know a task; a file is called like its task."""
    path = Path(task)
    return path.name.split(".")[0] if path.is_file() else task


def calibrate_file(config: Path, name: str, max_price: float) -> None:
    """`coterie router calibrate`. Raises ConfigError."""
    calibrate(load_config(config), name, max_price)


def fit(tree: Config, name: str, out: Path | None) -> None:
    """Fit a router from its outcome table and write it to `out`, else to its `artifact`."""
    made = fitted_router(tree, name)
    path = out or tree.routers[name].get("artifact")
    if path is None:
        raise ConfigError(f"routers.{name} names no `artifact`.", hint="Name a file with --out.")
    made.save(Path(path))
    describe(made)
    typer.echo(f"wrote {path}")


def calibrate(tree: Config, name: str, max_price: float) -> None:
    """Print what each `quality_weight` costs, and the best that costs at most `max_price`."""
    made = fitted_router(tree, name)
    evidence, known = made.fitted.training_set, prices_of(tree)
    prices = np.array([known[expert] for expert in evidence.experts])
    if not prices.any():
        raise ConfigError(
            "No expert has a price.", hint="Set experts.NAME.price_usd_per_mtok for each."
        )
    settings = parsed(tree, name)
    found = held_out(evidence, lambda part: made.predictor.fit(part, settings))
    if not len(found.known):
        raise ConfigError(f"routers.{name}: too few different questions to hold any out.")
    curve = price_curve(evidence, found, made.fitted.trust, prices)
    best = best_within(curve, max_price)
    if best is None:
        cheapest = min(curve, key=lambda one: one.price)
        raise ConfigError(
            f"Nothing costs {max_price:g} or less: the cheapest expert alone costs"
            f" {cheapest.price:g}."
        )
    shown = [*curve[:: max(len(curve) // SHOWN_WEIGHTS, 1)], best]
    rows = sorted({(-o.quality_weight, o.price, o.quality) for o in shown})
    print_table(
        ("quality_weight", "price", "quality"),
        [(f"{-weight:.3f}", f"{price:.4f}", f"{quality:.4f}") for weight, price, quality in rows],
    )
    typer.echo(
        f"\nquality_weight: {best.quality_weight:g} costs {best.price:.4g} and scores"
        f" {best.quality:.3f} on held-out questions"
    )


def fittable(tree: Config) -> list[str]:
    """The routers that are fitted from outcomes."""
    return [
        name
        for name, keys in tree.routers.items()
        if "outcomes" in keys and issubclass(_class(str(keys["type"])), FittedRouter)
    ]


def fitted_router(tree: Config, name: str) -> FittedRouter:
    """Fit a router of the configuration from its outcome table. Raises ConfigError."""
    _check_known(tree, name)
    keys = {key: value for key, value in tree.routers[name].items() if key != "artifact"}
    made: Any = _class(str(keys["type"]))
    if not issubclass(made, FittedRouter):
        raise ConfigError(f"routers.{name} is of type {keys['type']}: there is nothing to fit.")
    if "outcomes" not in keys:
        raise ConfigError(f"routers.{name} names no `outcomes` to fit from.")
    check(name, keys, tuple(tree.answering))
    settings = parse_keys(f"routers.{name}", keys, made)
    encoder = encoder_of(name, settings, shared_encoder(), local_embedder(tree))
    fitted: FittedRouter = made(name, settings, tuple(tree.answering), encoder)
    return fitted


def parsed(tree: Config, name: str) -> Any:
    """The keys of a router as its own `Config`. Raises ConfigError."""
    _check_known(tree, name)
    keys = tree.routers[name]
    return parse_keys(f"routers.{name}", keys, router_class(str(keys["type"])))


def _check_known(tree: Config, name: str) -> None:
    if name not in tree.routers:
        known = ", ".join(tree.routers) or "none"
        raise ConfigError(f"There is no router `{name}` (known: {known}).")


def describe(made: FittedRouter) -> None:
    """What a fit found out about itself."""
    evidence, value = made.fitted.training_set, made.fitted.routing_gain
    typer.echo(f"{len(evidence.queries)} questions, {len(evidence.experts)} experts")
    if value is None:
        typer.echo("too few different questions to hold any out: predictions are followed")
    elif value.pays:
        typer.echo(
            f"on held-out questions {100 * value.gain:+.1f} points over {evidence.experts[0]}, the"
            f" best single expert (standard error {100 * value.error:.1f}), with trust"
            f" {value.trust:g}"
        )
    for warning in made.warnings:
        typer.echo(warning)


def _class(kind: str) -> type:
    made: type = router_class(kind)  # type: ignore[assignment]
    return made
