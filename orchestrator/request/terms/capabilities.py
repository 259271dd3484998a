"""What each expert and composition can do, as far as it is known: `/v1/models` tells it."""

from collections.abc import Iterator, Mapping

from aggregators.likelihood.likelihood import Likelihood
from experts.footprint.checkpoint_files import has_chat_template
from experts.footprint.specs import arguments
from experts.spec import Capability, ExpertSpec, HostedSpec, OpenAISpec, VllmSpec
from experts.vllm.hub import folder_of
from orchestrator.config.model import Config
from orchestrator.request.compositions import Compositions
from orchestrator.request.terms.images import image_takers
from orchestrator.request.terms.tools import ToolReaders

ORDER: tuple[Capability, ...] = (
    "chat",
    "completions",
    "embeddings",
    "streaming",
    "tools",
    "json",
    "logprobs",
    "vision",
)
NOTHING = frozenset[Capability]()
VISION = frozenset[Capability](("vision",))
TOGETHER = frozenset[Capability](("chat", "completions", "streaming"))
"""What several experts can do that give one answer."""
SCORING = frozenset[Capability](("completions", "logprobs"))
"""What those can do that score texts together."""


def capabilities_of(
    config: Config, compositions: Compositions, tools: ToolReaders
) -> Mapping[str, tuple[Capability, ...]]:
    """Expert or composition -> what it can do. Reads the files of models."""
    takers = image_takers(config)
    found = {
        name: frozenset(_of_expert(name, spec, config, tools, vision=name in takers))
        for name, spec in config.experts.items()
    }
    answering = [found[name] for name in config.answering]
    common = frozenset.intersection(*answering) if answering else NOTHING
    # Requests with images go to those that take them.
    vision = VISION if any("vision" in can for can in answering) else NOTHING
    for name in config.compositions:
        made = compositions.named(name)
        if made.rules is None:
            found[name] = common | vision
        elif isinstance(made.aggregator, Likelihood):
            found[name] = SCORING
        else:
            found[name] = (common & TOGETHER) | vision
    return {name: tuple(one for one in ORDER if one in can) for name, can in found.items()}


def _of_expert(
    name: str, spec: ExpertSpec, config: Config, tools: ToolReaders, *, vision: bool
) -> Iterator[Capability]:
    if spec.embeds:
        yield "embeddings"
        return
    if vision:
        yield "vision"
    if isinstance(spec, OpenAISpec) and spec.capabilities is not None:
        yield from spec.capabilities
        return
    yield "streaming"
    if not isinstance(spec, HostedSpec):  # Of completions, for one, nothing is known.
        yield "chat"
        return
    yield "completions"
    yield "logprobs"
    base = config.experts.get(spec.base or name, spec)
    if _chats(base, config):
        yield "chat"
    if isinstance(base, VllmSpec):
        yield "json"
        if tools.reads(name):
            yield "tools"


def _chats(spec: ExpertSpec, config: Config) -> bool:
    """Whether messages become a prompt; of files that are not here, it is taken to be so."""
    if isinstance(spec, VllmSpec):
        args = arguments(spec, config.slots.engine_args)
        if args.get("chat_template") or args.get("chat-template"):
            return True
    folder = folder_of(spec.model) if isinstance(spec, HostedSpec) else None
    return folder is None or has_chat_template(folder)
