"""Writes a fused folder: what vLLM needs to serve several models as one."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import relpath
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoTokenizer

from experts.errors import ConfigError
from experts.fused.folder.chat_template import with_role
from experts.fused.folder.fingerprint import fingerprint, weight_files
from experts.fused.folder.folder_config import (
    MODEL_TYPE,
    SHAPE,
    Composite,
    FusionRoute,
    Member,
    MixtureOfThoughts,
    model_config,
    parse,
)

RESERVED = re.compile(
    r"<\|role_(\d+)\|>|<\|reserved_special_token_(\d+)\|>|<unused(\d+)>|<\|dummy_(\d+)\|>"
)
"""Tokens without a meaning, as the zoo's, Llama's, Gemma's and Phi's tokenizers have them."""
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "tokenizer.model", "generation_config.json"),
)
_HEAD = "route_head.weight"


@dataclass(frozen=True, slots=True)
class TrainedThoughts:
    """The trained part of a Mixture of Thoughts composite."""

    interactions: Mapping[str, Tensor]
    """Weights of the interaction layers, by their names under `interactions.`."""
    settings: Mapping[str, Any]
    """stacks, places, shared_width and heads, as in `config.MixtureOfThoughts`."""
    members: Mapping[str, str]
    """As in `Trained`."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The trained part of a FusionRoute composite."""

    router: Path
    """Folder of the router LM's checkpoint."""
    route_head: Tensor
    """[experts, width of the router], experts in the order of the members."""
    members: Mapping[str, str] = field(default_factory=dict)
    """Member -> `fingerprint` of the checkpoint that it was trained with, where that is known."""


TRAINED: Mapping[type[Composite], type] = {
    FusionRoute: Trained,
    MixtureOfThoughts: TrainedThoughts,
}
"""The composites that have weights of their own; all others have none."""
OTHER_MEMBERS = "The trained weights belong to other members"


def write_composite(
    folder: Path,
    architecture: str,
    members: Mapping[str, Path],
    roles: Sequence[Mapping[str, Any]],
    trained: Trained | TrainedThoughts | None = None,
) -> Composite:
    """Write config, tokenizer, chat template and own weights of a composite into `folder`.

    `roles` are as in `config.py`, the default first. Members are referred to by a path relative
    to the folder. Raises ConfigError, before anything is written, where the members do not go
    together, and names the reason.
    """
    first = next(iter(members.values()), None)
    if first is None:
        raise ConfigError("A composite needs at least one member.")
    folders = dict(members)
    if isinstance(trained, Trained):
        folders["the router"] = trained.router
    _check_folders(folders)
    configs = {name: _read_json(path / "config.json") for name, path in folders.items()}
    models = _check_models(configs)
    tokenizers = {name: AutoTokenizer.from_pretrained(path) for name, path in folders.items()}
    settings = trained.settings if isinstance(trained, TrainedThoughts) else {}
    listeners = settings.get("listeners", ())
    speaking = {name: one for name, one in tokenizers.items() if name not in listeners}
    _check_tokenizers(speaking)
    if isinstance(trained, Trained):
        _check_head(trained, members, models["the router"].hidden_size)
    if trained:
        _check_members(trained.members, members)
    tokenizer = next(iter(tokenizers.values()))
    role_tokens = _role_tokens(tokenizer, [str(role.get("name")) for role in roles])
    first_id = _first_token(tokenizer)
    config = {
        "model_type": MODEL_TYPE,
        "architectures": [architecture],
        "members": {
            name: _member(path, folder, configs[name], trained is not None)
            for name, path in members.items()
        },
        "roles": [dict(role) for role in roles],
        "role_token_ids": tokenizer.convert_tokens_to_ids(list(role_tokens.values())),
        "bos_token_id": first_id,
        "eos_token_id": configs[next(iter(members))].get("eos_token_id"),
        **_shape([model for name, model in models.items() if name in speaking]),
    }
    if isinstance(trained, Trained):
        config["router"] = configs["the router"]
    elif trained:
        config.update(trained.settings)
    composite = parse(config, str(folder))
    if type(trained) is not TRAINED.get(type(composite), type(None)):
        raise ConfigError(
            "FusionRoute and Mixture of Thoughts need trained weights of their own kind, and no"
            " other composite has any."
        )

    folder.mkdir(parents=True, exist_ok=True)
    _copy_tokenizer(first, folder)
    first_text = tokenizer.convert_ids_to_tokens(first_id)
    template = with_role(_template(tokenizer), first_text, role_tokens)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    # vLLM wants a file of weights, be it empty.
    weights = folder / "model.safetensors"
    save_file(_own_weights(trained), weights)
    weights.chmod(0o644)  # It comes readable for its owner alone.
    _write_json(folder / "config.json", config)
    return composite


