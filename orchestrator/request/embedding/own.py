"""The model `coterie/embed`: embeddings from the encoder that the routers use."""

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experts.errors import RequestError
from experts.types import Usage
from experts.upstream.answers import JSON
from orchestrator.config.model import ServerConfig
from orchestrator.request.answer import NO_BYTES, StartedAnswer
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import plan_expert
from orchestrator.request.tracing.trace import Trace
from routers.base import TokenEncoder
from routers.encoders.windows import Frame, framed, means, windows

EMBEDDING_MODEL = "coterie/embed"
AT_ONCE = 64
"""Windows that are encoded in one go: about a second's work."""


class OwnEmbeddings:
    """Answers of the service itself: no expert is asked, and no text is cut off unasked."""

    def __init__(self, encoder: Callable[[], TokenEncoder], settings: ServerConfig) -> None:
        """`encoder` gives the encoder; its first call may load it, which blocks for seconds."""
        self._encoder = encoder
        self._longest = settings.max_embedding_tokens

    async def answer(self, context: RequestContext, trace: Trace) -> StartedAnswer:
        """The vectors of all inputs. Raises RequestError."""
        trace.plan = plan_expert(EMBEDDING_MODEL)
        trace.attempts = 1
        body = context.request.body
        # Loading, tokenizing and encoding are all work of a processor.
        texts = await asyncio.to_thread(self._read, body)
        parts = [part for text in texts for part in text]
        tokens = sum(map(len, parts))
        trace.count(EMBEDDING_MODEL, Usage(tokens))
        encode = self._encoder().encode_ids
        # Step by step: a client that leaves ends it.
        found = [
            await asyncio.to_thread(encode, parts[start : start + AT_ONCE])
            for start in range(0, len(parts), AT_ONCE)
        ]
        vectors = means(np.concatenate(found), texts)
        content = _content(vectors, tokens, context.model, body.get("encoding_format") == "base64")
        return StartedAnswer(JSON, content, NO_BYTES)

    def _read(self, body: Any) -> list[list[list[int]]]:
        """The windows of each input, as token ids."""
        encoder = self._encoder()
        framing = body.get("add_special_tokens", True)
        reading = _Reading(encoder, encoder.frame if framing else ((), ()), self._longest)
        reading.check(body)
        cut = body.get("truncate_prompt_tokens")
        most = encoder.window if cut == -1 else cut
        return [
            windows(reading.ids(one, place, most), encoder.window, reading.frame)
            for place, one in _placed(body["input"])
        ]


@dataclass(frozen=True, slots=True)
class _Reading:
    """How inputs become token ids; whatever is wrong with one is a RequestError with its place."""

    encoder: TokenEncoder
    frame: Frame
    longest: int

    def check(self, body: Any) -> None:
        """What is asked of all inputs."""
        if body.get("dimensions") not in (None, self.encoder.dimension):
            raise RequestError(
                f"`dimensions` must be {self.encoder.dimension}, which {EMBEDDING_MODEL} has.",
                param="dimensions",
            )
        cut, least = body.get("truncate_prompt_tokens"), 1 + self._framing
        if cut is not None and cut != -1 and not least <= cut <= self.longest:
            raise RequestError(
                f"`truncate_prompt_tokens` must be -1, or from {least} to {self.longest}.",
                param="truncate_prompt_tokens",
            )
        if body.get("truncation_side") == "left":
            raise RequestError(
                f"{EMBEDDING_MODEL} can be told to keep the beginning of a text, not its end.",
                param="truncation_side",
            )

    def ids(self, one: str | Sequence[int], place: str, most: int | None) -> Sequence[int]:
        """All ids that are read for an input, at most `most` where the client says so."""
        if not isinstance(one, str):
            self._check_ids(one, place)
            ids = one[:most]
        else:
            room = (most or self.longest) - self._framing
            bare = self.encoder.token_ids(one, room + (most is None))
            ids = framed(bare, self.frame)
        if len(ids) > self.longest:
            raise RequestError(
                f"{place}: it has more than {self.longest} tokens (server.max_embedding_tokens).",
                hint="Divide it, or send `truncate_prompt_tokens`.",
                param=place,
            )
        if not ids:
            raise RequestError(f"{place}: it has no tokens.", param=place)
        return ids

    @property
    def _framing(self) -> int:
        return sum(map(len, self.frame))

    def _check_ids(self, ids: Sequence[int], place: str) -> None:
        vocabulary = self.encoder.vocabulary
        if max(ids) < vocabulary:
            return
        at = next(n for n, id in enumerate(ids) if id >= vocabulary)
        path = f"{place}[{at}]"
        raise RequestError(
            f"{path}: {ids[at]} is no token of {EMBEDDING_MODEL}; its ids are 0 to"
            f" {vocabulary - 1}.",
            param=path,
        )


def _placed(inputs: Any) -> list[tuple[str, str | list[int]]]:
    """Every input with its place in the body."""
    if isinstance(inputs, str) or isinstance(inputs[0], int):
        return [("input", inputs)]
    return [(f"input[{n}]", one) for n, one in enumerate(inputs)]


def _content(
    vectors: Sequence[NDArray[np.float32]], tokens: int, model: str, as_base64: bool
) -> bytes:
    """OpenAI's body."""
    data = [
        {
            "object": "embedding",
            "index": number,
            "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode()
            if as_base64
            else vector.tolist(),
        }
        for number, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json.dumps({"object": "list", "data": data, "model": model, "usage": usage}).encode()
