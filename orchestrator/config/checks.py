"""Checks of a configuration that look at several keys, or at files, at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from aggregators.registry import check as check_aggregator
from experts.components import parse
from experts.spec import ExpertSpec, HostedSpec
from orchestrator.config.composition_checks import check_composition, problems_of
from orchestrator.config.expert_checks import check_experts
from orchestrator.config.keys.checks import check_keys
from orchestrator.config.keys.section import ApiKey
from orchestrator.config.sections import DEFAULT_CLASSES, CompositionConfig
from orchestrator.config.slots_section import SlotsConfig
from routers.encoders.choice import name_of, vectors_named
from routers.registry import FAMILY
from routers.registry import check as check_router

Keys = Mapping[str, Any]
_EXPERT: TypeAdapter[Any] = TypeAdapter(ExpertSpec)
_COMPOSITION, _API_KEY = TypeAdapter(CompositionConfig), TypeAdapter(ApiKey)


def between_keys(tree: dict[str, Any]) -> list[str]:
    """Every problem that a single key cannot show, each with its path.

    Only entries that are right by themselves are looked at: the others are reported already.
    """
    experts = _mapping(tree, "experts")
    declared = tuple(map(str, experts))
    compositions = _valid(_COMPOSITION, _mapping(tree, "compositions"))
    api_keys = _valid(_API_KEY, _mapping(tree, "server", "api_keys"))
    routers, aggregators = (
        {
            str(name): keys
            for name, keys in _mapping(tree, section).items()
            if isinstance(keys, dict)
        }
        for section in ("routers", "aggregators")
    )
    slot_args = _mapping(tree, "slots", "engine_args")
    problems = check_experts(_valid(_EXPERT, experts), frozenset(declared), _slots(tree), slot_args)
    embedding = [name for name in declared if _embeds(experts, name)]
    for name, keys in routers.items():
        problems += _check_encoder(name, keys, embedding)
    answering = tuple(name for name in declared if not _embeds(experts, name))
    for name, composition in compositions.items():
        problems += check_composition(name, composition, routers, aggregators, answering)
    for name, keys in routers.items():
        problems += problems_of(check_router, name, keys, answering)
    for name, keys in aggregators.items():
        problems += problems_of(check_aggregator, f"aggregators.{name}", keys, answering)
    classes = [*DEFAULT_CLASSES, *map(str, _mapping(tree, "classes"))]
    problems += check_keys(api_keys, [*declared, *map(str, _mapping(tree, "compositions"))])
    return problems + _check_classes(classes, compositions, api_keys)


def share_models(tree: dict[str, Any]) -> list[str]:
    """Give every expert that is the `same_as` another one that one's model, in place.

    Returns a problem for each that names a model as well, with its path.
    """
    experts, problems = _mapping(tree, "experts"), []
    for name, keys in experts.items():
        if isinstance(keys, dict) and isinstance(same := keys.get("same_as"), str):
            if "model" in keys and "adapter_of" not in keys:
                problems.append(f"experts.{name}.model: `{same}` names the model; leave it out.")
            # Where there is no such expert, that is the mistake, and not a missing model.
            base = experts.get(same)
            keys["model"] = base.get("model", same) if isinstance(base, dict) else same
    return problems


def _mapping(tree: Any, *path: str) -> dict[Any, Any]:
    """The mapping at a path; an empty one where there is none."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def _check_encoder(name: str, keys: Keys, embedding: Sequence[str]) -> list[str]:
    """A router's encoder that is an expert must be one that embeds."""
    chosen = keys.get("encoder")
    if not isinstance(chosen, str) or chosen in embedding:
        return []
    known = ", ".join(embedding) or "there is none"
    return [
        f"routers.{name}.encoder: no expert with `task: embed` is called `{chosen}` (known:"
        f" {known}); a model is given as `encoder: {{model: PATH}}`."
    ]


def _embeds(experts: Mapping[Any, Any], name: str) -> bool:
    """Whether an expert, which may have mistakes, gives embeddings and no answers."""
    keys = experts.get(name)
    return isinstance(keys, dict) and keys.get("task") == "embed"


