"""What depends on more than one field of a body, or on what an object in it says it is. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from experts.errors import RequestError
from experts.types import Operation

_CHOICES = ("none", "auto", "required")
_SPEAKERS = frozenset({"user", "system", "developer", "tool"})
"""Who says something: an assistant may have called tools instead."""
_MEDIA = {"image_url": "url", "input_audio": "data", "audio_url": "url", "video_url": "url"}
"""What a part is -> the key with its content."""


def check_together(body: Mapping[str, Any], operation: Operation) -> None:
    """Raise RequestError, with the place, for what OpenAI and vLLM both refuse.

    The body has the types that its model wants, and says nothing by null.
    """
    for fields, check in _CHATS if operation == "chat/completions" else _COMPLETIONS:
        if not fields or not fields.isdisjoint(body):
            check(body)


def _prompt(body: Mapping[str, Any]) -> None:
    if "prompt" not in body and "prompt_embeds" not in body:
        raise RequestError("`prompt` is required.", param="prompt")


def _stream_options(body: Mapping[str, Any]) -> None:
    if body.get("stream_options") and not body.get("stream"):
        raise RequestError(
            "`stream_options` can be given with `stream: true` only.", param="stream_options"
        )


def _best_of(body: Mapping[str, Any]) -> None:
    if body.get("best_of", body.get("n", 1)) != body.get("n", 1):
        raise RequestError(
            "`best_of` is not supported: no answer is made that is not sent.",
            hint="Ask for `n` answers.",
            param="best_of",
        )


def _lengths(body: Mapping[str, Any]) -> None:
    least = body.get("min_tokens", 0)
    for field in ("max_tokens", "max_completion_tokens"):
        if (most := body.get(field)) is not None and least > most:
            raise RequestError(f"`min_tokens` must not be above `{field}`.", param="min_tokens")


def _bias(body: Mapping[str, Any]) -> None:
    for token in body.get("logit_bias", ()):
        if not (token.isascii() and token.isdecimal()):
            raise _wrong("logit_bias", "its keys must be the ids of tokens")


def _form(body: Mapping[str, Any]) -> None:
    form = body.get("response_format", {})
    if form.get("type") == "json_schema":
        _name_in(form.get("json_schema"), "response_format.json_schema")


def _top_logprobs(body: Mapping[str, Any]) -> None:
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise RequestError("`top_logprobs` needs `logprobs: true`.", param="top_logprobs")


def _messages(body: Mapping[str, Any]) -> None:
    for number, message in enumerate(body["messages"]):
        place = f"messages[{number}].content"
        content = message.get("content")
        if content is None and message["role"] in _SPEAKERS:
            raise _wrong(place, f"the role {message['role']} needs a string or a list of parts")
        for index, part in enumerate(content if isinstance(content, list) else ()):
            _media(part, f"{place}[{index}]")


def _media(part: Mapping[str, Any], place: str) -> None:
    """A part that is an image and the like holds one, unless the engine is to remember it."""
    kind = part.get("type")
    key = _MEDIA.get(kind) if isinstance(kind, str) else None
    if key is None or part.get("uuid") is not None:
        return
    held = part.get(str(kind))
    if not isinstance(held, dict) or not isinstance(held.get(key), str) or not held[key]:
        raise _wrong(f"{place}.{kind}", f"must be an object with the text `{key}`")


def _tools(body: Mapping[str, Any]) -> None:
    for number, tool in enumerate(body.get("tools", ())):
        kind = tool.get("type", "function")
        if not isinstance(kind, str) or not kind:
            raise _wrong(f"tools[{number}].type", "must be a text, such as `function`")
        if kind == "function":
            _function(tool.get("function"), f"tools[{number}].function")
    for number, function in enumerate(body.get("functions", ())):
        _function(function, f"functions[{number}]")


def _function(value: Any, place: str) -> None:
    _name_in(value, place)
    if not isinstance(value.get("parameters"), dict | None):
        raise _wrong(f"{place}.parameters", "must be an object, a JSON Schema")
    if not isinstance(value.get("description"), str | None):
        raise _wrong(f"{place}.description", "must be a text")


def _tool_choice(body: Mapping[str, Any]) -> None:
    choice = body.get("tool_choice")
    if choice is None:
        return
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise _wrong("tool_choice", f"must be one of {', '.join(_CHOICES)}, or name a tool")
    elif not isinstance(choice.get("type"), str):
        raise _wrong("tool_choice", 'must name a tool by `{"type": "function", "function": ...}`')
    if not body.get("tools"):
        raise RequestError("`tool_choice` needs `tools` to choose among.", param="tool_choice")
    if isinstance(choice, dict) and choice["type"] == "function":
        _name_in(choice.get("function"), "tool_choice.function")
        _among(choice["function"]["name"], _names(body["tools"]), "tool_choice")


def _function_call(body: Mapping[str, Any]) -> None:
    call = body.get("function_call")
    if call is None:
        return
    if isinstance(call, str) and call not in ("none", "auto"):
        raise _wrong("function_call", "must be one of none, auto, or name a function")
    functions = body.get("functions")
    if not functions:
        raise RequestError(
            "`function_call` needs `functions` to choose among.", param="function_call"
        )
    if isinstance(call, dict):
        _name_in(call, "function_call")
        _among(call["name"], [one["name"] for one in functions], "function_call")


def _names(tools: list[dict[str, Any]]) -> Iterator[str]:
    for tool in tools:
        if tool.get("type", "function") == "function":
            yield tool["function"]["name"]


def _among(name: str, names: Iterator[str] | list[str], field: str) -> None:
    known = list(names)
    if name not in known:
        raise _wrong(field, f"there is no tool {name} among the request's: {', '.join(known)}")


def _name_in(value: Any, place: str) -> None:
    """An object with a name, which is a text that is not empty."""
    if not isinstance(value, dict):
        raise _wrong(place, "an object with a `name` is required here")
    if not isinstance(value.get("name"), str) or not value["name"]:
        raise _wrong(f"{place}.name", "must be a text that is not empty")


def _wrong(place: str, words: str) -> RequestError:
    return RequestError(f"{place}: {words}.", param=place)


_Check = tuple[frozenset[str], Callable[[Mapping[str, Any]], None]]
"""A check, and the fields without which there is nothing to check; none: always."""


def _of(check: Callable[[Mapping[str, Any]], None], *fields: str) -> _Check:
    return frozenset(fields), check


_BOTH = (
    _of(_stream_options, "stream_options"),
    _of(_best_of, "best_of"),
    _of(_lengths, "min_tokens"),
    _of(_bias, "logit_bias"),
    _of(_form, "response_format"),
)
_COMPLETIONS = (*_BOTH, _of(_prompt))
_CHATS = (
    *_BOTH,
    _of(_messages),
    # The tools before the choice among them.
    _of(_tools, "tools", "functions"),
    _of(_tool_choice, "tool_choice"),
    _of(_function_call, "function_call"),
    _of(_top_logprobs, "top_logprobs"),
)
