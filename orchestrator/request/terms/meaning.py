"""What the fields of a request mean: a field that is there may ask for nothing. Pure."""

from collections.abc import Mapping
from typing import Any

Body = Mapping[str, Any]
_CONSTRAINTS = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")
_BY_TOKEN = (
    "return_token_ids",
    "return_tokens_as_token_ids",
    "return_token_offsets",
    "logprob_token_ids",
)

_AMONG_TOKENS = ("logit_bias", "allowed_token_ids", "bad_words")


def constrained(body: Body) -> str | None:
    """The field that prescribes the form of the answer, if one does."""
    if (body.get("response_format") or {}).get("type", "text") != "text":
        return "response_format"
    wanted = body.get("structured_outputs") or {}
    # `json` may be an empty schema, which still wants JSON.
    if any(wanted.get(name) not in (None, False) for name in _CONSTRAINTS):
        return "structured_outputs"
    return None


def tools_allowed(body: Body) -> str | None:
    """The field of the tools that the answer may call, if there are any."""
    if body.get("tools") and body.get("tool_choice") != "none":
        return "tools"
    if body.get("functions") and body.get("function_call") != "none":
        return "functions"
    return None


def tool_demanded(body: Body) -> str | None:
    """The field that says that the answer must be the call of a tool, if one does."""
    for field in ("tool_choice", "function_call"):
        if body.get(field) not in (None, "auto", "none"):
            return field
    return None


def token_details(body: Body) -> str | None:
    """The field that asks for something about single tokens, if one does."""
    logprobs = body.get("logprobs")
    if logprobs is not None and logprobs is not False:  # 0 asks for the tokens' own.
        return "logprobs"
    if body.get("prompt_logprobs") is not None:
        return "prompt_logprobs"
    return next((field for field in _BY_TOKEN if body.get(field)), None)


def tokens_chosen(body: Body) -> str | None:
    """The field that says which tokens a model may generate, if one does."""
    return next((field for field in _AMONG_TOKENS if body.get(field)), None)


def beyond_text(body: Body) -> str | None:
    """The field that asks for more than text, if one does."""
    return "modalities" if set(body.get("modalities") or ()) - {"text"} else None


def most_tokens(body: Body) -> int | None:
    """The most tokens that an answer may have; None without a bound."""
    bounds = (body.get("max_tokens"), body.get("max_completion_tokens"))
    return min((bound for bound in bounds if bound is not None), default=None)
