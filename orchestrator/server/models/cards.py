"""Every expert, every composition and the encoder as OpenAI's model objects."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from experts.spec import Capability
from orchestrator.request.embedding.own import EMBEDDING_MODEL
from orchestrator.server.bodies.answers import ModelCard, ModelMetadata
from orchestrator.server.context import Context

STARTED = int(time.time())


async def model_cards(context: Context) -> list[ModelCard]:
    """OpenAI's model objects, with what other servers tell beside: length and capabilities.

    A composition promises what all experts keep that it may ask.
    """
    config, failed = context.config, context.pool.failed
    lengths = await context.pool.context_lengths()
    # In a thread: the first time, files of models are read.
    can = await asyncio.to_thread(context.pipeline.capabilities)
    shortest = _shortest(lengths, tuple(config.answering))
    cards = [
        _card(name, c.about, "composition", can[name], shortest)
        for name, c in config.compositions.items()
    ]
    for name, spec in config.experts.items():
        kind, length = "embedding" if spec.embeds else spec.type, lengths.get(name)
        cards.append(_card(name, spec.about, kind, can[name], length, failed.get(name)))
    own = context.config.server.max_embedding_tokens
    encoder = _card(EMBEDDING_MODEL, "sentence embeddings", "embedding", ("embeddings",), own)
    return [*cards, encoder]


def _shortest(lengths: Mapping[str, int], experts: Sequence[str]) -> int | None:
    """What fits into each of them; None where that is not known of all."""
    known = [lengths[name] for name in experts if name in lengths]
    return min(known) if known and len(known) == len(experts) else None


def _card(
    name: str,
    about: str,
    kind: str,
    can: Sequence[Capability],
    length: int | None,
    failed: str | None = None,
) -> ModelCard:
    """One model; `failed` says why it could not be loaded."""
    metadata: ModelMetadata = {"about": about, "type": kind}
    if failed is not None:
        metadata["failed"] = failed
    card: ModelCard = {
        "id": name,
        "object": "model",
        "created": STARTED,
        "owned_by": "coterie",
        "capabilities": list(can),
        "metadata": metadata,
    }
    if length is not None:
        card["max_model_len"] = card["context_length"] = length
    return card
