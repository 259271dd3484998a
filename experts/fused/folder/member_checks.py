"""Whether models fit together in one fused folder: checkpoints, tokenizers, trained weights."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from experts.errors import ConfigError
from experts.fused.folder.fingerprint import fingerprint, weight_files
from experts.fused.folder.member import model_config

OTHER_MEMBERS = "The trained weights belong to other members"


def check_folders(folders: Mapping[str, Path]) -> None:
    """Raise ConfigError where a folder holds no whole checkpoint."""
    problems = []
    for name, path in folders.items():
        if not path.is_dir():
            problems.append(f"{name}: there is no folder {path}")
        elif (path / "adapter_config.json").is_file():
            problems.append(f"{name}: {path} is a LoRA adapter, which is not merged into its base")
        elif not (path / "config.json").is_file():
            problems.append(f"{name}: {path} has no config.json")
        elif not weight_files(path):
            problems.append(f"{name}: {path} has no weights")
    _refuse(problems, "These models cannot be members")


def check_models(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Name -> configuration as transformers reads it; raises ConfigError with every mistake."""
    problems, found = [], {}
    for name, config in configs.items():
        try:
            found[name] = model_config(config, name)
        except ConfigError as error:
            problems.append(str(error).removesuffix("."))
    _refuse(problems, "These models cannot be members")
    return found


def check_tokenizers(tokenizers: Mapping[str, Any]) -> None:
    """Raise ConfigError where the tokenizers would not give the same tokens for every text."""
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
                f"{name} has a different vocabulary than {first}: {len(differing)} tokens differ,"
                f" such as {', '.join(map(repr, differing[:3]))}"
            )
        elif _splitting(tokenizer) != splitting:
            problems.append(f"{name} splits text into tokens differently than {first}")
    _refuse(problems, "The members must share one tokenizer")


def _splitting(tokenizer: Any) -> Any:
    """What decides how text becomes tokens."""
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    return [parts.get(name) for name in ("normalizer", "pre_tokenizer", "model", "added_tokens")]


def check_head(route_head: Tensor, members: Mapping[str, Path], width: int) -> None:
    """Raise ConfigError where the head is not [members, `width` of the router]."""
    expected = (len(members), width)
    if tuple(route_head.shape) != expected:
        problem = (
            f"the route head is {list(route_head.shape)}, not [experts, width of the"
            f" router] = {list(expected)}"
        )
        _refuse([problem], OTHER_MEMBERS)


def check_trained_with(trained: Mapping[str, str], members: Mapping[str, Path]) -> None:
    """Raise ConfigError where the members are not those that the weights were trained with.

    `trained` is member -> fingerprint; empty where nothing is known.
    """
    problems = []
    if trained and list(trained) != list(members):
        problems.append(f"it was trained with {', '.join(trained)}, not {', '.join(members)}")
    for name, version in trained.items():
        if name in members and fingerprint(members[name]) != version:
            problems.append(f"{name} no longer has the weights that it was trained with")
    _refuse(problems, OTHER_MEMBERS)


def _refuse(problems: Sequence[str], summary: str) -> None:
    if problems:
        raise ConfigError(f"{summary}: {'; '.join(problems)}.", problems=tuple(problems))
