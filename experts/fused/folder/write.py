"""Writes a fused folder: what vLLM needs to serve several models as one."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from transformers import AutoTokenizer

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
from experts.fused.folder.role_tokens import assign_role_tokens, chat_template, first_token

TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "tokenizer.model", "generation_config.json"),
)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The checked models of a fused folder, by name: the members first, then the router."""

    configs: Mapping[str, dict[str, Any]]
    models: Mapping[str, Any]
    """As transformers reads the configurations."""
    tokenizer: Any
    """The first member's."""
    speaking: frozenset[str]
    """Those that share this tokenizer."""


def write_composite(
    folder: Path,
    architecture: str,
    members: Mapping[str, Path],
    roles: Sequence[Mapping[str, Any]],
    trained: TrainedPart | None = None,
) -> Composite:
    """Write config, tokenizer, chat template and own weights of a composite into `folder`.

    `roles` are as in `methods/`, the default first. Members are referred to by a path relative
    to the folder. Raises ConfigError, before anything is written, where the members do not fit
    together, and gives the reason.
    """
    parts = _check(members, trained)
    role_tokens = assign_role_tokens(parts.tokenizer, [str(role.get("name")) for role in roles])
    first_id = first_token(parts.tokenizer)
    config = {
        "model_type": MODEL_TYPE,
        "architectures": [architecture],
        "members": {
            name: _member(path, folder, parts.configs[name], trained is not None)
            for name, path in members.items()
        },
        "roles": [dict(role) for role in roles],
        "role_token_ids": parts.tokenizer.convert_tokens_to_ids(list(role_tokens.values())),
        "bos_token_id": first_id,
        "eos_token_id": parts.configs[next(iter(members))].get("eos_token_id"),
        **_shape([model for name, model in parts.models.items() if name in parts.speaking]),
        **_own_settings(trained, parts),
    }
    composite = parse(config, str(folder))
    if type(trained) is not TRAINED.get(type(composite), type(None)):
        raise ConfigError(
            "FusionRoute and Mixture of Thoughts need trained weights of their own kind, and no"
            " other composite has any."
        )
    first_text = parts.tokenizer.convert_ids_to_tokens(first_id)
    template = with_role(chat_template(parts.tokenizer), first_text, role_tokens)
    _write(folder, next(iter(members.values())), template, trained, config)
    return composite


def _check(members: Mapping[str, Path], trained: TrainedPart | None) -> _Parts:
    if not members:
        raise ConfigError("A composite needs at least one member.")
    folders = dict(members)
    if isinstance(trained, TrainedRoute):
        folders["the router"] = trained.router
    check_folders(folders)
    configs = {name: _read_json(path / "config.json") for name, path in folders.items()}
    models = check_models(configs)
    tokenizers = {name: AutoTokenizer.from_pretrained(path) for name, path in folders.items()}
    settings = trained.settings if isinstance(trained, TrainedThoughts) else {}
    listeners = settings.get("listeners", ())
    speaking = {name: one for name, one in tokenizers.items() if name not in listeners}
    check_tokenizers(speaking)
    if isinstance(trained, TrainedRoute):
        check_head(trained.route_head, members, models["the router"].hidden_size)
    if trained:
        check_trained_with(trained.members, members)
    first = next(iter(tokenizers.values()))
    return _Parts(configs, models, first, frozenset(speaking))


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
    first_member: Path,
    template: str,
    trained: TrainedPart | None,
    config: Mapping[str, Any],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _copy_tokenizer(first_member, folder)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    # vLLM wants a file of weights, even an empty one.
    weights = folder / "model.safetensors"
    save_file(own_weights(trained), weights)
    weights.chmod(0o644)  # safetensors makes it readable for its owner alone.
    _write_json(folder / "config.json", config)


def _copy_tokenizer(source: Path, folder: Path) -> None:
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    path = folder / "tokenizer_config.json"
    settings = _read_json(path)
    settings.pop("chat_template", None)  # It would be a second one beside our own.
    _write_json(path, settings)


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
