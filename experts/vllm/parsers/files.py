"""What a model's files say about its parsers, and the engine arguments that follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experts.footprint.texts import chat_templates, read_mapping
from experts.vllm.parsers.families import Parsers, parsers_of, reasoning_mark

TOOL_PARSER = "tool_call_parser"
AUTO_CHOICE = "enable_auto_tool_choice"
REASONING_PARSER = "reasoning_parser"
_TEMPLATE = "chat_template"
_MISTRAL = "tekken.json"
"""A tokenizer that comes with its own template, which no file shows."""
_VOCABULARY = ("added_tokens.json", "tokenizer_config.json", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class Found:
    """What a model's files say."""

    family: str
    """The `model_type` of config.json; empty where it has none."""
    parsers: Parsers


def found_in(folder: Path, args: Mapping[str, Any]) -> Found:
    """Family and parsers of a model in a folder; `args` may name another chat template."""
    family = str(read_mapping(folder / "config.json").get("model_type") or "")
    tool, reasoning = parsers_of(family, _template(folder, args))
    if tool is None and (folder / _MISTRAL).is_file():
        tool = "mistral"
    if reasoning is not None and not _knows(folder, reasoning_mark(family)):
        reasoning = None
    return Found(family, Parsers(tool, reasoning))


def with_parsers(folder: Path | None, args: Mapping[str, Any]) -> dict[str, Any]:
    """The engine arguments with the parsers in the places that they leave open.

    Where the files do not say which, nothing is added; a tool parser that was given is used. None
    is a model whose files are not here.
    """
    whole = {name.replace("-", "_"): value for name, value in args.items()}
    found = found_in(folder, whole).parsers if folder is not None else Parsers(None, None)
    added: dict[str, Any] = {}
    if TOOL_PARSER not in whole and found.tool is not None and whole.get(AUTO_CHOICE) is not False:
        added[TOOL_PARSER] = found.tool
    if whole.get(TOOL_PARSER) or TOOL_PARSER in added:
        added |= {} if AUTO_CHOICE in whole else {AUTO_CHOICE: True}
    if REASONING_PARSER not in whole and found.reasoning is not None:
        added[REASONING_PARSER] = found.reasoning
    return {**args, **added}


def _template(folder: Path, args: Mapping[str, Any]) -> str:
    given = args.get(_TEMPLATE)
    if isinstance(given, str):
        is_text = any(mark in given for mark in "{}\n")
        path = Path(given)
        if is_text or not path.is_file():
            return given if is_text else ""
        return path.read_text(encoding="utf-8", errors="replace")
    return "\n".join(template for _, template in chat_templates(folder))


def _knows(folder: Path, token: str) -> bool:
    """Whether the files of a tokenizer name a token."""
    if not token:
        return True
    written = f'"{token}"'.encode()
    files = (folder / name for name in _VOCABULARY)
    return any(written in file.read_bytes() for file in files if file.is_file())
