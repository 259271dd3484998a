"""The fields that chats and completions share, with OpenAI's and vLLM's types and ranges."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orchestrator.server.bodies.numbers import as_whole

INT64 = 2**63
MOST_CHOICES = 16384
"""VLLM's own bound of `n`, unless its environment says otherwise."""
MOST_STOPS = 4
"""OpenAI's bound of `stop`, and vLLM's unless its environment says otherwise."""

Flag = bool | None
Text = str | None
Spelled = BeforeValidator(as_whole)
"""Of a whole number: JSON has one kind of numbers, and 5.0 is 5. It comes after the range."""
Whole = Annotated[int, Field(ge=-INT64, lt=INT64), Spelled]
Count = Annotated[int, Field(ge=0, lt=INT64), Spelled]
Positive = Annotated[int, Field(ge=1, lt=INT64), Spelled]
CountOrAll = Annotated[int, Field(ge=-1, lt=INT64), Spelled]
"""-1 stands for all there are."""
Choices = Annotated[int, Field(ge=1, le=MOST_CHOICES), Spelled]
Number = Annotated[float, Field(allow_inf_nan=False)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Object = dict[str, Any]
Stops = Annotated[list[str], Field(max_length=MOST_STOPS)]


class Strict(BaseModel):
    """Takes JSON's own types only: neither "7" nor true is a number."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class Kind(Strict):
    """An object of which the engine knows more than its `type`."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text", "json_object", "json_schema", "structural_tag"]
    """A text in any form, any JSON object, JSON of a schema, or vLLM's own way with tags."""


class StreamOptions(Strict):
    """How a stream ends; what is not known here is the engine's business."""

    model_config = ConfigDict(extra="allow")

    include_usage: Flag = None
    """End with an event that has the usage."""
    continuous_usage_stats: Flag = None
    """Have the usage in every event."""
    include_obfuscation: Flag = None
    """OpenAI's: pad events to hide their lengths."""


class SamplingBody(Strict):
    """Every field is optional, and null stands for its absence.

    Where OpenAI and vLLM differ the wider range is taken: the engine that is asked narrows it.
    """

    model: Text = None
    """Which model answers: an expert, or a composition of the pool."""
    stream: Flag = None
    """Send the answer as server-sent events, piece by piece."""
    stream_options: StreamOptions | None = None
    """How the stream ends; with `stream` only."""
    n: Choices | None = None
    """How many answers; of several experts together there is one."""
    best_of: Choices | None = None
    """As many as `n`: no answer is made that is not sent."""
    stop: str | Stops | None = None
    """Texts that end the answer; they are not part of it."""
    seed: Whole | None = None
    """Makes sampling repeatable."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How far sampling strays from the likeliest token; 0 does not."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Sample among the likeliest tokens that have this probability together."""
    top_k: CountOrAll | None = None
    """Sample among so many of the likeliest tokens; -1: among all."""
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    """Sample among tokens with at least this share of the likeliest one's probability."""
    frequency_penalty: Penalty | None = None
    """Penalizes a token for each time it stands in the answer."""
    presence_penalty: Penalty | None = None
    """Penalizes a token that stands in the answer."""
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None
    """Divides the scores of tokens that stand in the prompt or the answer."""
    length_penalty: Number | None = None
    """Of beam search: how much longer answers are preferred."""
    logit_bias: dict[str, Number] | None = None
    """Token id -> what is added to its score."""
    user: Text = None
    """Whose request it is, for the engine's records."""
    min_tokens: Count | None = None
    """The answer does not end before it has so many tokens."""
    stop_token_ids: list[Whole] | None = None
    """Tokens that end the answer."""
    allowed_token_ids: list[Whole] | None = None
    """The only tokens that may be generated."""
    logprob_token_ids: list[Whole] | None = None
    """Tokens whose log-probabilities are told."""
    bad_words: list[str] | None = None
    """Words that are not generated."""
    include_stop_str_in_output: Flag = None
    """Keep the text that ended the answer."""
    ignore_eos: Flag = None
    """Go on after the model's own end of the text."""
    skip_special_tokens: Flag = None
    """Leave special tokens out of the text."""
    spaces_between_special_tokens: Flag = None
    """Put spaces between special tokens."""
    add_special_tokens: Flag = None
    """Add the tokenizer's special tokens to the prompt."""
    echo: Flag = None
    """The answer begins with the prompt."""
    use_beam_search: Flag = None
    """Search for the likeliest answer instead of sampling."""
    return_tokens_as_token_ids: Flag = None
    """Name tokens as `token_id:ID` in log-probabilities."""
    return_token_ids: Flag = None
    """Tell the token ids of prompt and answer."""
    return_token_offsets: Flag = None
    """Tell where each token stands in the text."""
    return_prompt_text: Flag = None
    """Tell the prompt as the engine read it."""
    truncate_prompt_tokens: CountOrAll | None = None
    """Keep so many tokens of the prompt; -1: as many as the model takes."""
    truncation_side: Literal["left", "right"] | None = None
    """Where a prompt is cut."""
    prompt_logprobs: CountOrAll | None = None
    """Tell so many log-probabilities for each token of the prompt."""
    thinking_token_budget: CountOrAll | None = None
    """The most tokens of reasoning; -1: no bound."""
    stream_interval: Positive | None = None
    """Tokens in each piece of a stream."""
    priority: Whole | None = None
    """The engine's own order of requests; less is earlier."""
    request_id: Text = None
    """The engine's name for the request; ours is the header `x-request-id`."""
    session_id: Text = None
    """Requests with the same one belong together."""
    cache_salt: Text = None
    """Requests share cached prefixes only where it is the same."""
    response_format: Kind | None = None
    """The form that the answer must have."""
    structured_outputs: Object | None = None
    """vLLM's way to prescribe the form: a schema, regex, choice or grammar."""
    repetition_detection: Object | None = None
    """When an answer that repeats itself is ended."""
    vllm_xargs: Object | None = None
    """Arguments for extensions of the engine."""
