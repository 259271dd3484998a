"""Whether an expert's calls of tools can be read: told before it is asked, or even loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experts.errors import RequestError
from experts.footprint.specs import arguments
from experts.spec import HostedSpec, VllmSpec
from experts.vllm.hub import folder_of
from experts.vllm.parsers.files import AUTO_CHOICE, TOOL_PARSER, found_in
from orchestrator.request.terms.meaning import Body, tool_demanded, tools_allowed

_OFF = (False, None, "")


class ToolReaders:
    """What the experts of our slots need to have their calls of tools read."""

    def __init__(self, specs: Mapping[str, HostedSpec], defaults: Mapping[str, Any]) -> None:
        """`specs` are the experts of our slots, `defaults` the engine arguments of all slots."""
        self._specs = specs
        self._defaults = defaults
        self._known: dict[str, RequestError | None] = {}

    def refuse_unread(self, body: Body, expert: str) -> None:
        """Raise RequestError for tools that the expert may call, where no parser reads its calls.

        A call that is demanded needs none: the answer is constrained to one.
        """
        if tools_allowed(body) != "tools" or tool_demanded(body) is not None:
            return
        spec = self._specs.get(expert)
        engine = (spec.base or expert) if spec is not None else expert
        base = self._specs.get(engine)
        if not isinstance(base, VllmSpec):
            return
        if engine not in self._known:
            self._known[engine] = _problem(engine, base, self._defaults)
        if (problem := self._known[engine]) is not None:
            raise problem


def _problem(expert: str, spec: VllmSpec, defaults: Mapping[str, Any]) -> RequestError | None:
    args = {name.replace("-", "_"): value for name, value in arguments(spec, defaults).items()}
    keys = f"experts.{expert}.engine_args"
    off = next((name for name in (AUTO_CHOICE, TOOL_PARSER) if args.get(name, True) in _OFF), None)
    if off is not None:
        return RequestError(
            f"Expert {expert} calls no tools of its own accord: {keys}.{off} turns that off.",
            hint=f"Demand a call with `tool_choice`, or leave out {off}.",
            param="tools",
        )
    folder = folder_of(spec.model)
    if args.get(TOOL_PARSER) or folder is None:  # Of files that are not here, nothing is known.
        return None
    return _unknown(expert, keys, folder, args)


def _unknown(expert: str, keys: str, folder: Path, args: Mapping[str, Any]) -> RequestError | None:
    found = found_in(folder, args)
    if found.parsers.tool is not None:
        return None
    family = f"the family {found.family}" if found.family else "no known family"
    return RequestError(
        f"It is not known how expert {expert}, a model of {family}, writes calls of tools: its chat"
        " template shows none of the formats that vLLM reads.",
        hint=f"Set {keys}.{TOOL_PARSER} to the name of one of vLLM's parsers, demand a call with"
        ' `tool_choice`, or send `tool_choice: "none"`.',
        param="tools",
    )
