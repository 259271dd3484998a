"""Parsers once the tokenizer is there: found where files were missing, dropped where they fail."""

import logging
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from vllm.parser import ParserManager

from experts.vllm.parsers.families import parsers_of
from experts.vllm.parsers.files import AUTO_CHOICE, REASONING_PARSER, TOOL_PARSER

LOGGER = logging.getLogger("coterie.slot")


def settle_parsers(args: Namespace, engine: Any, given: Mapping[str, Any]) -> None:
    """Complete the arguments of a server whose engine runs; `given` are those of the configuration.

    A model from the hub shows its chat template only now. A parser that was derived, and that
    refuses the tokenizer, is left out: a load must not fail for it.
    """
    named = {name.replace("-", "_") for name in given}
    tokenizer = engine.get_tokenizer()
    if not named & {TOOL_PARSER, AUTO_CHOICE} and args.tool_call_parser is None:
        family = str(getattr(engine.model_config.hf_config, "model_type", ""))
        template = args.chat_template or getattr(tokenizer, "chat_template", None)
        args.tool_call_parser = parsers_of(family, str(template or "")).tool
        args.enable_auto_tool_choice = args.tool_call_parser is not None
    if TOOL_PARSER not in named and (fault := _fault(tokenizer, tool=args.tool_call_parser)):
        LOGGER.warning("tool_call_parser %s is left out: %s", args.tool_call_parser, fault)
        args.tool_call_parser, args.enable_auto_tool_choice = None, False
    outputs = args.structured_outputs_config
    if REASONING_PARSER not in named and (fault := _fault(tokenizer, outputs.reasoning_parser)):
        LOGGER.warning("reasoning_parser %s is left out: %s", outputs.reasoning_parser, fault)
        outputs.reasoning_parser = ""


def _fault(tokenizer: Any, reasoning: str | None = None, tool: str | None = None) -> str:
    """Why parsers cannot be used with a tokenizer; empty where they can."""
    try:
        ParserManager.get_parser(tool, reasoning or None, tool is not None, tokenizer=tokenizer)
    except Exception as error:  # Each parser raises what it likes.
        return " ".join(str(error).split()) or type(error).__name__
    return ""
