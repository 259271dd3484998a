"""Whether the service would take a request of a batch: what it refuses before anybody is asked."""

from collections.abc import Iterable
from typing import Any

from experts.errors import RequestError
from experts.types import EMBEDDINGS
from orchestrator.config.model import Config
from orchestrator.request.compositions import Composition
from orchestrator.request.context import RequestContext
from orchestrator.request.embedding.own import EMBEDDING_MODEL
from orchestrator.request.likelihood_answer import scoring_of
from orchestrator.request.prompts.token_ids import check_one_tokenizer
from orchestrator.request.terms.embeddings import check_embedding, gives_embeddings
from orchestrator.request.terms.images import image_takers, no_taker
from orchestrator.request.terms.panels import refuse_what_one_expert_answers
from orchestrator.server.bodies.embeddings import check_inputs


def check_terms(context: RequestContext, composition: Composition | None, config: Config) -> None:
    """Raise RequestError for what the service would answer with the same error.

    What only a running engine can tell, such as whether a text fits its context, is not known here.
    """
    embedders = (EMBEDDING_MODEL, *config.embedders)
    if context.request.operation == EMBEDDINGS:
        check_embedding(context, embedders)
        check_inputs(context.request.body.get("input"), config.server.max_embedding_inputs)
        return
    if context.model in embedders:
        raise gives_embeddings(context.model)
    if composition is None:
        return
    if composition.rules is not None and (scoring := scoring_of(composition)) is not None:
        scoring.check(context)
        return
    if "prompt_embeds" in context.request.body:
        raise RequestError(
            "A composition routes by the text: ask an expert by its name.", param="prompt_embeds"
        )
    if composition.rules is not None:
        refuse_what_one_expert_answers(context)
    if context.request.has_images and not image_takers(config):
        raise no_taker(context.model)
    _check_prompts(context.request.body.get("prompt"), composition, config)


def _check_prompts(prompt: Any, composition: Composition, config: Config) -> None:
    """Not too many, and of token ids such that can be read."""
    if not isinstance(prompt, list):
        return
    prompts = [prompt] if _are_ids(prompt) else prompt
    if len(prompts) > config.server.max_prompts:
        raise RequestError(
            f"`prompt` must hold at most {config.server.max_prompts} prompts (server.max_prompts).",
            param="prompt",
        )
    if any(isinstance(one, list) for one in prompts):
        named: Iterable[str] = composition.rules.named if composition.rules is not None else ()
        check_one_tokenizer(tuple(named) or tuple(config.answering), config.hosted())


def _are_ids(prompt: list[Any]) -> bool:
    return all(isinstance(one, int) for one in prompt)
