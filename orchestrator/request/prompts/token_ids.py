"""Prompts as token ids: their text, where all experts that might answer read the same tokens."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from experts.engine import HasEndpoints
from experts.errors import RequestError
from experts.spec import HostedSpec
from orchestrator.config.model import Config
from orchestrator.residency.pool import ExpertPool

FILE = "tokenizer.json"
OK = 200


class Detokenizer:
    """Asks an expert what some ids say."""

    def __init__(self, config: Config, pool: ExpertPool) -> None:
        self._experts = tuple(config.answering)
        self._hosted = config.hosted()
        self._pool = pool

    async def text(self, ids: Sequence[int], experts: Sequence[str], request_class: str) -> str:
        """The text that all of `experts`, or of the pool, read in these ids.

        Raises RequestError where they have several tokenizers, or one that is not known, and for
        ids that are no tokens.
        """
        experts = experts or self._experts
        check_one_tokenizer(experts, self._hosted)
        # Whoever is loaded already: they all say the same.
        loaded = (name for name in experts if self._pool.expert_url(name) is not None)
        expert = next(loaded, experts[0])
        with await self._pool.lease(expert, request_class) as lease:
            if not isinstance(lease.engine, HasEndpoints):
                raise RequestError(
                    f"Expert {expert} has no tokenizer to ask: send text.", param="prompt"
                )
            reply = await lease.engine.call("POST", "detokenize", {"tokens": list(ids)})
        try:
            text = json.loads(reply.content)["prompt"] if reply.status == OK else None
        except (ValueError, LookupError, TypeError):
            text = None
        if not isinstance(text, str):
            raise RequestError(f"Expert {expert} knows no text of these token ids.", param="prompt")
        return text


def check_one_tokenizer(experts: Sequence[str], hosted: Mapping[str, HostedSpec]) -> None:
    """Raise RequestError unless experts are known to have one tokenizer: files of the same content.

    `hosted` are the experts that our slots run.
    """
    if not agree(experts, hosted):
        raise RequestError(
            "Token ids can be routed only where all experts are ours and have one tokenizer.",
            hint="Send text, or ask an expert by its name.",
            param="prompt",
        )


def agree(experts: Sequence[str], hosted: Mapping[str, HostedSpec]) -> bool:
    """Whether experts are known to have one tokenizer."""
    found = {_content(hosted[name].model) if name in hosted else None for name in experts}
    return len(found) == 1 and None not in found


@lru_cache(maxsize=256)
def _content(model: str) -> bytes | None:
    """What tells a folder's tokenizer from others; None for a hub's model, or without the file."""
    try:
        return sha256((Path(model) / FILE).read_bytes()).digest()
    except OSError:
        return None
