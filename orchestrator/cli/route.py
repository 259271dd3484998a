"""`coterie route`: which experts would answer a question, and why."""

import json
import uuid
from collections import Counter
from pathlib import Path

import typer

from experts.errors import ConfigError, RequestError
from experts.types import Request
from orchestrator.config.model import Config, load_config
from orchestrator.request.compositions import Compositions
from orchestrator.request.embedding.local import local_embedder
from orchestrator.request.likelihood_answer import scoring_of
from orchestrator.request.plan import Abstain, Plan, plan_decision, prices_of, tradeoff_of
from routers.base import Decision, Router
from routers.registry import build, shared_encoder


def route(question: str, config: Path, model: str, as_json: bool) -> None:
    """Print the plan for a question. Raises ConfigError."""
    tree = load_config(config)
    if model in tree.experts:
        raise ConfigError(f"{model} is an expert: nothing is routed.", hint="Name a composition.")
    try:
        composition = Compositions(tree).named(model)
    except RequestError as error:
        raise ConfigError(error.message, hint=error.hint) from error
    if (scoring := scoring_of(composition)) is not None:
        members = ", ".join(scoring.members)
        raise ConfigError(f"{model} asks {members}, whatever the question is: nothing is routed.")
    keys = composition.config
    router = make_router(tree, keys.router)
    body = {"messages": [{"role": "user", "content": question}]}
    [decision] = router.route([Request(f"route-{uuid.uuid4().hex}", "chat/completions", body)])
    tradeoff, prices = tradeoff_of(keys), prices_of(tree)
    plan = plan_decision(decision, tradeoff, prices=prices, rules=composition.rules)
    if as_json:
        typer.echo(json.dumps(_as_json(plan, decision), indent=2))
        return
    typer.echo(f"plan    {_words(plan)}\nwhy     {plan.reason}\nscores")
    for expert, score in decision.scores:
        typer.echo(f"        {score:5.2f}  {expert}")
    if tree.routers[keys.router].get("tag_requests"):
        tagger = tree.routers[keys.router]["tagger"]
        typer.echo(
            "note    here the skills are those of similar questions; the service asks"
            f" {tagger} for them"
        )


def make_router(config: Config, name: str) -> Router:
    """A router of the configuration, with the encoder that all share. Raises ConfigError."""
    experts, embedder = tuple(config.answering), local_embedder(config)
    return build(name, config.routers[name], experts, shared_encoder(), embedder)


def _words(plan: Plan) -> str:
    if isinstance(plan.action, Abstain):
        return f"abstain: {plan.action.message}"
    counts = Counter(plan.panel.experts if plan.panel else [str(plan.expert)])
    asked = " and ".join(f"{n} x {name}" if n > 1 else name for name, n in counts.items())
    return f"ask {asked}" + (f", then {plan.aggregator}" if plan.aggregator else "")


def _as_json(plan: Plan, decision: Decision) -> dict[str, object]:
    return {
        "plan": plan.expert,
        "experts": list(plan.panel.experts) if plan.panel else [plan.expert] if plan.expert else [],
        "aggregator": plan.aggregator,
        "scores": dict(decision.scores),
        "reason": decision.reason,
        "evidence": dict(decision.evidence),
    }