def _valid(kind: TypeAdapter[Any], entries: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, entry in entries.items():
        with suppress(ValidationError):  # It is reported already.
            found[str(name)] = kind.validate_python(entry)
    return found


def _slots(tree: dict[str, Any]) -> SlotsConfig:
    """The slots as far as they are right: a mistake among their keys is reported already."""
    given = _mapping(tree, "slots")
    with suppress(ValidationError):
        return SlotsConfig.model_validate(given)
    known = {key: given[key] for key in given if _is_right(str(key), given[key])}
    return SlotsConfig.model_validate(known)


def _is_right(key: str, value: Any) -> bool:
    with suppress(ValidationError):
        SlotsConfig.model_validate({key: value})
        return True
    return False


def _check_classes(
    classes: Sequence[str],
    compositions: Mapping[str, CompositionConfig],
    api_keys: Mapping[str, ApiKey],
) -> list[str]:
    """Request classes that do not exist."""
    named = {f"compositions.{name}": c.request_class for name, c in compositions.items()}
    named |= {f"server.api_keys.{name}": k.request_class for name, k in api_keys.items()}
    known = ", ".join(dict.fromkeys(classes))
    return [
        f"{path}.class: no request class is called `{name}` (known: {known})."
        for path, name in named.items()
        if name is not None and name not in classes
    ]


_PROFILE = "`coterie profile --config FILE`"
_WRITERS = {
    "outcomes": _PROFILE,
    "leads": _PROFILE,
    "artifact": "`coterie router fit {name} --config FILE`",
}
_FUSED = "mixture_of_thoughts"


def missing_files(routers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Files that routers read and that are not there (yet), with who writes them."""
    return [
        f"routers.{name}.{key}: there is no file {settings[key]}. {_writer(name, settings, key)}"
        " writes it."
        for name, settings in routers.items()
        for key in _WRITERS
        if settings.get(key) and not Path(str(settings[key])).is_file()
    ]


def vectors_of(spec: Any) -> str:
    """By what name the vectors of an expert that embeds are known."""
    if isinstance(spec, HostedSpec):
        return name_of(spec.model)
    return f"{spec.model} at {spec.base_url}"


def strangers(
    routers: Mapping[str, Mapping[str, Any]],
    experts: Sequence[str],
    embedders: Mapping[str, str],
) -> Iterator[str]:
    """Fitted routers whose files know none of the experts, or were fitted with another encoder.

    Each with its key and the file; for keys that are right, and files that are there. `embedders`
    are the experts that embed, with the names of their vectors.
    """
    fitted = {n: keys for n, keys in routers.items() if {"outcomes", "artifact"} & keys.keys()}
    if not fitted:
        return
    # Imported here: a configuration without such a router needs no pyarrow.
    from routers.fitted.fitted_config import FittedConfig  # noqa: PLC0415

    for name, settings in fitted.items():
        _, keys = parse(f"routers.{name}", settings, FAMILY, experts)
        if isinstance(keys, FittedConfig):
            from routers.fitted.known_experts import stranger  # noqa: PLC0415

            vectors = vectors_named(keys.encoder, embedders)
            if (why := stranger(name, keys, experts, vectors)) is not None:
                yield why


def unwritable_files(files: Mapping[str, Path | None]) -> list[str]:
    """Files, by the key that names them, to which no line can be added; makes those missing.

    Their folders are not made: they may be misspelt.
    """
    problems: list[str] = []
    for key, file in files.items():
        if file is None:
            continue
        try:
            file.open("ab").close()
        except OSError as error:
            missing = missing_folders({key: file})
            why = f"{key}: {file} cannot be written ({error.strerror or error})."
            problems += missing or [why]
    return problems


def missing_folders(files: Mapping[str, Path | None]) -> list[str]:
    """The files, by the key that names them, whose folder is not there."""
    return [
        f"{key}: {file} cannot be written: {_no_folder(file)}."
        for key, file in files.items()
        if file is not None and _is_missing(file.parent)
    ]


def unusable_store(store: str) -> list[str]:
    """Why the file of a store cannot be used; its folder is not made, for it may be misspelt."""
    kind, _, path = store.partition(":")
    if kind != "sqlite":
        return []
    file = Path(path)
    if file.is_dir():
        why = "it is a folder"
    elif not file.parent.is_dir():
        why = _no_folder(file)
    elif not os.access(file.parent, os.W_OK | os.X_OK):
        why = f"the folder {file.parent} cannot be written, where SQLite keeps files of its own"
    elif file.exists() and not os.access(file, os.W_OK):
        why = "the file is read-only"
    else:
        return []
    return [f"store: {file} cannot be used: {why}."]


def _is_missing(folder: Path) -> bool:
    try:
        folder.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False  # It may be there.
    return False


def _no_folder(file: Path) -> str:
    return f"there is no folder {file.parent}; make it first"


def _writer(name: str, settings: Mapping[str, Any], key: str) -> str:
    if key == "artifact" and settings.get("type") == _FUSED:
        return "`coterie fuse mixture-of-thoughts`"
    return _WRITERS[key].format(name=name)
