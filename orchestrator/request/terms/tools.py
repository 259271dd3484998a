"""Whether an expert's calls of tools can be read: told before it is asked, or even loaded."""

from collections.abc import Mapping
from typing import Any

from experts.errors import ExpertError, ExpertRefused, RequestError
from experts.footprint.specs import arguments
from experts.spec import HostedSpec, VllmSpec
from experts.vllm.hub import folder_of
from experts.vllm.parsers.files import AUTO_CHOICE, TOOL_PARSER, found_in
from orchestrator.request.terms.meaning import Body, tools_allowed

_OFF = (False, None, "")
_FLAG = "--tool-call-parser"


class ToolReaders:
    """What the experts of our slots need to have their calls of tools read."""

    def __init__(self, specs: Mapping[str, HostedSpec], defaults: Mapping[str, Any]) -> None:
        """`specs` are the experts of our slots, `defaults` the engine arguments of all slots."""
        self._specs = specs
        self._defaults = defaults
        self._known: dict[str, RequestError | None] = {}

    def refuse_unread(self, body: Body, expert: str) -> None:
        """Raise RequestError for tools that may be called, where no parser reads the calls.

        vLLM has it so for calls that are demanded, too.
        """
        found = self._engine_of(expert)
        if found is None or tools_allowed(body) != "tools":
            return
        if (problem := self._problem_of(*found)) is not None:
            raise problem

    def reads(self, expert: str) -> bool:
        """Whether calls are read, as far as that is known."""
        found = self._engine_of(expert)
        if found is None or self._problem_of(*found) is not None:
            return False
        args = arguments(found[1], self._defaults)
        told = args.get(TOOL_PARSER) or args.get(TOOL_PARSER.replace("_", "-"))
        return bool(told) or folder_of(found[1].model) is not None

    def explain(self, error: ExpertError, expert: str) -> None:
        """Raise RequestError, with our key, for what vLLM says of its own flag.

        That is how a model whose files are on another machine only is found out.
        """
        found = self._engine_of(expert)
        if found is not None and isinstance(error, ExpertRefused) and _FLAG in error.message:
            raise _unknown(found[0], "") from error

    def _problem_of(self, name: str, spec: VllmSpec) -> RequestError | None:
        if name not in self._known:
            self._known[name] = _problem(name, spec, self._defaults)
        return self._known[name]

    def _engine_of(self, expert: str) -> tuple[str, VllmSpec] | None:
        """The expert whose engine answers for this one, where vLLM runs it in a slot of ours."""
        spec = self._specs.get(expert)
        name = (spec.base or expert) if spec is not None else expert
        base = self._specs.get(name)
        return (name, base) if isinstance(base, VllmSpec) else None


def _problem(expert: str, spec: VllmSpec, defaults: Mapping[str, Any]) -> RequestError | None:
    args = {name.replace("-", "_"): value for name, value in arguments(spec, defaults).items()}
    off = next((name for name in (AUTO_CHOICE, TOOL_PARSER) if args.get(name, True) in _OFF), None)
    if off is not None:
        return RequestError(
            f"Expert {expert} calls no tools: experts.{expert}.engine_args.{off} turns that off.",
            hint=f'Leave out {off}, or send `tool_choice: "none"`.',
            param="tools",
        )
    folder = folder_of(spec.model)
    if args.get(TOOL_PARSER) or folder is None:  # Of files that are not here, nothing is known.
        return None
    found = found_in(folder, args)
    return None if found.parsers.tool is not None else _unknown(expert, found.family)


def _unknown(expert: str, family: str) -> RequestError:
    model = f", a model of the family {family}," if family else ""
    return RequestError(
        f"It is not known how expert {expert}{model} writes calls of tools: its chat template shows"
        " none of the formats that vLLM reads.",
        hint=f"Set experts.{expert}.engine_args.{TOOL_PARSER} to the name of one of vLLM's parsers,"
        ' or send `tool_choice: "none"`.',
        param="tools",
    )
