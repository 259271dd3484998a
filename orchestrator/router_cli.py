"""`coterie router`: fit a router to a file, choose its price, draw its map; no expert is asked."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from experts.errors import ConfigError
from orchestrator.config import Config, load_config
from orchestrator.plan import prices_of
from orchestrator.remote import call
from orchestrator.tables import print_table
from routers.fitted import FittedRouter
from routers.registry import check, router_class, shared_encoder

router = typer.Typer(no_args_is_help=True, help="Fit the routers of a configuration.")

Name = Annotated[str, typer.Argument(help="A name from `routers`.")]
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The YAML file.")]
DEFAULT = Path("examples/zoo.yaml")
SHOWN_WEIGHTS = 8


@router.command()
def fit(
    name: Name,
    config: ConfigFile = DEFAULT,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; else the router's `artifact`.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="A running service that shall decide with it at once.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="A key of that service, where it wants one.")
    ] = None,
) -> None:
    """Fit a router from its outcome table and write it to a file, in one step."""
    tree = load_config(config)
    path = out or tree.routers.get(name, {}).get("artifact")
    if path is None:
        raise ConfigError(f"routers.{name} names no `artifact`.", hint="Name a file with --out.")
    made = fitted_router(tree, name)
    made.save(Path(path))
    describe(made)
    typer.echo(f"wrote {path}")
    if url is not None:
        call("POST", url, f"/coterie/routers/{name}/reload", api_key)
        typer.echo(f"{url} decides with it now")


@router.command()
def calibrate(
    name: Name,
    max_price: Annotated[
        float, typer.Option(min=0, help="Wanted mean price, USD per million tokens.")
    ],
    config: ConfigFile = DEFAULT,
) -> None:
    """Find the `quality_weight` with which a question costs no more; nothing is fitted anew."""
    tree = load_config(config)
    made = fitted_router(tree, name)
    evidence, known = made.fitted.evidence, prices_of(tree)
    prices = np.array([known[expert] for expert in evidence.experts])
    if not prices.any():
        raise ConfigError(
            "No expert has a price.", hint="Set experts.NAME.price_usd_per_mtok for each."
        )
    # Imported late: scikit-learn and scipy take a second.
    pricing, crossfit = (import_module(f"routers.{part}") for part in ("pricing", "crossfit"))
    config_of = parsed(tree, name)
    found = crossfit.held_out(evidence, lambda part: made.predictor.fit(part, config_of))
    if not len(found.known):
        raise ConfigError(f"routers.{name}: too few different questions to hold any out.")
    curve = pricing.price_curve(evidence, found, made.fitted.trust, prices)
    best = pricing.best_within(curve, max_price)
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


@router.command("map")
def show_map(name: Name, config: ConfigFile = DEFAULT) -> None:
    """Print a composition's map, and the best maps under other budgets."""
    tree = load_config(config)
    made = fitted_router(tree, name)
    mapping = import_module("routers.composition.mapping")
    settings = parsed(tree, name)
    if settings.type != "composition":
        raise ConfigError(f"routers.{name} is of type {settings.type}: it has no map.")
    evidence = made.fitted.evidence
    sizes = np.array([settings.sizes.get(expert, 1.0) for expert in evidence.experts])
    found = mapping.utilities(evidence, settings.prior_weight)
    solved = mapping.solve(found, sizes, settings.budget, settings.active_budget)
    print_table(
        ("category", "share %", "expert", "utility"),
        [
            (
                category,
                f"{100 * found.shares[row]:.1f}",
                evidence.experts[expert],
                f"{found.values[row, expert]:.3f}",
            )
            for row, (category, expert) in enumerate(
                zip(found.categories, solved.experts, strict=True)
            )
        ],
    )
    typer.echo()
    print_table(
        ("experts", "total", "active", "quality"),
        [
            (str(len(one.chosen)), f"{one.total:.3g}", f"{one.active:.3g}", f"{one.quality:.4f}")
            for one in mapping.curve(found, sizes)
        ],
    )


def fitted_router(tree: Config, name: str) -> FittedRouter:
    """Fit a router of the configuration from its outcome table. Raises ConfigError."""
    if name not in tree.routers:
        known = ", ".join(tree.routers) or "none"
        raise ConfigError(f"There is no router `{name}` (known: {known}).")
    keys = {key: value for key, value in tree.routers[name].items() if key != "artifact"}
    made: Any = router_class(str(keys["type"]))
    if not issubclass(made, FittedRouter):
        raise ConfigError(f"routers.{name} is of type {keys['type']}: there is nothing to fit.")
    if "outcomes" not in keys:
        raise ConfigError(f"routers.{name} names no `outcomes` to fit from.")
    check(name, keys, tuple(tree.experts))
    settings = made.Config.model_validate(keys)
    fitted: FittedRouter = made(name, settings, tuple(tree.experts), shared_encoder())
    return fitted


def parsed(tree: Config, name: str) -> Any:
    """The keys of a router as its own `Config`."""
    keys = tree.routers[name]
    return router_class(str(keys["type"])).Config.model_validate(dict(keys))


def describe(made: FittedRouter) -> None:
    """What a fit found out about itself."""
    evidence, value = made.fitted.evidence, made.fitted.worth
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
