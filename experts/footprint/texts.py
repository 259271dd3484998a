"""The JSON files and the chat template beside a model's weights: whether they can be read."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

LARGEST = 128 << 20
"""Bytes of a file that is looked into; larger ones are left to the engine."""
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "generation_config.json",
    "chat_template.json",
)
_TEMPLATE = "chat_template.jinja"


def read_mapping(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def damaged_files(folder: Path, *, templates: bool = True) -> Iterator[str]:
    """The tokenizer's files that are no JSON, and chat templates that are no Jinja, in sentences.

    Each begins with the file's name. Without `templates`, those are not looked at.
    """
    for name in _TOKENIZER:
        if (fault := _json_fault(folder / name)) is not None:
            yield f"{name} is not JSON ({fault}); copy it again from where the weights are from."
    for name, template in chat_templates(folder) if templates else ():
        if (fault := template_fault(template)) is not None:
            yield (
                f"{name}: its chat template is not Jinja ({fault}); correct it, or name another one"
                " in `engine_args: {chat_template: ...}`."
            )


def template_fault(template: str) -> str | None:
    """Why a text is no Jinja template, with its line; None where it is one."""
    from jinja2 import Environment, TemplateSyntaxError, nodes  # noqa: PLC0415
    from jinja2.ext import Extension, loopcontrols  # noqa: PLC0415
    from jinja2.parser import Parser  # noqa: PLC0415

    class Generation(Extension):
        """The tag with which transformers marks what the assistant says."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    try:
        Environment(autoescape=True, extensions=[loopcontrols, Generation]).parse(template)
    except TemplateSyntaxError as error:
        message = (error.message or "").rstrip(".")
        return f"line {error.lineno}: {message}"
    except RecursionError:
        return "it is nested too deeply"
    return None


def _json_fault(path: Path) -> str | None:
    """What is wrong with a JSON file; None where nothing is, or where it is not there."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, RecursionError) as error:
        return str(error)
    return None


def chat_templates(folder: Path) -> Iterator[tuple[str, str]]:
    """Every chat template of a folder, by the file that has it."""
    with suppress(OSError, ValueError):  # It is not there, as in most folders.
        yield _TEMPLATE, (folder / _TEMPLATE).read_text(encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.json"):
        found = read_mapping(folder / name).get("chat_template")
        for one in found if isinstance(found, list) else [found]:
            text = one.get("template") if isinstance(one, dict) else one
            if isinstance(text, str):
                yield name, text
