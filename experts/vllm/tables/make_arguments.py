"""Makes the table of arguments.json, vLLM's arguments by name and type, from the installed vLLM."""

import argparse
import json
from collections.abc import Callable, Iterable
from typing import Any

from experts.vllm.tables.arguments import Kind
from experts.vllm.versions import installed

_SAMPLES: dict[Kind, tuple[str, ...]] = {
    "integer": ("7",),
    "number": ("0.5",),
    "suffix": ("4k",),
    "auto": ("auto",),
    "text": ("some words", "/some/path"),
    "mapping": ('{"a": 1}', "{}"),
}
"""By kind, words of which a parser of that kind takes one."""


def make_table() -> dict[str, Any]:
    """The table of the vLLM that is installed. Imports it, which takes many seconds."""
    from vllm.entrypoints.launchers.cli_args import make_arg_parser  # noqa: PLC0415
    from vllm.utils.argparse_utils import FlexibleArgumentParser  # noqa: PLC0415

    parser = make_arg_parser(FlexibleArgumentParser())
    arguments = {}
    for action in parser._actions:
        names = [option for option in action.option_strings if option.startswith("--")]
        for option in names:
            name = option.removeprefix("--").replace("-", "_")
            if name != "help" and not (_is_flag(action) and name.startswith("no_")):
                arguments[name] = _entry(action)
    for name, choices in _registered().items():
        arguments[name] |= {"choices": sorted(choices), "open": True}
    version = (installed() or "").partition("+")[0]
    return {"vllm": version, "arguments": dict(sorted(arguments.items()))}


def text_of(table: dict[str, Any]) -> str:
    """The table as its file has it: one argument a line."""
    lines = [f"  {json.dumps(n)}: {json.dumps(e)}" for n, e in table["arguments"].items()]
    arguments = ",\n".join(lines)
    return f'{{"vllm": {json.dumps(table["vllm"])}, "arguments": {{\n{arguments}\n}}}}\n'


def _registered() -> dict[str, Iterable[str]]:
    """Choices that the parser leaves to registries, which plugins may add to."""
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS  # noqa: PLC0415
    from vllm.model_executor.model_loader import _LOAD_FORMAT_TO_MODEL_LOADER  # noqa: PLC0415
    from vllm.reasoning import ReasoningParserManager  # noqa: PLC0415
    from vllm.tool_parsers import ToolParserManager  # noqa: PLC0415

    return {
        "quantization": QUANTIZATION_METHODS,
        "load_format": _LOAD_FORMAT_TO_MODEL_LOADER,
        "reasoning_parser": ReasoningParserManager.list_registered(),
        "tool_call_parser": ToolParserManager.list_registered(),
    }


def _is_flag(action: argparse.Action) -> bool:
    return action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction)


def _entry(action: argparse.Action) -> dict[str, Any]:
    if _is_flag(action):
        return {"takes": ["flag"]}
    read: Callable[[str], Any] = action.type if callable(action.type) else str
    takes: list[Kind] = ["flag"] if action.nargs == "?" and action.const is True else []
    for kind, samples in _SAMPLES.items():
        found = [_read(read, sample) for sample in samples]
        # A text that looks like JSON is still a text.
        if any(one is not None and (kind != "mapping" or one not in samples) for one in found):
            takes.append(kind)
    if _read(read, "None", failed="") is None:
        takes.append("null")
    entry: dict[str, Any] = {"takes": _plainest(takes)}
    if action.nargs == "+" or isinstance(action.nargs, int):
        entry["many"] = True
    if action.choices:
        entry["choices"] = sorted(str(one) for one in action.choices if one is not None)
    return entry


def _plainest(takes: list[Kind]) -> list[Kind]:
    """Without what follows from the rest: a text may look like a number, and a number is JSON."""
    if "text" in takes or "mapping" in takes:
        implied = ("integer", "number", "suffix", "auto")
        return [kind for kind in takes if kind not in implied]
    if "number" in takes:
        return [kind for kind in takes if kind != "integer"]
    if not set(takes) - {"null"}:
        return ["mapping", *takes]  # A dataclass, whose keys none of the samples has.
    return takes


def _read(read: Callable[[str], Any], word: str, failed: Any = None) -> Any:
    try:
        return read(word)
    except (ValueError, TypeError, argparse.ArgumentTypeError):
        return failed
