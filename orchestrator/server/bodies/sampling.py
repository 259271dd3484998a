"""The fields that chats and completions share, with OpenAI's and vLLM's types and ranges."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

INT64 = 2**63
MOST_CHOICES = 16384
"""VLLM's own bound of `n`, unless its environment says otherwise."""

Flag = bool | None
Text = str | None
Whole = Annotated[int, Field(ge=-INT64, lt=INT64)]
Count = Annotated[int, Field(ge=0, lt=INT64)]
CountOrAll = Annotated[int, Field(ge=-1, lt=INT64)]
"""-1 stands for all there are."""
Number = Annotated[float, Field(allow_inf_nan=False)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Object = dict[str, Any]


class Strict(BaseModel):
    """Takes JSON's own types only: neither "7" nor true is a number."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class Kind(Strict):
    """An object of which the engine knows more than its `type`."""

    model_config = ConfigDict(extra="allow")

    type: str


class StreamOptions(Strict):
    """How a stream ends; what is not known here is the engine's business."""

    model_config = ConfigDict(extra="allow")

    include_usage: Flag = None
    continuous_usage_stats: Flag = None
    include_obfuscation: Flag = None


class SamplingBody(Strict):
    """Every field is optional, and null stands for its absence.

    Where OpenAI and vLLM differ the wider range is taken: the engine that is asked narrows it.
    """

    model: Text = None
    stream: Flag = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    best_of: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    stop: str | list[str] | None = None
    seed: Whole | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: CountOrAll | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    length_penalty: Number | None = None
    logit_bias: dict[str, Number] | None = None
    user: Text = None
    min_tokens: Count | None = None
    stop_token_ids: list[Whole] | None = None
    allowed_token_ids: list[Whole] | None = None
    logprob_token_ids: list[Whole] | None = None
    bad_words: list[str] | None = None
    include_stop_str_in_output: Flag = None
    ignore_eos: Flag = None
    skip_special_tokens: Flag = None
    spaces_between_special_tokens: Flag = None
    add_special_tokens: Flag = None
    echo: Flag = None
    use_beam_search: Flag = None
    return_tokens_as_token_ids: Flag = None
    return_token_ids: Flag = None
    return_token_offsets: Flag = None
    return_prompt_text: Flag = None
    truncate_prompt_tokens: CountOrAll | None = None
    truncation_side: Literal["left", "right"] | None = None
    prompt_logprobs: CountOrAll | None = None
    thinking_token_budget: CountOrAll | None = None
    stream_interval: Annotated[int, Field(ge=1, lt=INT64)] | None = None
    priority: Whole | None = None
    request_id: Text = None
    session_id: Text = None
    cache_salt: Text = None
    response_format: Kind | None = None
    structured_outputs: Object | None = None
    repetition_detection: Object | None = None
    vllm_xargs: Object | None = None
