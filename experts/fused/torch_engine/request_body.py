"""The fields of a request that an expert of type torch supports, checked."""

import json
from abc import ABC, abstractmethod
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experts.errors import RequestError
from experts.fused.torch_engine.engine import Ask
from experts.fused.torch_engine.mixture_of_thoughts import Prompt
from experts.fused.torch_engine.sampling import Sampling

MOST_ALTERNATIVES = 20
MOST_CHOICES = 16
REFUSED = ("tools", "response_format", "logit_bias", "structured_outputs", "prompt_logprobs")


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: str
    content: str


class Body(BaseModel, ABC):
    """The fields of both operations."""

    model_config = ConfigDict(extra="ignore")
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(1.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1)
    min_p: float = Field(0.0, ge=0, le=1)
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    repetition_penalty: float = Field(1.0, gt=0)
    min_tokens: int = Field(0, ge=0)
    seed: int | None = None
    n: int = Field(1, ge=1, le=MOST_CHOICES)
    stop: str | list[str] | None = None
    ignore_eos: bool = False
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=MOST_ALTERNATIVES)
    logprob_token_ids: list[int] = Field(default=[], max_length=128)
    chat_template_kwargs: dict[str, Any] = {}

    @abstractmethod
    def prompt(self) -> Prompt:
        """The conversation to be answered, or the text to be continued."""

    def asks(self) -> list[Ask]:
        """One `Ask` for each choice; with a seed, each choice has its own."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        role = self.chat_template_kwargs.get("role")
        names = Sampling.__dataclass_fields__
        return [
            Ask(
                prompt=self.prompt(),
                role=None if role is None else str(role),
                max_tokens=self.max_completion_tokens or self.max_tokens,
                stop=stop,
                ignore_eos=self.ignore_eos,
                sampling=Sampling(
                    **{
                        **{name: getattr(self, name) for name in names},
                        "top_k": max(self.top_k, 0),
                        "seed": None if self.seed is None else self.seed + number,
                    }
                ),
            )
            for number in range(self.n)
        ]


class ChatBody(Body):
    """The body of chat/completions."""

    messages: list[_Message] = Field(min_length=1)

    def prompt(self) -> Prompt:
        return [turn.model_dump() for turn in self.messages]


class CompletionBody(Body):
    """The body of completions."""

    text: str = Field(alias="prompt")
    max_tokens: int | None = Field(16, ge=1)
    logprobs: Literal[False, None] = None  # type: ignore[assignment]

    def prompt(self) -> Prompt:
        return self.text


def read_body(raw: bytes, kind: type[Body]) -> Body:
    """Parse the body of a request. Raises RequestError that names the first mistake."""
    try:
        tree = json.loads(raw)
        refused = [field for field in REFUSED if isinstance(tree, dict) and tree.get(field)]
        if refused:
            raise RequestError(
                f"An expert of type torch does not support {', '.join(refused)}.", param=refused[0]
            )
        return kind.model_validate(tree)
    except ValidationError as error:
        (first, *_) = error.errors()
        place = ".".join(map(str, first["loc"]))
        raise RequestError(f"{place}: {first['msg']}", param=place) from None
    except ValueError as error:
        raise RequestError(f"The body is not JSON: {error}.") from None
