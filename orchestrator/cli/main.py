"""The command line of the service: serve, validate, models, route, plan, ps, schema."""

import json
import time
import uuid
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
import uvloop

from experts.errors import ConfigError, CoterieError, UnknownModel
from experts.spec import TorchSpec
from experts.types import Request
from orchestrator.cli.router import router
from orchestrator.cli.tables import print_table
from orchestrator.config.checks import missing_files
from orchestrator.config.model import Config, load_config
from orchestrator.request.compositions import Compositions
from orchestrator.request.plan import plan_decision, prices_of, tradeoff_of

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A circle of specialist language models behind one OpenAI endpoint.",
)
app.add_typer(router, name="router")
CONFIG = typer.Option(Path("examples/zoo.yaml"), "--config", "-c", help="The YAML file.")
API_KEY = typer.Option(None, help="A key of that service, where it wants one.")


@app.command()
def serve(
    config: Path = CONFIG,
    host: str | None = typer.Option(None, help="Overrides server.host."),
    port: int | None = typer.Option(None, help="Overrides server.port; 0 takes a free one."),
) -> None:
    """Start the pool and the OpenAI-compatible gateway; Ctrl-C ends both."""
    uvloop.run(_serve(load_config(config), host, port))


async def _serve(config: Config, host: str | None, port: int | None) -> None:
    started = time.perf_counter()

    def say(event: str) -> None:
        typer.echo(f"[{time.perf_counter() - started:6.1f} s] {event}")

    say(f"starting {len(config.experts)} experts, {config.slots.count} slot(s)")
    # Imported late: `coterie validate` must not wait for Ray and torch.
    service_module = import_module("orchestrator.service")
    service = await service_module.start_service(config, on_event=say, host=host, port=port)
    say(f"models: {', '.join([*config.compositions, *config.experts])}")
    say(f"ready: {service.base_url}/v1")
    try:
        await service.wait()
    finally:
        await service.stop()
        say("stopped")


@app.command()
def validate(file: Path = typer.Argument(help="The YAML file.")) -> None:
    """Check a configuration; every mistake is named with its path. Exit code 2 if there is one."""
    config = load_config(file)
    if problems := missing_files(config.routers):
        raise ConfigError(f"{file} names files that are missing.", problems=tuple(problems))
    typer.echo(
        f"{file}: {len(config.experts)} experts, {len(config.compositions)} compositions: all right"
    )
    for name, spec in config.experts.items():
        if isinstance(spec, TorchSpec):
            typer.echo(
                f"{name}: type torch, several times slower than vLLM: its members have different"
                " tokenizers"
            )


@app.command()
def models(config: Path = CONFIG) -> None:
    """List the model names that a client can use."""
    tree = load_config(config)
    rows = [(name, f"router {c.router}", c.about) for name, c in tree.compositions.items()]
    for name, spec in tree.experts.items():
        adapter = getattr(spec, "adapter_of", None)
        rows.append((name, f"adapter of {adapter}" if adapter else spec.type, spec.about))
    print_table(("model", "kind", "what it is good at"), rows)


@app.command()
def route(
    question: str = typer.Argument(help="What a client would ask."),
    config: Path = CONFIG,
    model: str = typer.Option("pool/auto", help="The composition that routes."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show who would answer a question, and why; nothing is loaded."""
    tree = load_config(config)
    try:
        composition = Compositions(tree).named(model)
    except UnknownModel as error:
        raise ConfigError(error.message, hint=error.hint) from error
    keys = composition.config
    decision = _decide(tree, keys.router, question)
    tradeoff, prices = tradeoff_of(keys), prices_of(tree)
    plan = plan_decision(decision, tradeoff, prices=prices, rules=composition.rules)
    if as_json:
        body = {"plan": plan.expert, "scores": dict(decision.scores), "reason": decision.reason}
        typer.echo(json.dumps({**body, "evidence": dict(decision.evidence)}, indent=2))
        return
    asks = " and ".join(plan.panel.experts) if plan.panel else plan.expert
    what = f"ask {asks}" if asks else f"abstain: {decision.message}"
    what += f", then {plan.aggregator}" if plan.aggregator else ""
    typer.echo(f"plan    {what}\nwhy     {plan.reason}\nscores")
    for expert, score in decision.scores:
        typer.echo(f"        {score:5.2f}  {expert}")
    router = tree.routers[keys.router]
    if router.get("tag_requests"):
        typer.echo(
            f"note    skills of similar questions; a service asks {router['tagger']} for them"
        )


def _decide(tree: Config, router: str, question: str) -> Any:
    built = import_module("orchestrator.cli.batch_plan").make_router(tree, router)
    body = {"messages": [{"role": "user", "content": question}]}
    return built.route([Request(f"route-{uuid.uuid4().hex}", "chat/completions", body)])[0]


@app.command()
def plan(
    file: Path = typer.Argument(help="One request a line: OpenAI batch lines, or bare bodies."),
    config: Path = CONFIG,
    url: str | None = typer.Option(None, help="Take what loads cost from this running service."),
    api_key: str | None = API_KEY,
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show what a batch would do: who answers, what is loaded, how long it takes; runs nothing."""
    preview = import_module("orchestrator.cli.batch_plan")
    preview.plan_file(file, load_config(config), url, api_key, as_json)


@app.command()
def ps(
    url: str = typer.Option("http://127.0.0.1:8000", help="Where the service runs."),
    api_key: str | None = API_KEY,
    as_json: bool = typer.Option(False, "--json", help="Print what the service tells, as it is."),
) -> None:
    """Show what a running service holds: slots, experts, queues, and what loads cost."""
    import_module("orchestrator.cli.ps").ps(url, api_key, as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    typer.echo(json.dumps(Config.model_json_schema(), indent=2))


def run(application: typer.Typer = app) -> None:
    """Run the command line: errors of ours are one clear line and an exit code, no traceback."""
    try:
        application()
    except ConfigError as error:
        typer.echo(f"error: {error}", err=True)
        for problem in error.problems:
            typer.echo(f"  {problem}", err=True)
        raise SystemExit(2) from None
    except CoterieError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
