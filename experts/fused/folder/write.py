"""Writes a fused folder: what vLLM needs to serve several models as one."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import save_file

from experts.errors import ConfigError
from experts.fused.folder.chat_template import with_role
from experts.fused.folder.composite import Composite
from experts.fused.folder.fingerprint import fingerprint
from experts.fused.folder.folder_config import MODEL_TYPE, parse
from experts.fused.folder.member import SHAPE, Member
from experts.fused.folder.member_checks import (
    check_folders,
    check_head,
    check_models,
    check_tokenizers,
    check_trained_with,
)
from experts.fused.folder.own_weights import (
    TRAINED,
    TrainedPart,
    TrainedRoute,
    TrainedThoughts,
    own_weights,
)
from experts.fused.folder.role_tokens import RolePlan, plan_roles
from experts.fused.folder.tokenizer_files import load_tokenizers, write_tokenizer


@dataclass(frozen=True, slots=True)
class _Parts:
    """The checked models of a fused folder, by name: the members first, then the router."""

    configs: Mapping[str, dict[str, Any]]
    models: Mapping[str, Any]
    """As transformers reads the configurations."""
    tokenizers: Mapping[str, Any]
    """Of those that share the first member's."""


def write_composite(
    folder: Path,
    architecture: str,
    members: Mapping[str, Path],
    roles: Sequence[Mapping[str, Any]],
    trained: TrainedPart | None = None,
    role_tokens: Sequence[str] = (),
) -> Composite:
    """Write config, tokenizer, chat template and own weights of a composite into `folder`.

    `roles` are as in `methods/`, the default first, `role_tokens` as in `plan_roles`. Members are
    referred to by a path relative to the folder. Raises ConfigError, before anything is written,
    where the members do not fit together, and gives the reason.
    """
    folders = _folders(members, trained)
    parts = _check(folders, members, trained)
    names = [str(role.get("name")) for role in roles]
    speaking = _speaking(parts)
    plan = plan_roles(folders, parts.tokenizers, _rows(speaking), names, role_tokens)
    config = {
        "model_type": MODEL_TYPE,
        "architectures": [architecture],
        "members": {
            name: _member(path, folder, parts.configs[name], trained is not None)
            for name, path in members.items()
        },
        "roles": [dict(role) for role in roles],
        "role_token_ids": [token.id for token in plan.tokens],
        "bos_token_id": plan.first.id,
        "eos_token_id": parts.configs[next(iter(members))].get("eos_token_id"),
        **_shape(speaking),
        **_own_settings(trained, parts),
    }
    composite = parse(config, str(folder))
    if type(trained) is not TRAINED.get(type(composite), type(None)):
        raise ConfigError(
            "FusionRoute and Mixture of Thoughts need trained weights of their own kind, and no"
            " other composite has any."
        )
    texts = {name: token.text for name, token in zip(names, plan.tokens, strict=True)}
    template = with_role(plan.template, plan.first.text, texts)
    with TemporaryDirectory(prefix="coterie-tokenizer-") as made:
        write_tokenizer(next(iter(members.values())), plan, Path(made))
        _write(folder, Path(made), template, trained, config)
    return composite


def check_roles(
    folders: Mapping[str, Path], roles: Sequence[str], role_tokens: Sequence[str] = ()
) -> RolePlan:
    """Whether models that share a tokenizer can have these roles, as `write_composite` finds it.

    For trainings, which would learn it after hours only. Raises ConfigError.
    """
    check_folders(folders)
    configs = {name: _read_json(path / "config.json") for name, path in folders.items()}
    models = check_models(configs)
    tokenizers = load_tokenizers(folders)
    check_tokenizers(tokenizers)
    plan = plan_roles(folders, tokenizers, _rows(list(models.values())), roles, role_tokens)
    with TemporaryDirectory(prefix="coterie-tokenizer-") as made:
        write_tokenizer(next(iter(folders.values())), plan, Path(made))
    return plan


def _folders(members: Mapping[str, Path], trained: TrainedPart | None) -> dict[str, Path]:
    if not members:
        raise ConfigError("A composite needs at least one member.")
    router = {"the router": trained.router} if isinstance(trained, TrainedRoute) else {}
    return {**members, **router}


def _check(
    folders: Mapping[str, Path], members: Mapping[str, Path], trained: TrainedPart | None
) -> _Parts:
    check_folders(folders)
    configs = {name: _read_json(path / "config.json") for name, path in folders.items()}
    models = check_models(configs)
    settings = trained.settings if isinstance(trained, TrainedThoughts) else {}
    listeners = settings.get("listeners", ())
    tokenizers = load_tokenizers({n: path for n, path in folders.items() if n not in listeners})
    check_tokenizers(tokenizers)
    if isinstance(trained, TrainedRoute):
        check_head(trained.route_head, members, models["the router"].hidden_size)
    if trained:
        check_trained_with(trained.members, members)
    return _Parts(configs, models, tokenizers)


def _speaking(parts: _Parts) -> list[Any]:
    return [model for name, model in parts.models.items() if name in parts.tokenizers]


def _rows(models: Sequence[Any]) -> int:
    """Of the smallest embedding."""
    return min(int(model.vocab_size) for model in models)


def _own_settings(trained: TrainedPart | None, parts: _Parts) -> dict[str, Any]:
    """The keys of config.json that only the method has."""
    if isinstance(trained, TrainedRoute):
        return {"router": parts.configs["the router"]}
    return dict(trained.settings) if trained else {}


def _member(path: Path, folder: Path, config: dict[str, Any], trained: bool) -> dict[str, Any]:
    member = Member(
        path=relpath(path.resolve(), folder.resolve()),
        config=config,
        fingerprint=fingerprint(path) if trained else None,
    )
    return member.model_dump(exclude_none=True)


def _shape(models: Sequence[Any]) -> dict[str, Any]:
    """What vLLM reads of any model: the first member's shape, and the limits of all."""
    shape = {name: getattr(models[0], name) for name in SHAPE}
    heads = shape["num_attention_heads"]
    shape["num_key_value_heads"] = getattr(models[0], "num_key_value_heads", None) or heads
    for limit in ("vocab_size", "max_position_embeddings"):
        shape[limit] = min(getattr(model, limit) for model in models)
    dtypes = {str(model.dtype or "float32").removeprefix("torch.") for model in models}
    shape["torch_dtype"] = dtypes.pop() if len(dtypes) == 1 else "float32"
    most = max(Member(path=".", config=model.to_dict()).experts for model in models)
    return {**shape, **({"num_local_experts": most} if most else {})}


def _write(
    folder: Path,
    tokenizer: Path,
    template: str,
    trained: TrainedPart | None,
    config: Mapping[str, Any],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in tokenizer.iterdir():
        shutil.copyfile(file, folder / file.name)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    # vLLM wants a file of weights, even an empty one.
    weights = folder / "model.safetensors"
    save_file(own_weights(trained), weights)
    weights.chmod(0o644)  # safetensors makes it readable for its owner alone.
    _write_json(folder / "config.json", config)


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
