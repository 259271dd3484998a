"""The tokenizer of a fused folder: the first member's, taught the role tokens that it lacks."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from experts.errors import ConfigError
from experts.fused.folder.role_tokens import RolePlan, taught_token

_OTHER_FORMS = ("added_tokens.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model")
"""The vocabulary once more, for tokenizers of other classes."""
TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *(*_OTHER_FORMS, "generation_config.json"),
)
_BACKEND, _SETTINGS, _ADDED = "tokenizer.json", "tokenizer_config.json", "added_tokens_decoder"


def load_tokenizers(folders: Mapping[str, Path]) -> dict[str, Any]:
    """Load the tokenizers of models, by name. Raises ConfigError that names every missing one."""
    found, problems = {}, []
    for name, folder in folders.items():
        try:
            found[name] = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            problems.append(f"{name}: {folder} has no tokenizer ({' '.join(str(error).split())})")
            continue
        if not found[name].is_fast:
            problems.append(f"{name}: {folder} has no fast tokenizer (tokenizer.json)")
    if problems:
        raise ConfigError(
            f"These models cannot be members: {'; '.join(problems)}.", problems=tuple(problems)
        )
    return found


def write_tokenizer(source: Path, plan: RolePlan, folder: Path) -> None:
    """Copy a model's tokenizer files, changed where it has to be taught role tokens.

    The chat template is left out: a fused folder has its own. Raises ConfigError where the
    tokenizer does not come back from its files as it was planned.
    """
    for name in TOKENIZER_FILES:
        # These would not know what the tokenizer is taught.
        if (source / name).is_file() and not (plan.taught and name in _OTHER_FORMS):
            shutil.copyfile(source / name, folder / name)
    path = folder / _SETTINGS
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    settings.pop("chat_template", None)
    if plan.taught or not (folder / _BACKEND).is_file():
        (folder / _BACKEND).write_text(plan.backend.to_str(pretty=True), encoding="utf-8")
    if plan.taught and _ADDED in settings:
        settings[_ADDED] |= _entries(plan)
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")
    _check_written(plan, folder)


def _entries(plan: RolePlan) -> dict[str, Any]:
    """The new tokens as tokenizer_config.json lists them."""
    flags = plan.backend.get_added_tokens_decoder()[plan.first.id]
    names = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    tokens = {token.id: taught_token(token.text, flags) for token in plan.taught}
    return {str(id): {name: getattr(one, name) for name in names} for id, one in tokens.items()}


def _check_written(plan: RolePlan, folder: Path) -> None:
    """Compare with what the engine will load."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    added = tokenizer.get_added_vocab()
    wrong = [token.text for token in plan.tokens if added.get(token.text) != token.id]
    if wrong:
        raise ConfigError(
            f"The tokenizer forgets {', '.join(wrong)} when it is saved and loaded again.",
            hint="Name special tokens that it already has with `role_tokens`.",
        )
