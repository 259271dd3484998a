"""The shapes of OpenAI's answers, as strict as clients are and as loose as real servers."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MOST_TOKENS = 1 << 53
"""From here on, JavaScript's numbers are not exact."""

Secrets = tuple[str, ...]
"""What must not be told to a client."""


_Count = Annotated[int, Field(strict=True, ge=0, lt=MOST_TOKENS)]
_Logprob = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _Tolerant(BaseModel):
    """What is looked at in an answer; fields beside these, and missing ones, are as they are."""

    model_config = ConfigDict(extra="ignore")


class Counts(_Tolerant):
    """The usage of an answer, in tokens."""

    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    total_tokens: _Count | None = None


class _Token(_Tolerant):
    logprob: _Logprob | None = None


class Logprobs(_Tolerant):
    """Of the tokens of an answer, in either operation's format."""

    content: list[_Token] | None = None
    """Of chat completions."""
    token_logprobs: list[_Logprob | None] | None = None
    """Of completions."""

    @property
    def values(self) -> tuple[float, ...]:
        """The log-probabilities that are told, one per token."""
        if self.content:
            found = [token.logprob for token in self.content]
        else:
            found = self.token_logprobs or []
        return tuple(value for value in found if value is not None)


class _Part(_Tolerant):
    text: str | None = None


class _Function(_Tolerant):
    name: str | None = None
    arguments: str | None = None
    """JSON in a text, whole or a piece of it."""


class _Call(_Tolerant):
    id: str | None = None
    function: _Function | None = None


class _Said(_Tolerant):
    content: Annotated[str | list[_Part | str] | None, Field(union_mode="left_to_right")] = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None

    @property
    def text(self) -> str:
        """The text, which may come in parts."""
        if not isinstance(self.content, list):
            return self.content or ""
        return "".join(p if isinstance(p, str) else p.text or "" for p in self.content)


class Choice(_Tolerant):
    """One of the answers to a request, or a piece of it."""

    index: _Count | None = None
    delta: _Said | None = None
    message: _Said | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    @property
    def said(self) -> str:
        """The text of this choice, in whatever of the operations' formats."""
        said = self.delta or self.message
        return said.text if said is not None else self.text or ""


class AnyAnswer(_Tolerant):
    """An answer or an event of its stream; `error` tells that there is none."""

    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: Any = None
