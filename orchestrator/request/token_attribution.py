"""What a fused expert writes into log-probabilities, turned into a field of its own."""

import json
from collections.abc import AsyncIterator
from typing import Any

from experts.errors import BadOutput, RequestError
from experts.fused.composites.fusion_route.speaker import speaker
from experts.fused.composites.mixture_of_thoughts.listening import listened
from experts.fused.roles import Fused
from experts.sse import DONE, data_of, split_events, whole_events
from experts.types import Request

_END = b"\n\n"
_DATA = b"data: "


def can_tell(model: Fused | None, request: Request) -> bool:
    """Whether an answer to this request can say what happened at its tokens."""
    tells = model is not None and model.tells is not None
    return tells and request.operation == "chat/completions"


class TokenAttribution:
    """Asks for the members' marks, and translates an answer that carries them.

    Every choice of an answer, or of a chunk of a stream, gets for each of its tokens, under
    `coterie`, its `texts` and what the expert tells: `experts`, the member that spoke (None: the
    router alone), or `attention`, for each interaction layer the share of the primary's attention
    by member.
    """

    def __init__(self, expert: str, model: Fused, request: Request) -> None:
        if not can_tell(model, request):
            raise RequestError(
                "What happened at each token can be told for chat completions of a FusionRoute or"
                " Mixture of Thoughts expert only.",
                param="coterie.tokens",
            )
        self._expert = expert
        self._model = model
        self._marks = model.role_tokens[: model.marks]
        self._keep_logprobs = bool(request.body.get("logprobs"))
        marks = {"logprobs": True, "logprob_token_ids": list(model.role_ids[: model.marks])}
        self.request = Request(request.id, request.operation, {**request.body, **marks})

    def whole(self, body: bytes) -> bytes:
        """An answer that does not stream."""
        return self._translated(body)

    async def stream(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The events of a stream; `pieces` may end anywhere."""
        async for block in whole_events(self._expert, pieces):
            yield b"".join(map(self._event, split_events(block)))

    def _event(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data or data == DONE:
            return event
        return _DATA + self._translated(data) + _END

    def _translated(self, content: bytes) -> bytes:
        """Raises BadOutput for what is not the answer of a fused expert."""
        try:
            answer = json.loads(content)
            self._translate(answer)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise BadOutput(
                f"Expert {self._expert} did not tell what happened at its tokens"
                f" ({type(error).__name__}).",
                expert=self._expert,
            ) from error
        return json.dumps(answer).encode()

    def _translate(self, answer: dict[str, Any]) -> None:
        for choice in answer.get("choices") or ():
            tokens = (choice.get("logprobs") or {}).get("content") or ()
            choice["coterie"] = {
                "texts": [token["token"] for token in tokens],
                str(self._model.tells): [self._told(token) for token in tokens],
            }
            if not self._keep_logprobs:
                choice["logprobs"] = None

    def _told(self, token: dict[str, Any]) -> str | list[dict[str, float]] | None:
        """Take the marks out of a token's alternatives, and read them."""
        others = token.get("top_logprobs") or []
        found = {one["token"]: one["logprob"] for one in others if one["token"] in self._marks}
        token["top_logprobs"] = [one for one in others if one["token"] not in self._marks]
        if len(found) < len(self._marks):
            return None
        members, marks = self._model.members, [found[mark] for mark in self._marks]
        if self._model.tells == "experts":
            return speaker(marks[0], members)
        return [
            {name: share for name, share in zip(members, layer, strict=True) if share}
            for layer in listened(marks, len(members))
        ]
