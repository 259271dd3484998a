"""Who spoke: turns what a fused expert writes into log-probabilities into a field of its own."""

import json
from collections.abc import AsyncIterator
from typing import Any

from experts.errors import RequestError
from experts.roles import Fused
from experts.types import Request
from experts.vllm.composite.speaker import speaker

_END = b"\n\n"
_DATA = b"data: "


class Speakers:
    """Asks for the members' marks, and translates an answer that carries them.

    Every choice of an answer, or of a chunk of a stream, gets `coterie.experts`: for each of its
    tokens the member that spoke, None where the router spoke alone.
    """

    def __init__(self, model: Fused, request: Request) -> None:
        if not model.tells_speaker or request.operation != "chat/completions":
            raise RequestError(
                "Who spoke can be told for chat completions of a FusionRoute expert only.",
                param="coterie.tokens",
            )
        self._model = model
        self._keep_logprobs = bool(request.body.get("logprobs"))
        marks = {"logprobs": True, "logprob_token_ids": [model.first_role_id]}
        self.request = Request(request.id, request.operation, {**request.body, **marks})

    def whole(self, body: bytes) -> bytes:
        """An answer that does not stream."""
        answer = json.loads(body)
        self._translate(answer)
        return json.dumps(answer).encode()

    async def stream(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The events of a stream; `pieces` may end anywhere."""
        rest = b""
        async for piece in pieces:
            *events, rest = (rest + piece).split(_END)
            if events:
                yield b"".join(self._event(event) + _END for event in events)
        if rest:
            yield self._event(rest)

    def _event(self, event: bytes) -> bytes:
        if not event.startswith(_DATA) or event == b"data: [DONE]":
            return event
        chunk = json.loads(event.removeprefix(_DATA))
        self._translate(chunk)
        return _DATA + json.dumps(chunk).encode()

    def _translate(self, answer: dict[str, Any]) -> None:
        for choice in answer.get("choices") or ():
            tokens = (choice.get("logprobs") or {}).get("content") or ()
            choice["coterie"] = {"experts": [self._speaker(token) for token in tokens]}
            if not self._keep_logprobs:
                choice["logprobs"] = None

    def _speaker(self, token: dict[str, Any]) -> str | None:
        mark = self._model.role_tokens[0]
        others = token.get("top_logprobs") or []
        found = [other["logprob"] for other in others if other["token"] == mark]
        token["top_logprobs"] = [other for other in others if other["token"] != mark]
        return speaker(found[0], self._model.members) if found else None
