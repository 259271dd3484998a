"""The routers of a configuration; those that nothing has changed for stay as they are."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from orchestrator.config.model import Config
from orchestrator.reload.config_file import Version
from routers.base import Encoder, Router
from routers.registry import build

MakeEncoder = Callable[[], Encoder]
Embedder = Callable[[str], Encoder]


def make_router(
    config: Config, encoder: MakeEncoder, embedder: Embedder | None, name: str
) -> Router:
    """One of them; blocks for seconds. Raises ConfigError."""
    return build(name, config.routers[name], tuple(config.answering), encoder, embedder)


def asks_expert(keys: Mapping[str, Any]) -> bool:
    """Whether a router embeds with an expert, and so cannot be made before the pool is there."""
    return isinstance(keys.get("encoder"), str)


def make_routers(
    config: Config,
    encoder: MakeEncoder,
    names: Sequence[str],
    embedder: Embedder | None = None,
) -> dict[str, Router]:
    """Some of the routers; where one asks for the encoder, no request waits until it is loaded."""
    asked = False

    def wanted() -> Encoder:
        nonlocal asked
        asked = True
        return encoder()

    routers = {name: make_router(config, wanted, embedder, name) for name in names}
    if asked:
        encoder().encode(["The first text pays for loading the encoder."])
    return routers


def unchanged(old: Version, new: Version, renewed: Collection[str]) -> frozenset[str]:
    """The routers that would be made again just as they are; `renewed` experts are other ones."""
    before, after = old.config, new.config
    if tuple(before.answering) != tuple(after.answering):
        return frozenset()
    return frozenset(
        name
        for name, keys in after.routers.items()
        if before.routers.get(name) == keys
        and _files(old, name) == _files(new, name)
        and _same_embedder(before, after, keys, renewed)
    )


def warnings_of(routers: Mapping[str, Router]) -> list[str]:
    """All that each router warns of, in one line."""
    found = []
    for name, router in routers.items():
        prefix, warnings = f"routers.{name}: ", getattr(router, "warnings", ())
        if warnings:
            words = (warning.removeprefix(prefix) for warning in warnings)
            found.append(prefix + " ".join(words))
    return found


def _files(version: Version, name: str) -> dict[str, str]:
    prefix = f"routers.{name}."
    return {key: one for key, one in version.files.items() if key.startswith(prefix)}


def _same_embedder(
    before: Config, after: Config, keys: Mapping[str, Any], renewed: Collection[str]
) -> bool:
    if not asks_expert(keys):
        return True
    name = keys["encoder"]
    return name not in renewed and before.experts.get(name) == after.experts.get(name)
