"""What the files of a model say before it is loaded: whether they are whole, how far it reads."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from experts.footprint.headers import fault_of

_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer.model.v*",
    "tekken.json",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "*.tiktoken",
    "tiktoken.model",
    "tokenization_*.py",
)
"""Files of which a folder with a tokenizer has at least one."""
_TEMPLATES = (
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/default.jinja",
)
_PICKLE = b"\x80"
"""How the files of older versions of torch begin; those of newer ones are zip archives."""
_CONTEXT_KEYS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
"""The keys of config.json from which vLLM derives the longest context."""
_TEXT_CONFIGS = ("text_config", "llm_config", "language_config", "thinker_config")
_SCALED_ALREADY = ("su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling")
"""Kinds of RoPE scaling whose factor the context in config.json contains."""


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds some tokenizer that transformers knows."""
    return any(any(folder.glob(pattern)) for pattern in _TOKENIZERS)


def has_chat_template(folder: Path) -> bool:
    """Whether a folder says how messages become a prompt, as transformers looks for it."""
    if any((folder / name).is_file() for name in _TEMPLATES):
        return True
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and bool(config.get("chat_template"))


def incomplete_weights(folder: Path) -> Iterator[str]:
    """What is missing or cut short in a folder's safetensors files, a sentence for each."""
    yield from _missing_shards(folder)
    for file in sorted(folder.glob("*.safetensors")):
        if (fault := fault_of(file)) is not None:
            yield fault
    if not any(folder.glob("*.safetensors")):
        yield from filter(None, map(_pickle_fault, sorted(folder.glob("pytorch_model*.bin"))))


def _pickle_fault(file: Path) -> str | None:
    """Why a file of torch's own format cannot be read; None where it may be."""
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_PICKLE))
    except OSError as error:
        return f"{file.name} cannot be read ({error.strerror or error})."
    # Before torch 1.6 it was a bare pickle, whose end cannot be told from a glance.
    if zipfile.is_zipfile(file) or start.startswith(_PICKLE):
        return None
    return (
        f"{file.name} is no file of weights, or cut short; copy it again, or better, convert it to"
        " safetensors (`save_pretrained` of transformers)."
    )


def own_context(config: Mapping[str, Any]) -> tuple[int, str] | None:
    """The longest context of a model in tokens, and the key of its config.json that says so.

    None where config.json does not tell, or vLLM would ask more than this file. It follows
    `_get_and_verify_max_len` of vLLM and is never smaller than that.
    """
    text = next((config[key] for key in _TEXT_CONFIGS if isinstance(config.get(key), dict)), config)
    if _is_number(config.get("model_max_length")) or _is_number(text.get("model_max_length")):
        return None
    found = {key: text[key] for key in _CONTEXT_KEYS if _is_number(text.get(key))}
    if not found:
        return None
    key = min(found, key=found.__getitem__)
    return int(found[key] * _rope_factor(text)), key


def _missing_shards(folder: Path) -> Iterator[str]:
    index = folder / "model.safetensors.index.json"
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except FileNotFoundError:
        return
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        yield f"{index.name} cannot be read; copy it again."
        return
    if missing := sorted(name for name in shards if not (folder / str(name)).is_file()):
        yield f"{', '.join(missing)} of {index.name} is not there; copy it again."


def _rope_factor(config: Mapping[str, Any]) -> float:
    """By how much RoPE scaling makes the context longer than config.json says."""
    factor = 1.0
    for key in ("rope_parameters", "rope_scaling"):
        scaling = config.get(key)
        kinds = scaling.values() if isinstance(scaling, dict) and not _is_scaling(scaling) else ()
        for one in (scaling, *kinds):
            if isinstance(one, dict) and _is_scaling(one):
                kind = one.get("rope_type", one.get("type"))
                given = one.get("factor")
                if kind not in _SCALED_ALREADY and _is_number(given):
                    factor = max(factor, float(given))
    return factor


def _is_scaling(value: Mapping[str, Any]) -> bool:
    return "rope_type" in value or "type" in value


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