def _check_folders(folders: Mapping[str, Path]) -> None:
    problems = []
    for name, path in folders.items():
        if not path.is_dir():
            problems.append(f"{name}: there is no folder {path}")
        elif (path / "adapter_config.json").is_file():
            problems.append(f"{name}: {path} is a LoRA adapter; merge it into its base first")
        elif not (path / "config.json").is_file():
            problems.append(f"{name}: {path} has no config.json")
        elif not weight_files(path):
            problems.append(f"{name}: {path} has no weights")
    _refuse(problems, "These cannot take part")


def _check_models(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Name -> configuration as transformers reads it."""
    problems, found = [], {}
    for name, config in configs.items():
        try:
            found[name] = model_config(config, name)
        except ConfigError as error:
            problems.append(str(error).removesuffix("."))
    _refuse(problems, "These cannot take part")
    return found


def _check_tokenizers(tokenizers: Mapping[str, Any]) -> None:
    problems = []
    (first, expected), *others = tokenizers.items()
    vocabulary, splitting = expected.get_vocab(), _splitting(expected)
    for name, tokenizer in others:
        own = tokenizer.get_vocab()
        if own != vocabulary:
            differing = sorted(
                token
                for token in vocabulary.keys() | own.keys()
                if vocabulary.get(token) != own.get(token)
            )
            problems.append(
                f"{name} has another vocabulary than {first}: {len(differing)} tokens differ,"
                f" such as {', '.join(map(repr, differing[:3]))}"
            )
        elif _splitting(tokenizer) != splitting:
            problems.append(f"{name} splits text into tokens in another way than {first}")
    _refuse(problems, "The members must share one tokenizer")


def _splitting(tokenizer: Any) -> Any:
    """What decides how text becomes tokens."""
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    return [parts.get(name) for name in ("normalizer", "pre_tokenizer", "model", "added_tokens")]


def _check_head(trained: Trained, members: Mapping[str, Path], width: int) -> None:
    expected = (len(members), width)
    if tuple(trained.route_head.shape) != expected:
        problem = (
            f"the route head is {list(trained.route_head.shape)}, not [experts, width of the"
            f" router] = {list(expected)}"
        )
        _refuse([problem], OTHER_MEMBERS)


def _check_members(trained: Mapping[str, str], members: Mapping[str, Path]) -> None:
    problems = []
    if trained and list(trained) != list(members):
        problems.append(f"it was trained with {', '.join(trained)}, not {', '.join(members)}")
    for name, version in trained.items():
        if name in members and fingerprint(members[name]) != version:
            problems.append(f"{name} has other weights than it was trained with")
    _refuse(problems, OTHER_MEMBERS)


def _refuse(problems: Sequence[str], summary: str) -> None:
    if problems:
        raise ConfigError(f"{summary}: {'; '.join(problems)}.", problems=tuple(problems))


def _role_tokens(tokenizer: Any, roles: Sequence[str]) -> dict[str, str]:
    """Role -> the token that stands for it."""
    tokens = reserved_tokens(tokenizer)
    if len(tokens) < len(roles):
        raise ConfigError(
            f"{len(roles)} roles need as many reserved tokens; the members' tokenizer has"
            f" {len(tokens)}.",
            hint="Reserved are <|role_N|>, <|reserved_special_token_N|>, <unusedN>, <|dummy_N|>.",
        )
    return dict(zip(roles, tokens, strict=False))


def reserved_tokens(tokenizer: Any) -> list[str]:
    """The tokens of a tokenizer that can stand for roles, in the order of their numbers."""
    numbered = []
    for token in tokenizer.get_added_vocab():
        if match := RESERVED.fullmatch(token):
            numbered.append((int(next(filter(None, match.groups()))), token))
    return [token for _, token in sorted(numbered)]


def _template(tokenizer: Any) -> str:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not template:
        raise ConfigError("The members' tokenizer has no chat template.")
    return str(template)


def _first_token(tokenizer: Any) -> int:
    """The token that every conversation starts with, whose place a role token takes."""
    _template(tokenizer)
    text = tokenizer.apply_chat_template([{"role": "user", "content": "Hello"}], tokenize=False)
    token = int(tokenizer(text, add_special_tokens=False)["input_ids"][0])
    if not text.startswith(tokenizer.convert_ids_to_tokens(token)) or (
        token not in tokenizer.added_tokens_decoder
    ):
        raise ConfigError(
            "The members' chat template starts with no special token such as <s>, whose place"
            f" a role token could take: {text[:20]!r}"
        )
    return token


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


def _own_weights(trained: Trained | TrainedThoughts | None) -> dict[str, Tensor]:
    if trained is None:
        return {}
    if isinstance(trained, TrainedThoughts):
        return {
            f"interactions.{name}": tensor.detach().to("cpu", torch.float32).contiguous()
            for name, tensor in trained.interactions.items()
        }
    weights = {_HEAD: trained.route_head.detach().to("cpu", torch.float32).contiguous()}
    for path in weight_files(trained.router):
        if path.suffix != ".safetensors":
            raise ConfigError(f"The router's weights must be safetensors, not {path.name}.")
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no dict
                weights[f"router.{name}"] = tensors.get_tensor(name)
    return weights


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
